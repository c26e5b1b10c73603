"""The only writer of what must not be lost, and the JSON form of every record.

A file is written next to its place, flushed to the disk and renamed: readers see the
old file or the new one. A folder is *sealed*: filled under a temporary name, given
`seal.json` (sha256 and size of every file in it), and renamed to its final name.

    with sealed_folder(place) as draft: ...write into draft...   ->   place exists, whole

Everything that changes the disk goes through `disk`, so that a test can make each single
deed fail, or cut the power at it (tests/faults). Knows files and records; nothing of
images or networks.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from headswap.errors import BadSetting, BundleDamaged, HeadswapError
from headswap.storage.disk import Disk, RealDisk, is_held, until_let_go

SEAL = "seal.json"
DISCARDED = ".discarded"  # in a folder that was deleted and could not go at once
_DRAFT_MARK = ".draft-"

logger = logging.getLogger(__name__)


class DiskFull(HeadswapError):
    """There is no room left on the disk."""


class DiskFailed(HeadswapError):
    """The disk cannot be written, and not for want of room."""


disk: Disk = RealDisk()  # a constant, except in the tests of faults


@dataclass(frozen=True)
class SealedFile:
    """One line of a seal."""

    path: str  # relative, with forward slashes
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Seal:
    """What a sealed folder holds."""

    files: tuple[SealedFile, ...]


@cache
def _adapter(kind: Hashable) -> Any:
    from pydantic import TypeAdapter  # 0.1 s: only when a record is first read or written

    form: Any = kind
    return TypeAdapter(form)


def _kind(record: object) -> Any:
    return type(record)


def to_json(record: object, *, indent: int | None = None) -> str:
    """Write a dataclass (with any dataclasses, tuples and plain values inside) as JSON.

    Raises:
        BadSetting: a text holds half of a letter, which no file can keep.
    """
    from pydantic_core import PydanticSerializationError

    try:
        return str(_adapter(_kind(record)).dump_json(record, indent=indent, by_alias=True).decode())
    except PydanticSerializationError as error:
        if "surrogates" not in str(error):
            raise
        raise BadSetting("This name holds half of a letter.", remedy="Type it once more.") from error


def from_json(kind: Any, text: str | bytes) -> Any:
    """Read a record back; a missing or wrong field is a `BundleDamaged`."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleDamaged(
            f"A record cannot be read: {field}: {first['msg']}.",
            remedy="It was altered or written by another version; make it again.",
        ) from error


def from_plain(kind: Any, plain: Any) -> Any:
    """Read a record back from what `to_plain` gave."""
    import json

    return from_json(kind, json.dumps(plain))


def to_plain(record: object) -> Any:
    """The same as `to_json`, as plain dicts and lists."""
    return _adapter(_kind(record)).dump_python(record, mode="json", by_alias=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file as a whole: the old text or the new, never less."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file as a whole: the old bytes or the new, never less."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, before: Path | None = None) -> Iterator[BinaryIO]:
    """Give an open file to write into; on a clean exit it takes the place of `path`, on disk.

    Args:
        path: where it goes.
        before: a second name, under which the file that was there is kept.

    Raises:
        DiskFull, DiskFailed: the old file is as it was, and nothing is left behind.
    """
    draft = _draft_of(path)
    with room_on(path.parent):
        try:
            with disk.create(draft) as file:
                yield file
            disk.sync(draft)
            if before is not None and path.exists():
                disk.keep_beside(path, before)
            disk.rename(draft, path)
            disk.sync(path.parent)
        except BaseException:
            drop(draft)
            raise


@contextmanager
def sealed_folder(path: Path) -> Iterator[Path]:
    """Give a draft folder to write into; on a clean exit it becomes `path`, sealed.

    Raises:
        FileExistsError: `path` exists; a sealed folder is never changed.
        DiskFull, DiskFailed: nothing is left behind.
    """
    if path.exists():
        raise FileExistsError(path)
    draft = _draft_of(path)
    with room_on(path.parent):
        disk.make_folder(path.parent)
        try:
            disk.make_folder(draft)
            yield draft
            _seal(draft)
            disk.rename(draft, path)
            disk.sync(path.parent)
        except BaseException:
            drop(draft)
            raise


def drop(draft: Path) -> None:
    """What ended the writing counts; a draft that cannot go now is swept later."""
    try:
        disk.remove(draft)
    except OSError:
        logger.warning("a draft could not be removed: %s", draft, exc_info=True)


def write_by_library(path: Path, write: Callable[[], None]) -> None:
    """Let a library write one file of a draft folder by itself; the seal flushes it to the disk."""
    with room_on(path.parent):
        disk.by_library(path, write)


