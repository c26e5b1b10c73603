"""The operations by which anything on a disk changes: the seam where a test makes one of them fail.

Each may fail, and each may be the last one before the power goes. `files` does every operation
through its `disk`; nothing else in headswap changes what must not be lost.

Windows refuses to replace or delete what someone has open: a reader, a virus scanner, a program that keeps
the folder in step with a cloud. Most let go within a moment, so each operation is tried again for seconds.

Knows paths and bytes only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

Done = TypeVar("Done")

MOST_TRIES = 12  # after the first
FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 0.5  # doubled from try to try: three seconds in all
_HELD = (  # error numbers of Windows
    5,  # access denied: a folder in which a file is open, a file that is mapped or about to vanish
    32,  # sharing violation
    33,  # lock violation
    145,  # the folder is not empty yet: a file in it is about to vanish
    1224,  # a part of the file is mapped
)


def is_held(error: BaseException) -> bool:
    """Whether Windows refused an operation because someone has the file open, or may have."""
    if getattr(error, "winerror", None) in _HELD:
        return True
    return os.name == "nt" and isinstance(error, PermissionError)  # what `open` says has no number of its own


def until_let_go(operation: Callable[[], Done]) -> Done:
    """Do it, and again for a few seconds while someone else has the file open.

    Raises:
        OSError: what the last try said.
    """
    try:
        return operation()
    except OSError as error:
        if not is_held(error):
            raise
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential  # half a second

    return Retrying(
        retry=retry_if_exception(is_held),
        wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        stop=stop_after_attempt(MOST_TRIES),
        reraise=True,
    )(operation)


class Disk(Protocol):
    """What can be done to a disk."""

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing; its `write` is an operation of its own."""

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file with one system call."""

    def by_library(self, path: Path, write: Callable[[], None]) -> None:
        """Let a library write this one file by its name."""

    def make_folder(self, path: Path) -> None:
        """With every folder above it; one that exists is fine."""

    def sync(self, path: Path) -> None:
        """Wait until a file, or the names in a folder, are on the disk."""

    def rename(self, old: Path, new: Path) -> None:
        """All at once; a file takes the place of a file."""

    def keep_next_to(self, path: Path, name: Path) -> None:
        """Give what a file holds now a second name, all at once."""

    def remove(self, path: Path) -> None:
        """A file or a whole folder; what is not there is fine. It raises when all that can go is gone."""


class RealDisk:
    """The disk of this machine."""

    def create(self, path: Path) -> BinaryIO:
        """See `Disk`."""
        return until_let_go(lambda: path.open("wb"))

    def append(self, path: Path, data: bytes) -> None:
        """See `Disk`."""
        with until_let_go(lambda: path.open("ab", buffering=0)) as file:
            file.write(data)

    def by_library(self, path: Path, write: Callable[[], None]) -> None:
        """See `Disk`."""
        write()

    def make_folder(self, path: Path) -> None:
        """See `Disk`."""
        until_let_go(lambda: path.mkdir(parents=True, exist_ok=True))

    def sync(self, path: Path) -> None:
        """See `Disk`."""
        if os.name == "nt" and path.is_dir():  # cannot be opened there; the rename itself is durable enough
            return
        mode = os.O_RDWR if os.name == "nt" else os.O_RDONLY
        handle = until_let_go(lambda: os.open(path, mode))
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """See `Disk`."""
        until_let_go(lambda: old.replace(new))

    def keep_next_to(self, path: Path, name: Path) -> None:
        """See `Disk`."""
        until_let_go(lambda: name.unlink(missing_ok=True))
        try:
            os.link(path, name)
        except OSError:  # a file system without second names
            shutil.copyfile(path, name)

    def remove(self, path: Path) -> None:
        """See `Disk`."""
        until_let_go(lambda: _remove(path))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # what vanishes meanwhile is fine
        if path.exists():
            shutil.rmtree(path)  # and what stays says why
    else:
        path.unlink(missing_ok=True)
