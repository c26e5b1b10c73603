"""Marks in folders that all machines have in common: who does not see them sees another folder there.

Flow:  folders --marked--> a file in each while a crew works --check_marks, on any machine--> a refusal, or
       nothing

A folder that is not mounted looks like an empty one, or like none that is easily made: what is written there
stays on the disk of that machine alone, and counts as done.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headswap.cluster.crew import ClusterRefused
from headswap.storage.files import make_folder, remove, write_text


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
        yield tuple(map(str, marks))
    finally:
        for mark in marks:
            remove(mark)


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