def read_bytes(path: Path) -> bytes:
    """What a file holds that another process may replace at this very moment."""
    return until_let_go(path.read_bytes)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file; a kill may leave a part of `data`, never harm what was there."""
    with room_on(path.parent):
        disk.append(path, data)


def make_folder(path: Path) -> Path:
    """Make sure that a folder is there."""
    with room_on(path.parent):
        if not path.is_dir():
            if os.path.lexists(path) and not path.is_dir():  # or another made it in between
                raise DiskFailed(f"{path} is not a folder.", remedy="Move it away, or choose another place.")
            disk.make_folder(path)
    return path


def move(old: Path, new: Path) -> None:
    """Give a file or folder another name on the same disk."""
    with room_on(new.parent):
        disk.rename(old, new)


def remove(path: Path) -> None:
    """Remove a file or a whole folder; what is not there is fine.

    Raises:
        DiskFull, DiskFailed: something of it is still there.
    """
    with room_on(path.parent):
        disk.remove(path)


def discard(folder: Path) -> bool:
    """Remove a folder that nothing leads to any more; what is still held counts as gone, and goes later.

    Returns:
        False when something is left: it is marked (`is_discarded`), written down, and tried again by
        `headswap.app.service.leftovers`.
    """
    try:
        disk.remove(folder)
    except OSError as error:
        logger.warning("%s is deleted, and not all of it could be removed yet: %s", folder, error)
        with suppress(OSError):  # a disk that takes no mark: the next start finds what nothing leads to
            disk.create(folder / DISCARDED).close()
        return False
    return True


def is_discarded(folder: Path) -> bool:
    """Whether a folder was deleted, and only waits until no one holds its files any more."""
    return (folder / DISCARDED).exists()


def copy(source: Path, target: Path) -> None:
    """Copy a file; the whole of it, or nothing."""
    with source.open("rb") as given, replacing(target) as file:
        shutil.copyfileobj(given, file, 2**20)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; a copy, where the system has no second names."""
    with room_on(target.parent):
        disk.keep_beside(source, target)


def check_seal(folder: Path) -> None:
    """Compare every file of a sealed folder with its seal.

    Raises:
        BundleDamaged: the seal is missing, or a file is missing, longer, shorter or altered.
    """
    if not (folder / SEAL).is_file():
        raise BundleDamaged(
            f"{folder.name} has no {SEAL}.", remedy="Choose the folder or zip that headswap wrote, whole."
        )
    seal: Seal = from_json(Seal, (folder / SEAL).read_bytes())
    for line in seal.files:
        path = folder / line.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BundleDamaged(
                f"The seal names {line.path!r}, outside the folder.", remedy="Do not trust this file."
            )
        if not path.is_file() or path.stat().st_size != line.size_bytes or sha256_of(path) != line.sha256:
            raise BundleDamaged(
                f"{line.path} is not what was saved.", remedy="Copy the whole folder again, or teach again."
            )


def read_sealed(folder: Path, name: str) -> bytes:
    """The bytes of one file of a sealed folder, compared with its line in the seal.

    Raises:
        BundleDamaged: there is no such file, or it is not what was saved.
    """
    path = folder / name
    if (folder / SEAL).is_file() and path.is_file():
        seal: Seal = from_json(Seal, (folder / SEAL).read_bytes())
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() in [line.sha256 for line in seal.files if line.path == name]:
            return data
    raise BundleDamaged(
        f"{name} is not what was saved.", remedy="Copy the whole folder again, or teach again."
    )


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep_drafts(folder: Path, *, older_than_s: float = 0.0) -> int:
    """Remove what killed processes left behind; returns how many drafts went."""
    import time

    drafts = [path for path in folder.rglob(f"*{_DRAFT_MARK}*") if path.exists()]
    stale = [path for path in drafts if time.time() - path.stat().st_mtime >= older_than_s]
    for path in stale:
        drop(path)
    return sum(not path.exists() for path in stale)


def _draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{_DRAFT_MARK}{uuid.uuid4().hex[:8]}")


def _seal(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        disk.sync(path)
    for inner in folder.rglob("*"):
        if inner.is_dir():
            disk.sync(inner)
    lines = tuple(
        SealedFile(path.relative_to(folder).as_posix(), sha256_of(path), path.stat().st_size)
        for path in paths
    )
    write_text(folder / SEAL, to_json(Seal(lines), indent=1))


_BAD_NAME, _TOO_LONG = 123, 206  # error numbers of Windows
_LONGEST = 260  # characters of a path, unless long paths are allowed there
_CANNOT = (
    errno.EIO, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENOTDIR,
    errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip


@contextmanager
def room_on(folder: Path) -> Iterator[None]:
    """Turn what the system says of a disk into a sentence; `folder` is where the writing goes."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"There is no room left on the disk that holds {folder}.",
                remedy="Free some space, then try again.",
            ) from error
        name = str(error.filename2 or error.filename or folder)
        if _is_too_long(error, name):
            raise DiskFailed(
                f"A path of {len(name)} characters is longer than this system allows: {name}.",
                remedy="Choose a folder with a shorter path, or allow long paths in Windows.",
            ) from error
        if error.errno == errno.ENOENT and not folder.exists():
            raise DiskFailed(
                f"There is no folder {folder}.", remedy="Make it first, or choose another."
            ) from error
        if _is_bad_name(error):
            raise DiskFailed(
                f"Windows allows no file of this name: {name}.",
                remedy='Choose one without < > : " | ? * and not CON, PRN, AUX, NUL, COM1 or LPT1.',
            ) from error
        if is_held(error):
            raise DiskFailed(
                f"Windows does not let {name} be changed: another program has it open.",
                remedy="Close what may use it (a viewer, a virus scanner, a cloud folder), then try again.",
            ) from error
        if error.errno in _CANNOT:
            raise DiskFailed(
                f"The disk that holds {folder} cannot be written: {os.strerror(error.errno)}.",
                remedy="Look whether it is healthy and may be written, then try again.",
            ) from error
        raise


def _is_too_long(error: OSError, name: str) -> bool:
    """Windows says of a long path that it is not there, and has a number for it only now and then."""
    if error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", None) == _TOO_LONG:
        return True
    return os.name == "nt" and error.errno == errno.ENOENT and len(name) >= _LONGEST


def _is_bad_name(error: OSError) -> bool:
    if getattr(error, "winerror", None) == _BAD_NAME:
        return True
    return os.name == "nt" and error.errno == errno.EINVAL and error.filename is not None
