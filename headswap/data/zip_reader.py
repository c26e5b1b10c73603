"""Read a zip from a stranger: names checked, nothing unpacked, every byte counted.

Flow:  zip --open_archive--> ZipReader (safe names) --read--> bytes of one member

Members are never written anywhere under their own names. A zip that tries to reach outside
itself, hides behind a password or blows up is refused whole, with one sentence; a damaged
or linked member is left out by name.

Knows zip files; nothing of classes.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from headswap.data.decode import shown_name
from headswap.data.manifest import SkippedFile
from headswap.errors import BadUpload, UnopenedFile, UnreadableImage
from headswap.storage.files import room_on

_TRY = "Zip the folder of class folders again, without a password, and choose that."
_BLOCK = 2**20
_END, _LOCATOR, _LONG_END = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_LONGEST_END = 22 + 65_535 + 20  # the end record with the longest comment, and the locator before it
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    NotImplementedError,  # a compression method that Python does not know
    RuntimeError,  # encrypted after all
    MemoryError,
    LookupError,
)


@dataclass(frozen=True, kw_only=True)
class ZipLimits:
    """What a zip may hold."""

    entries: int = 100_000  # beyond what any project may hold, so that its own limit is the one that is told
    total_bytes: int = 8 * 2**30  # of all members, unpacked
    entry_bytes: int = 200 * 2**20  # of one member, unpacked
    ratio: float = 100.0  # unpacked to packed, once there are more than `free_bytes`
    free_bytes: int = 500 * 2**20


class ZipReader:
    """An open zip: safe names, and a way to read one member at a time."""

    def __init__(self, file: zipfile.ZipFile, limits: ZipLimits) -> None:
        self._file, self._limits, self._lock = file, limits, Lock()
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.left_out: list[SkippedFile] = []
        self._bytes_left = limits.total_bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members that can be read, with forward slashes."""
        return tuple(self._members)

    def admit(self, member: zipfile.ZipInfo) -> None:
        """Check one line of the table of contents."""
        name = _name_of(member)
        steps = name.split("/")
        if name.startswith("/") or ".." in steps or re.match(r"[A-Za-z]:", name) or "\0" in name:
            raise BadUpload(f"The zip names a file outside itself: {shown_name(name)!r}.", remedy=_TRY)
        if member.flag_bits & 0x1:
            raise BadUpload("The zip is protected by a password.", remedy=_TRY)
        if name.endswith("/"):
            return
        name = "/".join(step for step in steps if step not in ("", "."))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            self.left_out.append(
                SkippedFile(file=name, reason=f"{shown_name(steps[-1])} is a link, not a picture.")
            )
        elif member.file_size > self._limits.entry_bytes:
            reason = f"{shown_name(steps[-1])} is larger than {self._limits.entry_bytes // 2**20} MB."
            self.left_out.append(SkippedFile(file=name, reason=reason))
        else:
            self._members[name] = member

    def size(self, name: str) -> int:
        """How many bytes a member promises."""
        return self._members[name].file_size

    def copy(self, name: str, path: Path) -> str:
        """Write one member to a place of the caller's choice, block by block; returns its sha256.

        Raises:
            UnreadableImage: this member is damaged.
            BadUpload: it unpacks to more than it promised, or than is allowed.
        """
        digest = hashlib.sha256()
        with room_on(path.parent), path.open("xb") as target:
            for block in self._blocks(name):
                target.write(block)
                digest.update(block)
        return digest.hexdigest()

    def _blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of one member, never more than it promised or the limits allow."""
        left = min(self.size(name), self._limits.entry_bytes, self._bytes_left)
        try:
            with self._lock, self._file.open(self._members[name]) as member:
                while block := member.read(min(_BLOCK, left + 1)):
                    left -= len(block)
                    self._bytes_left -= len(block)
                    if left < 0:
                        raise BadUpload("The zip unpacks to more than it says.", remedy=_TRY)
                    yield block
        except _ZIP_ERRORS as error:
            raise UnreadableImage(
                f"{shown_name(name.rsplit('/', 1)[-1])} is damaged inside the zip.", remedy=_TRY
            ) from error

    def read(self, name: str) -> bytes:
        """The bytes of one member, never more than it promised or the limits allow.

        Raises:
            UnreadableImage: this member is damaged; the rest may be fine.
            BadUpload: the zip unpacks to more than is allowed.
        """
        most = min(self._limits.entry_bytes, self._bytes_left)
        try:
            with self._lock, self._file.open(self._members[name]) as member:
                data = member.read(most + 1)
                self._bytes_left -= len(data)
        except _ZIP_ERRORS as error:
            kind = UnopenedFile if isinstance(error, OSError) else UnreadableImage
            raise kind(
                f"{shown_name(name.rsplit('/', 1)[-1])} is damaged inside the zip.",
                remedy="Zip the folder again, or leave it out.",
            ) from error
        if len(data) > most:
            raise BadUpload("The zip unpacks to more than it says.", remedy=_TRY)
        return data


@contextmanager
def open_archive(path: Path, limits: ZipLimits | None = None) -> Iterator[ZipReader]:
    """Open a zip and check its table of contents.

    Raises:
        BadUpload: not a zip, damaged, too many files, too large, protected, or reaching outside.
    """
    limits = limits or ZipLimits()
    _check_count(path, limits)
    try:
        file = zipfile.ZipFile(path)
    except _ZIP_ERRORS as error:
        raise BadUpload(
            f"{shown_name(path.name)} is not a zip that can be opened.",
            remedy="Choose a folder of class folders, or a zip of one.",
        ) from error
    with file:
        members = file.infolist()
        _check_sizes(members, path.stat().st_size, limits)
        archive = ZipReader(file, limits)
        for member in members:
            archive.admit(member)
        yield archive


def _check_count(path: Path, limits: ZipLimits) -> None:
    """Read the number of entries before the table itself: a table of millions fills the memory."""
    with path.open("rb") as file:
        promised = list(_promises(file, path.stat().st_size))
    if any(entries > limits.entries or size > limits.entries * 1024 for entries, size in promised):
        raise BadUpload(
            f"The zip holds more than {limits.entries} files.",
            remedy="Unpack it and give the folder, or choose fewer pictures.",
        )


def _promises(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Every (entries, bytes of the table) that the end of a zip names; none: it is no zip."""
    file.seek(max(0, size - _LONGEST_END))
    tail = file.read()
    at = len(tail) - 22
    if not (tail[at:].startswith(_END) and tail.endswith(b"\0\0")):  # a comment follows
        at = tail.rfind(_END)
    record = tail[at : at + 22] if at >= 0 else b""
    if len(record) < 22:
        return
    yield struct.unpack("<HI", record[10:16])
    locator = tail[max(0, at - 20) : at]
    if len(locator) == 20 and locator.startswith(_LOCATOR):  # a longer form, which outdoes the short one
        for offset in (struct.unpack("<Q", locator[8:16])[0], size - len(tail) + at - 20 - 56):
            file.seek(min(max(0, offset), size))
            long = file.read(56)
            if len(long) == 56 and long.startswith(_LONG_END):
                yield struct.unpack("<QQ", long[32:48])


def _check_sizes(members: list[zipfile.ZipInfo], packed_bytes: int, limits: ZipLimits) -> None:
    if len(members) > limits.entries:
        raise BadUpload(
            f"The zip holds {len(members)} files; the limit is {limits.entries}.",
            remedy="Unpack it and give the folder, or choose fewer pictures.",
        )
    total = sum(member.file_size for member in members)
    swollen = total > limits.free_bytes and total > limits.ratio * packed_bytes
    if total > limits.total_bytes or swollen:
        raise BadUpload(
            f"The zip of {packed_bytes / 1e6:.1f} MB would unpack to {total / 1e9:.1f} GB.",
            remedy="Choose a zip of pictures only, below the limit.",
        )


def _name_of(member: zipfile.ZipInfo) -> str:
    """The name as it was meant: macOS writes UTF-8 without saying so, Windows writes backslashes."""
    name = member.filename
    if not member.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = member.filename
    return name.replace("\\", "/")
