"""How much of an experiment fits into its seconds, with this network on this machine.

Flow:  Network --seconds_to_see, seconds_to_train--> a picture's cost --> pictures, passes

An experiment of a large network sees fewer pictures, or practises on them less often; what it
did is in its sentences. Both arms of a comparison get the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from headswap.features.extractor import Extractor
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite
from headswap.lessons.loop import BATCH
from headswap.network import InputSpec, Network

ImageArray = NDArray[np.uint8]  # (N, H, W, C)

_FORWARD_PASSES = (
    6  # the most that an experiment has the body see every picture: in other glasses, in another order
)
_ARMS = 2  # networks that an experiment teaches whole
_SEEING = 0.6  # of the seconds; what is left then is for practising
WARM, TIMED = 4, 8  # pictures
_LONG_S = 0.15  # a picture; beyond it setting up plays no part


@dataclass(frozen=True)
class LessonTraining:
    """How a whole network is taught in an experiment."""

    epochs: int
    every: int  # 1: all practice pictures, 2: every second one, …


def seconds_to_see(extractor: Extractor, images: ImageArray) -> float:
    """What one picture costs the body as it runs here.

    Args:
        extractor: that was not asked yet; its engine is judged on these pictures.
        images: (N, H, W, C) uint8, real ones.
    """
    extractor.features(images[:WARM])

    def forward() -> float:
        start = time.perf_counter()
        extractor.features(images)
        return (time.perf_counter() - start) / len(images)

    return _undisturbed(forward)


def seconds_to_train(network: Network, site: HeadSite, spec: InputSpec) -> float:
    """What one picture costs when the whole network is taught.

    Args:
        network: to be used up.
        site: of its head.
        spec: size of the pictures.
    """
    module = network.module.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(module.parameters())

    def step(images: int) -> float:
        start = time.perf_counter()
        logits = logits_of(module(torch.zeros(images, *spec.size)), site)
        optimizer.zero_grad()
        cross_entropy(logits, torch.zeros(images, dtype=torch.int64)).backward()
        optimizer.step()
        return (time.perf_counter() - start) / images

    with torch.random.fork_rng(devices=[]):  # what is measured changes nothing of what is shown
        first = step(WARM)  # which also sets everything up
        return first if first > _LONG_S else _undisturbed(lambda: step(BATCH))


def images_to_see(seconds: float, image_s: float, *, least: int, most: int) -> int:
    """How many pictures can be seen as often as an experiment may have to."""
    return max(least, min(most, int(_SEEING * seconds / (_FORWARD_PASSES * image_s))))


def how_to_train(seconds: float, image_s: float, *, images: int, most: int) -> LessonTraining:
    """Passes that every arm of an experiment has time for; where one is too long, fewer pictures in it."""
    epochs = seconds / (_ARMS * images * image_s)
    return LessonTraining(
        epochs=max(1, min(most, int(epochs))), every=1 if epochs >= 1 else int(1 / epochs) + 1
    )


def _undisturbed(measure: Callable[[], float]) -> float:
    """The best of three: the machine may be busy with something else. Of what takes long, the first."""
    first = measure()
    return first if first > _LONG_S else min(first, measure(), measure())
