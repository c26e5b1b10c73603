"""Which engine is fastest for a network on this machine: measured once, then remembered.

Flow:  Network + some images --measure--> ms of each engine --> engines.json --remembered--> Engine

A measurement costs seconds, most of them for the translations, so it is made only where a
run is long enough to gain by it, or when a person asks (`headswap engines`).
"""

from __future__ import annotations

import hashlib
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from headswap.errors import BundleDamaged
from headswap.features.engines import Engine, choose_engine, engine_named, engines_here, exact
from headswap.features.extractor import Extractor
from headswap.heads.site import HeadSite
from headswap.network import Network
from headswap.storage.files import from_json, make_folder, to_json, write_text
from headswap.threads import machine_text

TRANSLATIONS = "translations"  # the folder for them, next to the shards
WORTH_S = 6.0  # a run of torch this long gains more from a measurement than the measurement costs
_MEMORY = "engines.json"
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class EngineTimings:
    """How long the engines took, for one network on one machine."""

    fastest: str  # name of an engine
    milliseconds: dict[str, float]  # per image, of each engine that came near enough to the exact one


@dataclass(frozen=True, kw_only=True)
class _Memory:
    measured: dict[str, EngineTimings] = field(default_factory=dict)


def extractor_for(
    network: Network,
    site: HeadSite,
    folder: Path,
    engine: Engine | None = None,
    *,
    flip: bool = False,
    flipped: bool = False,
) -> Extractor:
    """A backbone in the given engine, or in the one that was the fastest here, or else in torch's own.

    Args:
        network: loaded.
        site: its head.
        folder: of the feature bank; keeps measurements and translations too.
        engine: take this one and no other.
        flip: let it see every image twice, as it is and flipped.
        flipped: let it see every image flipped only.
    """
    known = remembered(network, site, folder) if engine is None else None
    found = engine or known
    return Extractor(
        network,
        site,
        found or choose_engine(),
        folder / TRANSLATIONS,
        flip=flip,
        flipped=flipped,
        autotuned=found is not None,
        takes_nvjpeg=engine is None,
    )


def remembered(network: Network, site: HeadSite, folder: Path) -> Engine | None:
    """The fastest engine, if it was measured on this machine and still exists."""
    found = _read(folder).measured.get(_key(network, site))
    return engine_named(found.fastest) if found else None


def autotune(extractor: Extractor, images: NDArray[np.uint8], folder: Path, *, left_s: float) -> None:
    """Let a backbone that may still choose take the fastest engine, if what is left is worth measuring for.

    Args:
        extractor: not autotuned; is afterwards.
        images: (N, H, W, C) uint8, a batch.
        folder: as for `extractor_for`.
        left_s: seconds that its present engine would still take.
    """
    extractor.autotuned = True
    if len(engines_here()) > 1 and left_s > WORTH_S:
        measured = measure(extractor.network, extractor.site, images, folder)
        extractor.change(engine_named(measured.fastest) or extractor.engine)


def measure(network: Network, site: HeadSite, images: NDArray[np.uint8], folder: Path) -> EngineTimings:
    """Time every engine of this machine on a batch, and remember.

    Args:
        network: loaded, with its head at `site`.
        site: where features are caught.
        images: (N, H, W, C) uint8; sixteen say enough.
        folder: as for `extractor_for`.
    """
    times: dict[str, float] = {}
    for engine in engines_here():
        extractor = Extractor(network, site, engine, folder / TRANSLATIONS)
        took = _milliseconds(extractor, images)
        if extractor.engine == engine:  # else it was given up
            times[engine.name] = round(took, 3)
    fastest = min(times, key=times.__getitem__) if times else exact(choose_engine()).name
    found = EngineTimings(fastest=fastest, milliseconds=times)
    known = {**_read(folder).measured, _key(network, site): found}
    write_text(make_folder(folder) / _MEMORY, to_json(_Memory(measured=known), indent=1))
    return found


def _milliseconds(extractor: Extractor, images: NDArray[np.uint8]) -> float:
    """Per image, the best of a few tries after a first one."""
    extractor.features(images)
    tries = []
    for _ in range(_TRIES):
        begin = time.perf_counter()
        extractor.features(images)
        tries.append(time.perf_counter() - begin)
    return 1000 * min(tries) / len(images)


def _read(folder: Path) -> _Memory:
    try:
        memory: _Memory = from_json(_Memory, (folder / _MEMORY).read_bytes())
    except (OSError, BundleDamaged):  # never written, or damaged: measure again
        return _Memory()
    return memory


def _key(network: Network, site: HeadSite) -> str:
    """Architecture, image size and head on a machine: processor, threads, versions of the libraries."""
    facts = (
        network.card.full_name,
        network.card.variant,
        to_json(network.input.size),
        site.feature_key,
        platform.machine(),
        machine_text(),
        f"{torch.get_num_threads()} threads",
        *(f"{name} {_version(name)}" for name in ("torch", "openvino", "onnxruntime")),
    )
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return f"{network.card.full_name} {digest[:16]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
