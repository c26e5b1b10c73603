"""Rows of images in blocks, whose sums are added in one order wherever and whenever they were made.

Flow:  (N, R) rows + labels + folds --RowBlocks--> blocks;  work + blocks --in_order--> one answer each

The order that fixes every bit: images stand by fold, in a fold as they were given; a block holds at most
`rows_at_once` of one fold; what a block gives in single precision is added up in double precision, block
after block. So a head that must not see a fold is the sum of the other folds' blocks: nothing is copied for
it, and no table of images times classes is ever whole. `each` decides who works on blocks; here, one
after another. Another one may answer in any order, and in several threads in which torch uses as many of
its own: the sums are the same.

Blocks can be worked on by a GPU, where they stay between passes while it has room for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.features.devices import free_memory
from headswap.features.memmap import matrix

_MOST_ROWS, _FEWEST_ROWS = 4096, 256
_CELLS = 2**22  # numbers of a block's table of rows times classes, or times features, about
_SHARE = 0.5  # of a device's free memory for blocks that stay there; products need the rest

Answer = TypeVar("Answer")


class Each(Protocol):
    """Does one piece of work for each of some numbers: every one exactly once, in any order."""

    def __call__(
        self, work: Callable[[int], Answer], numbers: Sequence[int]
    ) -> Iterator[tuple[int, Answer]]: ...


def here(work: Callable[[int], Answer], numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
    """In this thread, one after another."""
    for number in numbers:
        yield number, work(number)


@dataclass(frozen=True, eq=False)
class Block:
    """Some images of one fold."""

    fold: int
    rows: Tensor  # (n, R) float32, in the basis that is solved in
    labels: Tensor  # (n,) int64, or (n, C) float32 of 0 and 1 where an image may have several
    weights: Tensor  # (n,) float32, what each image counts; (n, C) where labels are not known of some images
    positions: Tensor  # (n,) int64, where they stood among all; always on the processor

    def on(self, device: str) -> Block:
        """The same block on a device, "cuda" or "cpu"."""
        rows, labels, weights = (table.to(device) for table in (self.rows, self.labels, self.weights))
        return replace(self, rows=rows, labels=labels, weights=weights)


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """All images, by fold, and who works on their blocks."""

    rows: Tensor  # (N, R) float32, as `order` says
    labels: Tensor  # (N,) int64, or (N, C) float32 of 0 and 1, as `order` says
    weights: Tensor  # (N,) float32, as `order` says; 1 on average; (N, C) where some labels are not known
    folds: Tensor  # (N,) int64, ascending
    order: Tensor  # (N,) int64: where each row stood among all
    num_classes: int
    each: Each = here
    device: str = "cpu"  # where blocks are worked on: "cpu" or "cuda"

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        size = rows_at_once(self.num_classes)
        return tuple(
            Block(fold, *(table[some] for table in (self.rows, self.labels, self.weights, self.order)))
            for fold, start, stop in self._spans
            for some in (slice(at, min(at + size, stop)) for at in range(start, stop, size))
        )

    @cached_property
    def counts(self) -> dict[int, int]:
        """Images of each fold."""
        return {fold: stop - start for fold, start, stop in self._spans}

    @property
    def _spans(self) -> list[tuple[int, int, int]]:
        folds, counts = torch.unique_consecutive(self.folds, return_counts=True)
        stops = counts.cumsum(0)
        return list(zip(folds.tolist(), (stops - counts).tolist(), stops.tolist(), strict=True))

    @cached_property
    def _staying(self) -> dict[int, Block]:
        """The first blocks, on the device, as many as it has room for; the others come for each pass."""
        room, found = _SHARE * free_memory(self.device), dict[int, Block]()
        for number, block in enumerate(self.blocks):
            room -= block.rows.nbytes + block.labels.nbytes + block.weights.nbytes
            if room < 0:
                break
            found[number] = block.on(self.device)
        return found

    def _placed(self, number: int) -> Block:
        if self.device == "cpu":
            return self.blocks[number]
        there = self._staying.get(number)
        return self.blocks[number].on(self.device) if there is None else there

    def in_order(self, work: Callable[[Block], Answer]) -> Iterator[tuple[Block, Answer]]:
        """What the work gives for each block, in their order, however it comes; early ones wait.

        The work sees a block on the device, and gives its answer on the processor; what is yielded with the
        answer is on the processor, too.
        """
        early: dict[int, Answer] = {}
        blocks, due = self.blocks, 0
        for number, answer in self.each(lambda number: work(self._placed(number)), range(len(blocks))):
            early[number] = answer
            while due in early:
                yield blocks[due], early.pop(due)
                due += 1


def rows_at_once(width: int) -> int:
    """Rows of a block whose table is so many numbers wide; the same wherever it is asked."""
    return max(_FEWEST_ROWS, min(_MOST_ROWS, _CELLS // width))


def by_fold(folds: NDArray[np.int64] | None, count: int) -> tuple[Tensor, Tensor]:
    """(N,) the order in which images stand by fold, and the fold of each in that order; one fold if None."""
    if folds is None:
        return torch.arange(count), torch.zeros(count, dtype=torch.int64)
    order = np.argsort(folds, kind="stable")
    return torch.from_numpy(order), torch.from_numpy(folds[order])


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """(D,) mean and variance of (N, D) float32, in double precision."""
    parts, count = features.split(rows_at_once(features.shape[1])), len(features)
    mean = torch.zeros(features.shape[1], dtype=torch.double)
    for part in parts:
        mean += part.double().sum(dim=0)
    mean /= count
    variance = torch.zeros_like(mean)
    for part in parts:
        variance += (part.double() - mean).square_().sum(dim=0)
    return mean, variance / count


def standardised(features: Tensor, order: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """(N, D) rows in another order, less (D,) mean, over (D,) scale; in a file when they are many."""
    found = matrix(*features.shape)
    size = rows_at_once(features.shape[1])
    for start in range(0, len(order), size):
        some = found[start : start + size]
        torch.index_select(features, 0, order[start : start + size], out=some)
        some.sub_(mean).div_(scale)
    return found
