"""What a verb works with, opened from what its caller names: a bundle, a cluster.

Libraries are imported when something is opened: to import this costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.errors import BadSetting

if TYPE_CHECKING:
    from headswap.bundle.predictor import Bundle
    from headswap.cluster.crew import Crew


def loaded(bundle: str | Path | Bundle, allow_code: bool) -> Bundle:
    """The bundle itself, loaded if it is a path."""
    from headswap.bundle.predictor import load_bundle

    return load_bundle(bundle, allow_code=allow_code) if isinstance(bundle, str | Path) else bundle


def path_of(bundle: str | Path | Bundle) -> Path:
    """Of a bundle that other machines load.

    Raises:
        BadSetting: it is loaded already.
    """
    if isinstance(bundle, str | Path):
        return Path(bundle)
    raise BadSetting(
        "A cluster cannot be given a loaded bundle.", remedy="Give the path of its folder or zip."
    )


@contextmanager
def crew_on(on: str, *paths: str | Path | None, workspace: Path | None = None) -> Iterator[Crew]:
    """The machines of a cluster, for a while.

    Args:
        on: as for `train`.
        paths: files and folders that every machine must see; None: nothing. Addresses need no common folder.
        workspace: what it is for `train`; None: nothing is kept.

    Raises:
        BadSetting: the cluster cannot be used, or must not.
    """
    from headswap.cluster.joining import joined
    from headswap.data.remote import url_of

    wanted = [Path(path) for path in paths if path is not None and url_of(path) is None]
    with joined(on, paths=wanted, folder=workspace) as crew:
        yield crew


@contextmanager
def crew_if(on: str | None, *paths: str | Path | None, workspace: Path) -> Iterator[Crew | None]:
    """The same; None where no cluster is asked for: this process does the work."""
    if on is None:
        yield None
    else:
        with crew_on(on, *paths, workspace=workspace) as crew:
            yield crew
