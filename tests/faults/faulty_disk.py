"""A disk on which one chosen operation fails, or at which the power goes.

Wraps the real one and counts every create, write, append, flush, rename and removal.
`fault` says what happens at operation number `at`:

    "full"     no space left; of a write, the first half arrived
    "broken"   input/output error, likewise
    "cut"      the power goes: this operation and all later ones never happen, and what was
               written without a flush is cut in half
    "forget"   the same, and names that were changed without a flush of their folder are
               as they were before
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from headswap.storage.disk import Disk, RealDisk

Fault = Literal["full", "broken", "cut", "forget"]
FAULTS: tuple[Fault, ...] = ("full", "broken", "cut", "forget")
_ERRNO = {"full": errno.ENOSPC, "broken": errno.EIO}


class PowerCut(BaseException):
    """The machine is off. Nothing of headswap catches this, and nothing it does changes the disk any more."""


class FaultyDisk:
    """A `Disk`. Safe to use from several threads."""

    def __init__(self, *, at: int = 0, fault: Fault = "full", attic: Path | None = None) -> None:
        """Let operation number `at` fail (0: none does); `attic` keeps old files, for "forget"."""
        self.operations: list[str] = []
        self._at, self._fault, self._attic = at, fault, attic
        self._real: Disk = RealDisk()
        self._lock = threading.RLock()
        self._is_off = False
        self._unflushed: set[Path] = set()
        self._renamed: list[tuple[Path, Path, Path | None]] = []  # old, new, copy of what new was

    def create(self, path: Path) -> BinaryIO:
        self._do("create", path, lambda: path.touch())
        return cast(BinaryIO, io.BufferedWriter(_Raw(self, path), 2**20))

    def write(self, path: Path, data: bytes, position: int) -> None:
        def put(part: bytes) -> None:
            with path.open("r+b") as file:
                file.seek(position)
                file.write(part)
            self._unflushed.add(path)

        self._do("write", path, lambda: put(data), half=lambda: put(data[: len(data) // 2]))

    def append(self, path: Path, data: bytes) -> None:
        half = data[: len(data) // 2]
        self._do(
            "append",
            path,
            lambda: self._real.append(path, data),
            half=lambda: self._real.append(path, half),
        )

    def by_library(self, path: Path, write: Callable[[], None]) -> None:
        def some() -> None:
            write()
            os.truncate(path, path.stat().st_size // 2)

        def all_of_it() -> None:
            write()
            self._unflushed.add(path)

        self._do("library", path, all_of_it, half=some)

    def make_folder(self, path: Path) -> None:
        self._do("folder", path, lambda: self._real.make_folder(path))

    def sync(self, path: Path) -> None:
        def flush() -> None:
            self._real.sync(path)
            self._unflushed.discard(path)
            if path.is_dir():
                self._renamed = [names for names in self._renamed if names[1].parent != path]

        self._do("flush", path, flush)

    def rename(self, old: Path, new: Path) -> None:
        def move() -> None:
            kept = None
            if new.is_file() and self._attic is not None:
                kept = self._attic / f"{len(self._renamed)}"
                shutil.copyfile(new, kept)
            self._real.rename(old, new)
            self._renamed.append((old, new, kept))
            self._unflushed = {_moved(path, old, new) for path in self._unflushed}

        self._do("rename", new, move)

    def keep_next_to(self, path: Path, name: Path) -> None:
        self._do("second name", name, lambda: self._real.keep_next_to(path, name))

    def remove(self, path: Path) -> None:
        with self._lock:
            if path.exists():
                self._do("remove", path, lambda: self._real.remove(path))

    def _do(
        self, what: str, path: Path, operation: Callable[[], Any], *, half: Callable[[], Any] | None = None
    ) -> None:
        with self._lock:
            if self._is_off:
                raise PowerCut
            self.operations.append(f"{what} {path.name}")
            if len(self.operations) != self._at:
                operation()
                return
            if half is not None:
                half()
            if self._fault in ("cut", "forget"):
                self._cut()
            raise OSError(_ERRNO[self._fault], os.strerror(_ERRNO[self._fault]), str(path))

    def _cut(self) -> None:
        self._is_off = True
        for path in self._unflushed:
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2)
        if self._fault == "forget":
            for old, new, kept in reversed(self._renamed):
                if new.exists():
                    new.rename(old)
                if kept is not None:
                    shutil.copyfile(kept, new)
        raise PowerCut


class _Raw(io.RawIOBase):
    """An open file whose every write is an operation of its disk."""

    def __init__(self, disk: FaultyDisk, path: Path) -> None:
        self._disk, self._path, self._position, self._gone = disk, path, 0, False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: self._path.stat().st_size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        if self._gone:  # what was buffered when a write failed is not written again at the closing
            return len(data)
        block = bytes(data)
        try:
            self._disk.write(self._path, block, self._position)
        except BaseException:
            self._gone = True
            raise
        self._position += len(block)
        return len(block)


def _moved(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old) if path.is_relative_to(old) else path
