"""Pictures as practice needs them: uncut for crops, or cut as the network will see them.

Flow:  row numbers --inputs--> (B, H, W, C) uint8, as in prediction
       row numbers --train--> (B, C, H, W) float32, cropped and mirrored at random

Uncut pictures stay in memory up to a bound; beyond it they are read again, one batch ahead.
Crops and mirrors are torchvision's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.transforms import to_float
from headswap.network import InputSpec
from headswap.training.config import FinetuneConfig

KEEP_BYTES = 512 * 2**20  # of uncut pictures
Read = Callable[[int], NDArray[np.uint8]]  # row -> (H, W, C)


@dataclass
class ImageBatches:
    """All pictures of a task by row, practice and exam alike."""

    spec: InputSpec
    read_input: Read  # as `prepare` gives it
    read_uncut: Read  # as `uncut` gives it
    keep_bytes: int = KEEP_BYTES

    def __post_init__(self) -> None:
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._left = self.keep_bytes

    def inputs(self, rows: Sequence[int]) -> Tensor:
        """(B, C, H, W) float32, exactly as in prediction."""
        return torch.from_numpy(to_float(np.stack([self.read_input(row) for row in rows]), self.spec))

    def train(self, batches: Iterable[Sequence[int]], augment: Augment) -> Iterator[Tensor]:
        """One (B, C, H, W) float32 tensor per batch, drawn again each time."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="uncut") as pool:
            ahead = None
            for rows in batches:
                coming = [pool.submit(self._uncut, row) for row in rows]
                if ahead is not None:
                    yield self._drawn([future.result() for future in ahead], augment)
                ahead = coming
            if ahead is not None:
                yield self._drawn([future.result() for future in ahead], augment)

    def _drawn(self, images: Sequence[NDArray[np.uint8]], augment: Augment) -> Tensor:
        return torch.from_numpy(to_float(np.stack([augment(image) for image in images]), self.spec))

    def _uncut(self, row: int) -> NDArray[np.uint8]:
        kept = self._kept.get(row)
        if kept is not None:
            return kept
        image = self.read_uncut(row)
        if self._left >= image.nbytes:  # two threads may pass at once: a few pictures too many, no more
            self._left -= image.nbytes
            self._kept[row] = image
        return image


class Augment:
    """Random crops and mirrors, drawn from torch's own generator."""

    def __init__(self, spec: InputSpec, config: FinetuneConfig) -> None:
        from torchvision.transforms import v2

        known = ("nearest", "bilinear", "bicubic")
        interpolation = v2.InterpolationMode(
            spec.interpolation if spec.interpolation in known else "bilinear"
        )
        size = (spec.height, spec.width)
        steps: list[Any] = [v2.RandomHorizontalFlip()] if config.flip else []
        if config.least_crop < 1:
            crop = v2.RandomResizedCrop(
                size, (config.least_crop, 1.0), interpolation=interpolation, antialias=True
            )
            steps.insert(0, crop)
        else:
            steps[:0] = [
                v2.Resize(min(size), interpolation=interpolation, antialias=True),
                v2.CenterCrop(size),
            ]
        self._steps: Any = v2.Compose(steps)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, C) uint8 of any size to the network's size."""
        drawn = self._steps(torch.from_numpy(image.copy()).permute(2, 0, 1))  # (C, H, W)
        return np.asarray(drawn.permute(1, 2, 0).numpy())


def mixer(config: FinetuneConfig, num_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Mixes pictures and labels of a batch; without mixup gives both back as they are."""
    if config.mixup == 0:
        return lambda batch, labels: (batch, labels)
    from torchvision.transforms import v2

    mix: Any = v2.MixUp(alpha=config.mixup, num_classes=num_classes)

    def mixed(batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images, shares = mix(batch, labels)  # (B, C, H, W), (B, classes)
        return images, shares

    return mixed
