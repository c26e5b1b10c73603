"""The private folder for uploads on their way in and zips on their way out.

Flow:  workspace --temporary_folder--> a fresh folder that only this user can open; gone when the server ends

It lies outside the workspace, so that the page's file route, which serves this folder, can reach nothing
else of ours. A server that was killed leaves its folder behind; the next one on the same workspace, which
finds the address in `temporary.json`, sweeps it.

Knows folders only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headswap.app.processes.local import LocalRunner, this_process
from headswap.errors import BundleDamaged
from headswap.storage.files import from_json, to_json, write_text

_NOTE, _PREFIX = "temporary.json", "headswap-"


@dataclass(frozen=True)
class _Note:
    folder: str
    server: str  # the handle of the process that uses it


@contextmanager
def temporary_folder(workspace: Path) -> Iterator[Path]:
    """Give a folder for as long as the server runs."""
    workspace.mkdir(parents=True, exist_ok=True)
    note = workspace / _NOTE
    _sweep(note)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # 0700, with a name that no one can guess
    write_text(note, to_json(_Note(str(folder), this_process())))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(note: Path) -> None:
    if not note.is_file():
        return
    try:
        left: _Note = from_json(_Note, note.read_bytes())
    except BundleDamaged:
        return
    folder = Path(left.folder)
    is_ours = folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith(_PREFIX)
    if is_ours and not folder.is_symlink() and not LocalRunner().is_alive(left.server):
        shutil.rmtree(folder, ignore_errors=True)
