"""Images as training needs them: uncut for crops, or cut as the network will see them.

Flow:  row numbers --inputs--> (B, H, W, C) uint8, as in prediction
       row numbers --train--> (B, C, H, W) float32, cropped and flipped at random

Uncut images stay in memory up to a bound; beyond it they are read again, one batch ahead.
Crops and flips are torchvision's. Of several processes each reads its part of a batch, and draws
for all of it: the crops are those of one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.cluster.ranks import ALONE, Ranks
from headswap.data.transforms import to_float
from headswap.network import InputSpec
from headswap.training.config import FinetuneConfig

KEEP_BYTES = 512 * 2**20  # of uncut images
Read = Callable[[int], NDArray[np.uint8]]  # row -> (H, W, C)


@dataclass
class ImageBatches:
    """All images of a task by row, training and test alike."""

    spec: InputSpec
    read_input: Read  # as `prepare` gives it
    read_uncut: Read  # as `uncut` gives it
    keep_bytes: int = KEEP_BYTES

    def __post_init__(self) -> None:
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._left = self.keep_bytes

    def inputs(self, rows: Sequence[int]) -> Tensor:
        """(B, C, H, W) float32, exactly as in prediction."""
        return self._to_tensor([self.read_input(row) for row in rows])

    def train(
        self, batches: Iterable[Sequence[int]], augment: Augment, ranks: Ranks = ALONE, *, before: int = 0
    ) -> Iterator[Tensor]:
        """One (B, C, H, W) float32 tensor per batch, drawn again each time.

        Args:
            batches: rows, the same in every process.
            augment: draws the crops.
            ranks: of several processes each gets its part of each batch.
            before: how many images before its part it gets too; before the first is the last of the batch.
        """
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="uncut") as pool:
            ahead = None
            for rows in batches:
                taken = taken_of(len(rows), ranks, before)
                coming = rows, {at: pool.submit(self._uncut, rows[at]) for at in taken}
                if ahead is not None:
                    yield self._batch(*ahead, augment, ranks, before)
                ahead = coming
            if ahead is not None:
                yield self._batch(*ahead, augment, ranks, before)

    def _batch(
        self,
        rows: Sequence[int],
        coming: Mapping[int, Future[NDArray[np.uint8]]],
        augment: Augment,
        ranks: Ranks,
        before: int,
    ) -> Tensor:
        """(n, C, H, W) of the part of this process, with random numbers drawn for every image."""
        images = {at: future.result() for at, future in coming.items()}
        sizes = self._sizes_of(rows, images, ranks)
        drawn: dict[int, NDArray[np.uint8]] = {}
        for at, size in enumerate(sizes):
            if at in images:
                drawn[at] = augment(images[at])
            else:
                augment.skip(*size, self.spec.channels)
        return self._to_tensor([drawn[at] for at in taken_of(len(rows), ranks, before)])

    def _to_tensor(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        if not images:  # the part of a process may be empty
            return torch.empty(0, self.spec.channels, self.spec.height, self.spec.width)
        return torch.from_numpy(to_float(np.stack(images), self.spec))

    def _sizes_of(
        self, rows: Sequence[int], images: Mapping[int, NDArray[np.uint8]], ranks: Ranks
    ) -> list[tuple[int, int]]:
        """(height, width) of each uncut image of a batch; those of other processes are told once."""
        if ranks.is_alone:
            return [images[at].shape[:2] for at in range(len(rows))]
        if any(row not in self._sizes for row in rows):  # the same in every process
            own = [images[at].shape[:2] for at in ranks.part(len(rows))]
            told = ranks.gathered(torch.tensor(own, dtype=torch.long).reshape(-1, 2), len(rows)).tolist()
            self._sizes.update(zip(rows, map(tuple, told), strict=True))
        return [self._sizes[row] for row in rows]

    def _uncut(self, row: int) -> NDArray[np.uint8]:
        kept = self._kept.get(row)
        if kept is not None:
            return kept
        image = self.read_uncut(row)
        if self._left >= image.nbytes:  # two threads may pass at once: a few images too many, no more
            self._left -= image.nbytes
            self._kept[row] = image
        return image


class Augment:
    """Random crops and flips, drawn from torch's own generator."""

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

    def skip(self, height: int, width: int, channels: int) -> None:
        """Draw what an image of that size takes; on torch's meta device nothing is computed."""
        self._steps(torch.empty(channels, height, width, dtype=torch.uint8, device="meta"))


def taken_of(count: int, ranks: Ranks, before: int = 0) -> list[int]:
    """Which images of a batch this process has: its part, after some that precede it in a circle."""
    part = ranks.part(count)
    return [(part.start - step) % count for step in range(before, 0, -1)] + list(part)


def mixer(config: FinetuneConfig, num_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Mixes images and labels of a batch; without mixup gives both back as they are."""
    if config.mixup == 0:
        return lambda batch, labels: (batch, labels)
    from torchvision.transforms import v2

    mix: Any = v2.MixUp(alpha=config.mixup, num_classes=num_classes)

    def mixed(batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images, shares = mix(batch, labels)  # (B, C, H, W), (B, classes)
        return images, shares

    return mixed
