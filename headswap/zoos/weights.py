"""Find weight files on this machine, and fetch those that are not.

Flow:  by hand in the weights folder, else the library's own cache, else a download

A download goes to a draft next to its place, is checked for length and hash, and is
renamed: the file is there whole or not at all, and trying again is safe.

Knows files and addresses; nothing of networks. Loads no torch.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from headswap.errors import WeightsDamaged, WeightsNotHere
from headswap.events import Listener, Progress
from headswap.storage.files import make_folder, replacing

ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
TIMEOUT_S = 10.0  # to connect, and for each block
_BLOCK_BYTES = 1 << 18
_HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,64})\.")  # resnet50-11ad3fa6.pth: the first digits of its sha256


def by_hand(folder: Path, zoo: str, *names: str) -> Path | None:
    """The file that a person put into the weights folder under one of these names."""
    paths = (folder / zoo / f"{name}{ending}" for name in names for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def not_here(name: str, path: Path, *, reason: str = "it is offline") -> WeightsNotHere:
    """The one message for weights that cannot be had now."""
    return WeightsNotHere(
        f"These weights are not on this machine and {reason}.",
        remedy=f"Pick one marked ✓, or put the file in {path.parent} as {path.name} ({name}).",
    )


def fetch(url: str, path: Path, *, name: str, by_hand_path: Path, listener: Listener) -> Path:
    """Download one file; the address carries the hash when the library knows it.

    Raises:
        WeightsNotHere: no connection, or the server has no such file.
        WeightsDamaged: what came is not what the address promises; nothing is kept.
        Cancelled: from the listener; nothing is kept.
    """
    make_folder(path.parent)
    try:
        with replacing(path) as draft:
            _check_hash(_download(url, draft, listener), path.name)
    except urllib.error.HTTPError as error:
        reason = f"{url} answers {error.code}"
        raise not_here(name, by_hand_path, reason=reason) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise not_here(name, by_hand_path) from error
    return path


def check_named_hash(path: Path, digest: str) -> None:
    """Refuse a file whose name promises another sha256 than it has."""
    _check_hash(digest, path.name)
    promised = path.resolve().name  # in the hub's cache the real file is named by its sha256
    if re.fullmatch(r"[a-f0-9]{64}", promised) and promised != digest:
        raise _altered(path.name)


def online(url: str, *, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a server answers at all, in seconds and not in a minute of patient retries."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "headswap"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return True
    except urllib.error.HTTPError:
        return True  # it answered; the library finds better words for what it said
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException):
        return False


def _download(url: str, draft: BinaryIO, listener: Listener) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "headswap"})
    sha256 = hashlib.sha256()
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        total = int(reply.headers.get("Content-Length") or 0)
        done = 0
        for block in _blocks(reply):
            draft.write(block)
            sha256.update(block)
            done += len(block)
            listener(Progress("fetch", done, total, unit="bytes"))
        if done < total:
            raise ConnectionError(f"{done} of {total} bytes came")
    return sha256.hexdigest()


def _blocks(reply: Any) -> Iterator[bytes]:
    while block := reply.read(_BLOCK_BYTES):
        yield block


def _check_hash(digest: str, file_name: str) -> None:
    promised = _HASH_IN_NAME.search(file_name)
    if promised and not digest.startswith(promised[1]):
        raise _altered(file_name)


def _altered(file_name: str) -> WeightsDamaged:
    return WeightsDamaged(
        f"{file_name} is not the file that was published: its sha256 is another.",
        remedy="Delete it and download it again.",
    )
