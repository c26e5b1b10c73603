"""Train a head by gradient through the frozen network: for heads that are not one linear layer.

Flow:  swapped Network + training images --train_through--> its head trained, logits of both parts

Everything stays in eval mode, so BatchNorm statistics and the backbone cannot drift, and what
is trained is what will predict. Only the new head's parameters have gradients; the
optimizer is made after the swap, from exactly these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from headswap.data.manifest import ImageRecord
from headswap.data.transforms import to_float
from headswap.errors import FinishEarly, TeachingFailed
from headswap.events import EpochEnd, Listener, Progress
from headswap.features.devices import full_precision, upload
from headswap.features.engines import choose_engine, exact, to_engine
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite
from headswap.heads.trainable import freeze_backbone
from headswap.network import Network
from headswap.training.config import TrainConfig

_EPOCHS = 20
_LEARNING_RATE, _WEIGHT_DECAY = 1e-2, 1e-3
Batch = Callable[[Sequence[ImageRecord]], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class GradientResult:
    """What the trained network says."""

    train: Tensor  # (N, C) logits
    test: Tensor  # (M, C) logits
    engine: str


def train_through(  # noqa: PLR0913
    network: Network,
    site: HeadSite,
    batch: Batch,
    train: Sequence[ImageRecord],
    labels: Tensor,
    test: Sequence[ImageRecord],
    test_labels: Tensor,
    *,
    config: TrainConfig,
    seed: int,
    listener: Listener,
) -> GradientResult:
    """Train the head of a swapped network, in place.

    Args:
        network: swapped; its head is new.
        site: of the new head.
        batch: images to (B, H, W, C) uint8.
        train, labels: N images and their (N,) classes.
        test, test_labels: only looked at, for the eye and the report.
        config, seed, listener: those of `train_head` and of its task.

    Raises:
        TeachingFailed: the loss is not a number.
    """
    engine = exact(choose_engine())
    module = to_engine(network.module.eval(), engine)

    def answer(images: Sequence[ImageRecord]) -> Tensor:
        pixels = torch.from_numpy(to_float(batch(images), network.input))
        return logits_of(module(upload(pixels, engine.device)), site)

    def answer_all(images: Sequence[ImageRecord]) -> Tensor:
        with torch.inference_mode():
            return torch.cat([answer(chunk).float().cpu() for chunk in _chunks(images, config.batch_size)])

    with full_precision(engine.device), freeze_backbone(module, site) as parameters:
        optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _EPOCHS)
        shuffle = torch.Generator().manual_seed(seed)
        for number in range(1, _EPOCHS + 1):
            right = 0
            for rows in torch.randperm(len(train), generator=shuffle).split(config.batch_size):
                logits = answer([train[row] for row in rows.tolist()])
                loss = cross_entropy(logits, labels[rows].to(logits.device))
                _check(loss)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                right += int((logits.argmax(1).cpu() == labels[rows]).sum())
            schedule.step()
            test_right = int((answer_all(test).argmax(1) == test_labels).sum())
            listener(EpochEnd(number, _EPOCHS, right, len(train), test_right, len(test)))
            try:
                listener(Progress("head", number, _EPOCHS, "passes"))
            except FinishEarly:
                break
        return GradientResult(answer_all(train), answer_all(test), engine.name)


def _chunks(images: Sequence[ImageRecord], size: int) -> Iterator[Sequence[ImageRecord]]:
    return (images[start : start + size] for start in range(0, len(images), size))


def _check(loss: Tensor) -> None:
    if not torch.isfinite(loss):
        raise TeachingFailed(
            "The loss is no longer a number, so the head learned nothing more.",
            remedy="Choose another network, or check that the weights are whole.",
        )
