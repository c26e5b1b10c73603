"""The features of every picture, computed once and kept on disk by content.

Flow:  Manifest pictures + Body --fill_bank--> FeatureBank (N, D)

Shards of 256 pictures lie under a key made of the body's weights, the head's place, the
preprocessing and the engine; inside, each row belongs to the sha256 of a picture. A run
that was killed recomputes one shard at most; another run over the same pictures none.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from headswap.events import Listener, Progress, silent
from headswap.features.body import Body
from headswap.files import make_folder, remove, to_json, write_bytes

SHARD = 256  # pictures
_GIVEN_UP = "given-up"  # in the folder of an engine that was not near enough to the exact one
_FORMAT = "1"  # of a shard; another number is another folder


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features in the order that the pictures were asked for."""

    features: Tensor  # (N, D) float32
    engine: str  # what computed them
    computed: int  # pictures that went through the body now; the others were on disk


logger = logging.getLogger(__name__)

Prepare = Callable[[int], NDArray[np.uint8]]  # number of a picture -> (H, W, C) uint8


def fill_bank(
    body: Body,
    sha256s: Sequence[str],
    prepare: Prepare,
    *,
    folder: Path,
    batch_size: int = 32,
    listener: Listener = silent,
) -> FeatureBank:
    """Give the features of pictures, from disk where they are known.

    Args:
        body: the frozen body.
        sha256s: N content hashes, one per picture; equal pictures are computed once.
        prepare: gives picture number i as network input, (H, W, C) uint8.
        folder: where shards are kept.
        batch_size: pictures that the body sees at once.
        listener: hears Progress("features").
    """
    asked = folder / _key(body)
    if (asked / _GIVEN_UP).exists():  # remembered, or every run would find it out and compute anew
        body.give_up()
    rows = dict(_read_shards(folder / _key(body), body.width))
    numbers = {sha: number for number, sha in enumerate(sha256s)}
    missing = [number for sha, number in sorted(numbers.items(), key=lambda item: item[1]) if sha not in rows]
    done = len(sha256s) - len(missing)
    listener(Progress("features", done, len(sha256s)))
    for start in range(0, len(missing), SHARD):
        shard = missing[start : start + SHARD]
        parts = []
        for first in range(0, len(shard), batch_size):
            batch = np.stack([prepare(number) for number in shard[first : first + batch_size]])
            parts.append(body.features(batch))
            done += len(batch)
            listener(Progress("features", done, len(sha256s)))
        features = torch.cat(parts)  # (<= 256, D)
        names = [sha256s[number] for number in shard]
        _write_shard(folder / _key(body), names, features)  # the key again: the engine may have fallen back
        rows.update(zip(names, features, strict=True))
    if folder / _key(body) != asked:
        make_folder(asked)
        write_bytes(asked / _GIVEN_UP, body.engine.name.encode())
    bank = torch.stack([rows[sha] for sha in sha256s]) if sha256s else torch.empty(0, body.width)
    return FeatureBank(bank, body.engine.name, len(missing))


def _key(body: Body) -> str:
    """One folder for each body, head, preprocessing and engine."""
    parts = (
        _FORMAT,
        body.network.weights_sha256 or _hash_of_module(body),
        to_json(body.network.input),
        ",".join(body.site.paths),
        body.engine.name,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _hash_of_module(body: Body) -> str:
    digest = hashlib.sha256()
    for name, tensor in body.network.module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read_shards(place: Path, width: int) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(place.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as shard:
                facts = shard.metadata() or {}
                features = shard.get_tensor("features")
        except (SafetensorError, OSError):
            facts, features = {}, torch.empty(0)
        names = facts.get("sha256", "").split()
        if facts.get("check") != _check_of(names, features):
            logger.warning("a shard of features is damaged; its pictures are computed again: %s", path.name)
            remove(path)
        elif features.shape == (len(names), width):
            yield from zip(names, features, strict=True)


def _check_of(names: Sequence[str], features: Tensor) -> str:
    """Over every name and every number: safetensors alone would not notice a flipped bit."""
    digest = hashlib.sha256(f"{features.dtype} {tuple(features.shape)} {' '.join(names)}".encode())
    digest.update(features.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _write_shard(place: Path, names: Sequence[str], features: Tensor) -> None:
    make_folder(place)
    features = features.contiguous()
    facts = {"sha256": " ".join(names), "check": _check_of(names, features)}
    data = save({"features": features}, metadata=facts)
    write_bytes(place / f"{uuid.uuid4().hex}.safetensors", data)
