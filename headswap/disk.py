"""The deeds by which anything on a disk changes: the seam where a test makes one of them fail.

Each may fail, and each may be the last one before the power goes. `files` does every deed
through its `disk`; nothing else in headswap changes what must not be lost.

Knows paths and bytes only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol


class Disk(Protocol):
    """What can be done to a disk."""

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing; its `write` is a deed of its own."""

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

    def keep_beside(self, path: Path, name: Path) -> None:
        """Give what a file holds now a second name, all at once."""

    def remove(self, path: Path) -> None:
        """A file or a whole folder; what is not there is fine. It raises when all that can go is gone."""


class RealDisk:
    """The disk of this machine."""

    def create(self, path: Path) -> BinaryIO:
        """See `Disk`."""
        return path.open("wb")

    def append(self, path: Path, data: bytes) -> None:
        """See `Disk`."""
        with path.open("ab", buffering=0) as file:
            file.write(data)

    def by_library(self, path: Path, write: Callable[[], None]) -> None:
        """See `Disk`."""
        write()

    def make_folder(self, path: Path) -> None:
        """See `Disk`."""
        path.mkdir(parents=True, exist_ok=True)

    def sync(self, path: Path) -> None:
        """See `Disk`."""
        if os.name == "nt" and path.is_dir():  # cannot be opened there; the rename itself is durable enough
            return
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """See `Disk`."""
        old.replace(new)

    def keep_beside(self, path: Path, name: Path) -> None:
        """See `Disk`."""
        name.unlink(missing_ok=True)
        try:
            os.link(path, name)
        except OSError:  # a file system without second names
            shutil.copyfile(path, name)

    def remove(self, path: Path) -> None:
        """See `Disk`."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # one file that is held does not keep the others
            if path.exists():
                shutil.rmtree(path)  # says why
        else:
            path.unlink(missing_ok=True)
