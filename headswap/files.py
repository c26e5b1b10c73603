"""The only writer of what must not be lost, and the JSON form of every record.

A file is written beside its place, flushed to the disk and renamed: readers see the
old file or the new one. A folder is *sealed*: filled under a temporary name, given
`seal.json` (sha256 and size of every file in it), and renamed to its final name.

    with sealed_folder(place) as draft: ...write into draft...   ->   place exists, whole

Knows files and records; nothing of pictures or networks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from headswap.errors import BundleDamaged, HeadswapError

SEAL = "seal.json"
_DRAFT_MARK = ".draft-"


class DiskFull(HeadswapError):
    """There is no room left on the disk."""


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
    """Write a dataclass (with any dataclasses, tuples and plain values inside) as JSON."""
    return str(_adapter(_kind(record)).dump_json(record, indent=indent).decode())


def from_json(kind: Any, text: str | bytes) -> Any:
    """Read a record back; a missing or wrong field is a `BundleDamaged`."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleDamaged(
            f"A record cannot be read: {where}: {first['msg']}.",
            remedy="It was altered or written by another version; make it again.",
        ) from error


def to_plain(record: object) -> Any:
    """The same as `to_json`, as plain dicts and lists."""
    return _adapter(_kind(record)).dump_python(record, mode="json")


def write_text(path: Path, text: str) -> None:
    """Replace a file as a whole: the old text or the new, never less."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file as a whole: the old bytes or the new, never less."""
    draft = path.with_name(f"{path.name}{_DRAFT_MARK}{uuid.uuid4().hex[:8]}")
    with room_on(path.parent):
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


@contextmanager
def sealed_folder(place: Path) -> Iterator[Path]:
    """Give a draft folder to write into; on a clean exit it becomes `place`, sealed.

    Raises:
        FileExistsError: `place` exists; a sealed folder is never changed.
        DiskFull: there is no room; nothing is left behind.
    """
    if place.exists():
        raise FileExistsError(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}{_DRAFT_MARK}{uuid.uuid4().hex[:8]}")
    with room_on(place.parent):
        draft.mkdir()
        try:
            yield draft
            _seal(draft)
            draft.rename(place)
            _sync_folder(place.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


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


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep_drafts(folder: Path, *, older_than_s: float = 0.0) -> int:
    """Remove what a killed process left behind; returns how many drafts went."""
    import time

    drafts = [path for path in folder.rglob(f"*{_DRAFT_MARK}*") if path.exists()]
    stale = [path for path in drafts if time.time() - path.stat().st_mtime >= older_than_s]
    for path in stale:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(stale)


def _seal(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    lines = tuple(
        SealedFile(path.relative_to(folder).as_posix(), sha256_of(path), path.stat().st_size)
        for path in paths
    )
    write_text(folder / SEAL, to_json(Seal(lines), indent=1))


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the rename itself is durable enough
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def room_on(folder: Path) -> Iterator[None]:
    """Turn the system's "no space left" into a sentence; `folder` is where the writing goes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"There is no room left on the disk that holds {folder}.",
            remedy="Free some space, then try again.",
        ) from error
