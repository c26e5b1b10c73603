"""A tar of images, as WebDataset and `tar` write it -> copies of its images, and what it says of each.

Flow:  shard --unpack_tar--> ShardIndex; the images are in the store

It says what it holds only to who reads all of it, so its images are copied on the way, one in memory at a
time. Nothing is written under a name of its own.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from headswap.data.decode import ImageLimits, shown_name
from headswap.data.layout import is_image_name, is_litter
from headswap.data.manifest import SkippedFile
from headswap.data.remote import Fetcher, RemoteFile, copy_named, explained, patiently
from headswap.data.shards import LABELS, ShardImage, ShardIndex, half, labels_of
from headswap.errors import BadUpload
from headswap.storage.files import make_folder, write_bytes

_BLOCK = tarfile.BLOCKSIZE


def unpack_tar(shard: RemoteFile, fetcher: Fetcher) -> ShardIndex:
    """Copy the images of a tar, and say what is said of them.

    Raises:
        BadUpload: it is damaged, only half there, or cannot be read.
    """
    try:
        with explained(fetcher.remote.url):
            return patiently(partial(_unpacked, shard, fetcher))
    except BadUpload as error:
        if isinstance(error.__cause__, tarfile.TarError | EOFError | zlib.error):
            raise half(shard.name) from error
        raise


def _unpacked(shard: RemoteFile, fetcher: Fetcher) -> ShardIndex:
    images: list[str] = []
    copies: dict[str, str] = {}
    labels: dict[str, tuple[tuple[str, ...], bool]] = {}
    left_out: list[SkippedFile] = []
    with fetcher.open(shard.name) as file:
        for name, data in _members(file, shard.name, left_out):
            said = _said_by(name, data)
            if said is not None:
                labels[_key(name)] = said
            elif is_image_name(name):
                copies[name] = copy_named(f"{shard.copy} {name}", name)
                target = fetcher.store / copies[name]
                if not target.is_file():
                    write_bytes(make_folder(target.parent) / target.name, data)
                images.append(name)
    found = []
    for name in images:
        known, is_one = labels.get(_key(name), (None, True))
        found.append(ShardImage(name=name, copy=copies[name], labels=known, is_one=is_one))
    return ShardIndex(images=tuple(found), left_out=tuple(left_out))


def _members(file: BinaryIO, shard: str, left_out: list[SkippedFile]) -> Iterator[tuple[str, bytes]]:
    """The files of a tar in their order, one in memory at a time."""
    tail = _Tail(file)
    with tarfile.open(fileobj=cast(Any, tail), mode="r|*") as archive:
        for member in archive:
            name = PurePosixPath(member.name).as_posix().lstrip("/")
            if member.isdir() or is_litter(name):
                continue
            reason = _why_left(member)
            if reason:
                left_out.append(SkippedFile(file=f"{shard}/{name}", reason=f"{shown_name(name)} {reason}"))
                continue
            content = archive.extractfile(member)
            if content is not None:
                yield name, content.read()
    if shard.lower().endswith(".tar") and tail.last.strip(b"\0"):  # cut off between two files
        raise half(shard)


def _why_left(member: tarfile.TarInfo) -> str:
    if not member.isreg():
        return "is a link, not a picture."
    most = ImageLimits().size_bytes
    return f"is larger than {most // 2**20} MB." if member.size > most else ""


class _Tail:
    """A file that remembers the last block that was read of it: a whole tar ends in zeros."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.last = file, b""

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.last = (self.last + data)[-_BLOCK:]
        return data


def _key(name: str) -> str:
    """What the files of one sample have in common: all before the first dot of the name (WebDataset)."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def _said_by(name: str, data: bytes) -> tuple[tuple[str, ...], bool] | None:
    """The labels in a file next to an image, and whether they are one class; None: it says none."""
    ending = name.rpartition("/")[2].partition(".")[2].lower()
    text = data.decode("utf-8", "replace").strip()
    if ending in ("cls", "class", "label") and text:
        return (text,), True
    if ending != "json":
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    value = next((record[key] for key in LABELS if key in record), None) if isinstance(record, dict) else None
    return None if value is None else labels_of(value)
