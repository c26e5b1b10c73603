"""Solve a head where features far outnumber images: ridge regression on the classes.

Flow:  LabeledFeatures, D > N --fit_ridge--> SolvedHead

With thousands of features and hundreds of images every head fits its images exactly, and what counts is how
it fills the rest of the space: least squares with a penalty does that better than logistic regression
(docs/decisions/0031-a-wide-head.md), and in closed form. Penalties are compared by cross-validation, near
duplicates in one fold, by the loss after calibration; every class counts the same. The answers are then
scaled so that a softmax of them is as sure as it should be.

The normal equations are sums over blocks of images, as those of `solver` are; for a head that must not see a
fold, the other folds' are added. Images are at most `MOST_IMAGES` here, so their answers fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from headswap.evaluation.metrics import fit_temperature
from headswap.training.config import TrainConfig
from headswap.training.linear.blocks import Block, RowBlocks
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import (
    SolvedHead,
    Span,
    Watch,
    balanced,
    check_features,
    few_threads,
    fit_head,
    folds_of,
    span_of,
)

MOST_IMAGES = 1_500  # above, its cubic cost exceeds that of logistic regression, which then does as well
L2_GRID = tuple(10.0 ** (power / 2) for power in range(-6, 2))  # times the mean squared length of an image
Solution = tuple[Tensor, Tensor]  # (R, C) weights and (C,) biases, float64


def fit_ridge(
    images: LabeledFeatures,
    *,
    config: TrainConfig | None = None,
    seed: int = 0,
    intercept: bool = True,
    watch: Watch | None = None,
    always: bool = False,
) -> SolvedHead:
    """Solve one head; arguments and errors as for `fit_head`, which solves it where ridge is no better.

    With `always`, wherever ridge can solve it: under a penalty that ridge chose on other images.
    """
    config = config or TrainConfig()
    check_features(images)
    folds = folds_of(images.labels.numpy(), images.groups, config.folds, seed)
    count, width = images.features.shape
    is_better = always or count < min(width, MOST_IMAGES + 1)
    if folds is None or not intercept or not is_better:
        return fit_head(images, config=config, seed=seed, intercept=intercept, watch=watch)
    l2_grid = l2_grid_of(config)
    with few_threads(images.features.shape, images.num_classes):
        span = span_of(images, folds, centre=True)
        return _fit(span, images.labels, l2_grid, watch)


def l2_grid_of(config: TrainConfig) -> tuple[float, ...]:
    """The penalties that are compared: given ones, or `L2_GRID` where nothing was said."""
    if config.l2 is not None:
        return (config.l2,)
    return L2_GRID if config.l2_grid == TrainConfig.l2_grid else config.l2_grid


def _fit(span: Span, labels: Tensor, l2_grid: Sequence[float], watch: Watch | None) -> SolvedHead:
    images = span.images
    sums = _sums_of(images)
    logits = torch.zeros(len(l2_grid), len(labels), images.num_classes, dtype=torch.double)
    for fold in sums:
        seen = [others for other, others in sums.items() if other != fold]
        each = list(solutions(seen, l2_grid))
        for block in images.blocks:
            if block.fold == fold:
                for number, solution in enumerate(each):
                    logits[number, block.positions] = answers(block.rows.double(), solution)
    judged = [calibrated(each, labels) for each in logits]
    best = int(np.argmin([loss for _, loss in judged]))
    solution = next(solutions(list(sums.values()), l2_grid[best : best + 1]))
    temperature = judged[best][0]
    found = on_raw_features(span, solution, temperature)
    if watch is not None:
        watch(*found)
    return SolvedHead(
        *found,
        l2=l2_grid[best],
        fold_logits=(logits[best] / temperature).float(),
        fold_losses=tuple(loss for _, loss in judged),
        by_ridge=True,
    )


def on_raw_features(span: Span, solution: Solution, temperature: float) -> tuple[Tensor, Tensor]:
    """(C, D) weight and (C,) bias of a solution in a span; its answers are divided by the temperature."""
    weight, bias = solution
    return span.unfold((torch.cat([weight.T, bias[:, None]], dim=1) / temperature).float())


def calibrated(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """The temperature of (N, C) logits out of fold, and their loss with it; classes count the same."""
    temperature = fit_temperature(logits.numpy(), labels.numpy())
    likely = (logits / temperature).log_softmax(dim=1)[torch.arange(len(labels)), labels]
    return temperature, float(-(likely * balanced(labels, logits.shape[1]).double()).mean())


@dataclass(frozen=True, eq=False)
class Sums:
    """What least squares asks of some images, in double precision; each as often as it weighs."""

    images: int
    squares: Tensor  # (1 + R, 1 + R): of rows with rows, a 1 before each
    products: Tensor  # (1 + R, C): of the same with what is wanted, 1 for the class of an image, else -1

    @classmethod
    def of(cls, rows: Tensor, labels: Tensor, weights: Tensor, num_classes: int) -> Sums:
        """Of (n, R) rows with (n,) labels, which weigh (n,)."""
        first = torch.nn.functional.pad(rows, (1, 0), value=1.0).double()
        wanted = torch.nn.functional.one_hot(labels, num_classes).double() * 2 - 1
        weighed = first.T * weights
        return cls(len(rows), weighed @ first, weighed @ wanted)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.images + other.images, self.squares + other.squares, self.products + other.products)


def _sums_of(images: RowBlocks) -> dict[int, Sums]:
    """Of each fold, block after block."""
    found: dict[int, Sums] = {}

    def work(block: Block) -> Sums:
        return Sums.of(block.rows, block.labels, block.weights, images.num_classes)

    for block, sums in images.in_order(work):
        found[block.fold] = found[block.fold] + sums if block.fold in found else sums
    return found


def answers(rows: Tensor, solution: Solution) -> Tensor:
    """(n, C) of (n, R) float64 rows."""
    weight, bias = solution
    return rows @ weight + bias


def solutions(parts: Sequence[Sums], l2_grid: Sequence[float]) -> Iterator[Solution]:
    """A solution for each penalty, by the images of some folds."""
    seen = reduce(add, parts)
    total = seen.squares[0, 0]
    middle, usual = seen.squares[0, 1:] / total, seen.products[0] / total
    squares = seen.squares[1:, 1:] - total * torch.outer(middle, middle)
    products = seen.products[1:] - total * torch.outer(middle, usual)
    length, raw = squares.diagonal().sum() / seen.images, seen.squares.diagonal()[1:].sum() / seen.images
    # Where every image looks the same to the network, only rounding is left of the length.
    length = torch.where(length > 1e-10 * raw, length, torch.ones_like(length))
    for l2 in l2_grid:
        kept = torch.linalg.cholesky(squares + l2 * length * torch.eye(len(squares), dtype=squares.dtype))
        weight = torch.cholesky_solve(products, kept)
        yield weight, usual - middle @ weight
