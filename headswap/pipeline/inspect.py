"""Open a network up: its card, its head, its backbone, without loading a single weight.

Flow:  name --inspect_network--> Inspection (everything the head view and the shell show)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.field_types import keys_on_disk
from headswap.heads.site import HeadSite
from headswap.network import Network, NetworkCard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROBE_CLASSES = 7
_TRAINED = 4  # images that are trained on at once, to see how long one takes
_PROOF = (
    f"As a proof it was swapped for one with {_PROBE_CLASSES} outputs: the network answered with "
    f"{_PROBE_CLASSES} numbers, and nothing but the new head had anything to learn. "
    "Then the old one was put back."
)


@dataclass(frozen=True, kw_only=True)
class BackboneBlock:
    """One block of a backbone, in the order that an image passes it."""

    path: str
    kind: str
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A network opened up."""

    __pydantic_config__ = keys_on_disk(image_ms="picture_ms", backbone_parameters="body_parameters")

    card: NetworkCard  # what is known of the network
    site: HeadSite  # where its head is, and how that is known
    stages: tuple[BackboneBlock, ...]  # of the backbone
    backbone_parameters: int  # kept and frozen
    head_parameters: int  # replaced
    class_names: tuple[str, ...]  # of the old head; empty when not stated
    seconds: float  # that finding took
    image_ms: float | None = None  # one image through the network, on this machine
    train_ms: float | None = None  # training on one image, all the way and back


def inspect_network(
    name: str, *, path: str | None = None, weights: str | Path | None = None, allow_code: bool = False
) -> Inspection:
    """Find the head of an architecture and describe what surrounds it.

    Args:
        name: of a network in some zoo, or "package.module:factory".
        path: take this layer as the head; it is proved like any other.
        weights: the person's own weight file, which decides the class count.
        allow_code: whether the name may be Python code.

    Raises:
        ModelNotFound, HeadNotFound, WeightsDamaged.
    """
    import numpy as np

    from headswap.data.remote import refuse_address
    from headswap.features.latency import pace_of
    from headswap.heads.detect import find_head
    from headswap.heads.stages import backbone_stages
    from headswap.heads.swap import swap_head
    from headswap.heads.trainable import head_parameters
    from headswap.zoos.catalogue import build_network, load_network
    from headswap.zoos.zoo import ZooSettings

    settings = ZooSettings(allow_code=allow_code)
    if weights:
        refuse_address(weights, "A weight file")
        network = load_network(name, weights=Path(weights), settings=settings)
    else:
        network = build_network(name, settings=settings)
    start = time.perf_counter()
    site = find_head(network, head=path)
    seconds = time.perf_counter() - start
    swap_head(network, _PROBE_CLASSES, site=site).undo()  # raises when the head does not prove itself
    image = np.zeros((*site.input_size[1:], site.input_size[0]), np.uint8)
    in_head = {id(parameter) for parameter in head_parameters(network.module, site)}
    counts = {id(p): p.numel() for p in network.module.parameters()}
    return Inspection(
        card=network.card,
        site=replace(site, evidence=(*site.evidence, _PROOF)),
        stages=tuple(
            BackboneBlock(path=stage.path, kind=stage.kind, parameters=stage.parameters)
            for stage in backbone_stages(network.module, site)
        ),
        backbone_parameters=sum(count for key, count in counts.items() if key not in in_head),
        head_parameters=sum(count for key, count in counts.items() if key in in_head),
        class_names=network.class_names,
        seconds=seconds,
        image_ms=round(pace_of(network, image), 1),
        train_ms=round(1000 * _train_s(network, site, image), 1),
    )


def _train_s(network: Network, site: HeadSite, image: NDArray[np.uint8]) -> float:
    """Seconds to train on one image of a small batch; the network is as before."""
    import numpy as np
    import torch

    from headswap.data.transforms import to_float
    from headswap.features.devices import bring_home
    from headswap.features.engines import to_engine
    from headswap.training.config import FinetuneConfig
    from headswap.training.finetune.modes import borrowed, own_random, step_s, train_mode, training_engine

    engine, config = training_engine(), FinetuneConfig()
    module = to_engine(network.module, engine)
    batch = torch.from_numpy(to_float(np.stack([image] * _TRAINED), network.input))
    with borrowed(module, site, config), own_random(engine, 0):
        train_mode(module, config.norms)
        seconds = step_s(module, batch, torch.arange(_TRAINED) % site.num_classes, site, engine)
    bring_home(module)
    return seconds
