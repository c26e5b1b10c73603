"""A shelf that several machines have in common: a folder or an address of an object store, with copies here.

Flow:  key + names + features --put--> a shard at the address, and its copy in the folder of this machine
       key --have--> names, from the first bytes of each shard --read--> only the shards that are wanted

A shard at the address is the file that `FolderShelf` writes. Its name is a hash of what it holds: the same
features are the same file. One that is damaged is taken away there, and its images are computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from headswap.data.remote import FETCHERS
from headswap.data.remote_target import RemoteTarget
from headswap.features.shelf import ENDING, FolderShelf, Shelf, is_whole_shard, shard_bytes
from headswap.storage.files import make_folder, write_bytes

_START = 2**16  # bytes of a shard that hold the names of its images, and more, where these are not too many
_LENGTH = 8  # of the length that safetensors puts first
_MOST_NAMES = 100_000_000  # bytes of them; safetensors opens no file with more

logger = logging.getLogger(__name__)


def shelf_of(folder: Path, address: str | None) -> Shelf:
    """Where features are kept.

    Args:
        folder: of this machine.
        address: of a folder or an object store that others use too; None: the folder alone.
    """
    return FolderShelf(folder) if address is None else RemoteShelf(folder, address)


class RemoteShelf:
    """An address, with copies in a folder. The first to be asked is the folder."""

    def __init__(self, folder: Path, address: str) -> None:
        """`address` as `headswap.data.remote_target.address_of_folder` gives it; nothing is asked yet."""
        self._here, self._folder = FolderShelf(folder), folder
        self._there = RemoteTarget(address, is_there=True)
        self._names: dict[str, tuple[str, ...]] = {}  # of each shard there that is not here

    def have(self, key: str) -> set[str]:
        found = self._here.have(key)
        for shard in self._list(key):
            found.update(self._names[shard])
        return found

    def read(self, key: str, width: int, wanted: Set[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        lacking = self._list(key)
        if wanted is not None:
            lacking = [shard for shard in lacking if not wanted.isdisjoint(self._names[shard])]
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="shelf") as pool:
            list(pool.map(self._fetch, lacking))
        yield from self._here.read(key, width, wanted)

    def put(self, key: str, names: Sequence[str], features: Tensor) -> None:
        data = shard_bytes(names, features)
        name = f"{hashlib.sha256(data).hexdigest()[:32]}{ENDING}"
        self._there.write(f"{key}/{name}", data)  # first there: no other machine finds what is only here
        write_bytes(make_folder(self._folder / key) / name, data)

    def _list(self, key: str) -> list[str]:
        """The shards there that are not here, once their names are known."""
        shards = [f"{key}/{name}" for name in self._there.sizes(key) if name.endswith(ENDING)]
        lacking = [shard for shard in shards if not (self._folder / shard).is_file()]
        unknown = [shard for shard in lacking if shard not in self._names]
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="shelf") as pool:
            self._names.update(zip(unknown, pool.map(self._names_in, unknown), strict=True))
        return lacking

    def _names_in(self, shard: str) -> tuple[str, ...]:
        """Names in a shard, by its first bytes; none where these are damaged."""
        try:
            start = self._there.read(shard, most=_START)
            length = int.from_bytes(start[:_LENGTH], "little")
            if _START < _LENGTH + length <= _MOST_NAMES:
                start = self._there.read(shard, most=_LENGTH + length)
            facts = json.loads(start[_LENGTH : _LENGTH + length])
            return tuple(str(facts["__metadata__"]["sha256"]).split())
        except FileNotFoundError:  # another has taken it away
            return ()
        except (ValueError, KeyError, TypeError, RecursionError):
            self._discard(shard)
            return ()

    def _fetch(self, shard: str) -> None:
        try:
            data = self._there.read(shard)
        except FileNotFoundError:
            return
        if not is_whole_shard(data):
            self._discard(shard)
            return
        write_bytes(make_folder((self._folder / shard).parent) / Path(shard).name, data)

    def _discard(self, shard: str) -> None:
        logger.warning("a shard of features is damaged; its pictures are computed again: %s", shard)
        self._there.remove(shard)
