"""Where features are kept: rows by the hash of their image, in shards that several processes write at once.

Flow:  key + names + (M, D) features --put--> a shard that proves itself --read--> (name, row)

A shard is one safetensors file, written as a whole under a name of its own, so that no one waits for anyone.
Every name and every number is under its check sum; one that is damaged is discarded, and its images are
computed again.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from headswap.storage.files import discard, make_folder, write_bytes

ENDING = ".safetensors"  # of a shard

logger = logging.getLogger(__name__)


class FolderShelf:
    """Keeps features by key and name in a folder, of this machine or of many."""

    def __init__(self, folder: Path) -> None:
        """It need not be there yet."""
        self._folder = folder

    def have(self, key: str) -> set[str]:
        """Names under a key, as the shards state them; no feature is read."""
        found: set[str] = set()
        for path in (self._folder / key).glob(f"*{ENDING}"):
            try:
                with safe_open(path, framework="pt") as shard:
                    found.update((shard.metadata() or {}).get("sha256", "").split())
            except (SafetensorError, OSError):
                continue
        return found

    def read(self, key: str, width: int, wanted: Set[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """Each name under a key with its (width,) float32 features, where the shard is whole.

        Shards that hold none of the `wanted` names may be left out; None: all are wanted.
        """
        for path in sorted((self._folder / key).glob(f"*{ENDING}")):
            try:
                with safe_open(path, framework="pt") as shard:
                    facts = shard.metadata() or {}
                    names = facts.get("sha256", "").split()
                    if names and wanted is not None and wanted.isdisjoint(names):
                        continue
                    features = shard.get_tensor("features")
            except OSError as error:  # of the disk or of this process: the shard itself may be whole
                logger.warning(
                    "a shard of features cannot be read now; its pictures are computed again: %s: %s",
                    path.name,
                    error,
                )
                continue
            except SafetensorError:
                facts, names, features = {}, [], torch.empty(0)
            if facts.get("check") != _check_of(names, features):
                logger.warning(
                    "a shard of features is damaged; its pictures are computed again: %s", path.name
                )
                del features  # it is mapped from the file, which Windows keeps for as long
                discard(path)
            elif features.shape == (len(names), width):
                yield from zip(names, features, strict=True)

    def put(self, key: str, names: Sequence[str], features: Tensor) -> None:
        """Keep (M, D) features of M names; others may put the same at the same time."""
        features, path = (
            features.contiguous(),
            make_folder(self._folder / key) / f"{uuid.uuid4().hex}{ENDING}",
        )
        facts = {"sha256": " ".join(names), "check": _check_of(names, features)}
        write_bytes(path, save({"features": features}, metadata=facts))


def _check_of(names: Sequence[str], features: Tensor) -> str:
    """Over every name and every number: safetensors alone would not notice a flipped bit."""
    digest = hashlib.sha256(f"{features.dtype} {tuple(features.shape)} {' '.join(names)}".encode())
    digest.update(features.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
