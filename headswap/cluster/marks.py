"""Marks in folders that all machines have in common: who does not see them sees another folder there.

Flow:  folders --marked--> a file in each while a crew works --check_marks, on any machine--> a refusal, or
       nothing

A folder that is not mounted looks like an empty one, or like none that is easily made: what is written there
stays on the disk of that machine alone, and counts as done.
"""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from headswap.cluster.crew import ClusterRefused
from headswap.storage.files import drop, make_folder, remove, write_text

# A mark is for one reading of the images, which takes hours or days. One that takes longer, while another
# process begins to work in the same folder, is refused; asked for again, it goes on.
STALE_S = 30 * 86_400.0
_NAME = re.compile(r"\.headswap-[0-9a-f]{32}")


@contextmanager
def marked(*folders: str | Path | None) -> Iterator[tuple[str, ...]]:
    """Put a mark into each of some folders, for a while; they are made if need be. None: no folder.

    Yields:
        The paths of the marks: no other folder of the same name holds them.
    """
    name = f".headswap-{uuid.uuid4().hex}"
    marks = [Path(folder).resolve() / name for folder in folders if folder is not None]
    try:
        for mark in marks:
            make_folder(mark.parent)
            write_text(mark, name)
            _sweep(mark)
        yield tuple(map(str, marks))
    finally:
        for mark in marks:
            remove(mark)


def _sweep(mark: Path) -> None:
    """Remove the marks that killed processes have left next to a new one; its time is that of their disk."""
    with suppress(OSError):  # they stay until the next time
        now = mark.stat().st_mtime
        with os.scandir(mark.parent) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and _is_stale(entry, now):
                    drop(Path(entry.path))


def _is_stale(entry: os.DirEntry[str], now: float) -> bool:
    """Whether it is an old mark, or a probe of that name, which is empty: no file of anyone else."""
    if not entry.is_file(follow_symlinks=False) or now - entry.stat().st_mtime < STALE_S:
        return False
    return Path(entry.path).read_bytes() in (b"", entry.name.encode())


def check_marks(marks: Iterable[str]) -> None:
    """Whether this machine sees the marks that another one has put.

    Raises:
        ClusterRefused: it does not: its folder is another one.
    """
    for mark in map(Path, marks):
        if not mark.is_file():
            raise ClusterRefused(
                f"{socket.gethostname()} does not see {mark.parent} as the other machines do.",
                remedy="Mount there what all machines have in common, then ask for the same again: what was "
                "done is kept.",
            )
