"""Where the things lie that come with headswap, and whether a new thing can be made somewhere.

A clone keeps its sample set in assets/ and its workspace next to `app.py`. An installed headswap holds the
sample set inside the package and keeps the workspace where the system wants a person's data.

Knows paths only; changes nothing.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

from headswap.errors import BadSetting

_PACKAGE = Path(__file__).resolve().parents[1]
_SAMPLE = Path("assets", "sample")  # of the clone; in a wheel the same path lies inside the package


def clone_folder() -> Path | None:
    """The clone that this package runs from; None where it was installed."""
    root = _PACKAGE.parent
    return root if (root / "app.py").is_file() and (root / _SAMPLE).is_dir() else None


def sample_folder() -> Path:
    """The sample set: `train` holds class folders, `try` holds images of no class folder."""
    return (clone_folder() or _PACKAGE) / _SAMPLE


def default_workspace() -> Path:
    """Where the page keeps projects and runs unless another folder is named."""
    clone = clone_folder()
    return clone / "workspace" if clone else user_data_path("headswap", appauthor=False) / "workspace"


def folder_of_copies(folder: str | Path | None) -> Path:
    """Where features and copies are kept: the folder that was named, or the system's."""
    return Path(folder) if folder else user_cache_path("headswap")


def install_command(extra: str) -> str:
    """What a person types to add the packages of an extra, such as "app", to this Python."""
    clone = clone_folder()
    if clone is None:
        return f'pip install "headswap[{extra}]"'
    return "pip install -r requirements.txt" if extra == "app" else f'pip install "{clone}[{extra}]"'


def why_not_writable(path: Path) -> str:
    """Why no file or folder can be made at `path`, in the words of the system; empty: it can.

    A probe without a name is written into the nearest folder that exists, and is gone at once.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:  # a name that is too long, a file where a folder should be
        return _reason(error)
    around = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), None)
    if around is None or not around.is_dir():
        return f"{around or path.anchor} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=around, prefix=".headswap-") as probe:
            probe.write(b"whole")
            probe.flush()
    except OSError as error:
        return _reason(error)
    return ""


def path_for_bundle(out: str | Path | None, source: Path) -> Path:
    """Where a bundle goes: `out`, or in the current folder and named after the data.

    Raises:
        BadSetting: something is there, or nothing can be written there; said before hours of work.
    """
    path = Path(out) if out else Path(f"{source.resolve().stem}-bundle")
    reason = why_not_writable(path)
    if reason:
        raise BadSetting(
            f"The bundle cannot be written to {path}: {reason}.",
            remedy="Choose another place for it, one where you may write.",
        )
    if out and path.exists():
        raise BadSetting(f"{path} exists already.", remedy="Choose another name for the bundle.")
    return free_name(path)


def writable(named: str | Path | None, what: str) -> Path | None:
    """A file that will be written, once it is known that it can be; None stays None.

    Raises:
        BadSetting: it cannot be; said before any work.
    """
    path = Path(named) if named else None
    reason = why_not_writable(path) if path else ""
    if reason:
        raise BadSetting(
            f"{path} cannot be written: {reason}.", remedy=f"Choose another place for the {what}."
        )
    return path


def free_name(path: Path) -> Path:
    """The place, or the first of place-2, place-3, ... that is free."""
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(name for name in names if not name.exists())


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
