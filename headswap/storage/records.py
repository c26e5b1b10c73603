"""A record on the disk that knows whether it is still what was written, and the one before it.

    project.json          {"sha256": of the next lines, "record": ...}
    project.json.before   what it was until the last change

A reader never takes an altered record for a good one: it falls back to the one before, and
says so in the log. Files of headswap 0.1, without a hash, are read as they are.

Knows files and records; nothing of what they say.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from headswap.errors import BundleDamaged
from headswap.storage.files import from_json, read_bytes, replacing, to_json

_BEGINNING, _END = b'{"sha256": "', b"\n}\n"

logger = logging.getLogger(__name__)


def write_record(path: Path, record: object) -> None:
    """Replace a record as a whole, and keep the one before.

    Raises:
        DiskFull, DiskFailed: the old record is as it was.
    """
    is_good = path.is_file() and _is_intact(read_bytes(path))  # a damaged one must not oust the one before
    with replacing(path, before=_before(path) if is_good else None) as file:
        file.write(_with_hash(to_json(record, indent=1).encode()))


def read_record(kind: Any, path: Path) -> Any:
    """The record, or the one before it when it is damaged.

    Raises:
        BundleDamaged: neither can be read.
    """
    try:
        return _read(kind, path)
    except BundleDamaged:
        if not _before(path).is_file():
            raise
        found = _read(kind, _before(path))
        logger.warning("%s is damaged; the one before it is used", path)
        return found


def is_record_whole(kind: Any, path: Path) -> bool:
    """Whether a record itself can be read, without the one before."""
    try:
        _read(kind, path)
    except BundleDamaged:
        return False
    return True


def _read(kind: Any, path: Path) -> Any:
    data = read_bytes(path)
    if not data.startswith(_BEGINNING):
        return from_json(kind, data)
    if not _is_intact(data):
        raise BundleDamaged(f"{path.name} is not what was saved.", remedy="Make it again.")
    return from_json(kind, _text_in(data))


def _is_intact(data: bytes) -> bool:
    return not data.startswith(_BEGINNING) or data == _with_hash(_text_in(data))


def _text_in(data: bytes) -> bytes:
    return data.partition(b"\n")[2].removesuffix(_END)


def _with_hash(text: bytes) -> bytes:
    digest = hashlib.sha256(text).hexdigest().encode()
    return _BEGINNING + digest + b'", "record":\n' + text + _END


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.before")
