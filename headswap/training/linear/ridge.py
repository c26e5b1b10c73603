"""Solve a head where features far outnumber images: ridge regression on the classes.

Flow:  (N, D) features + labels, D > N --fit_ridge--> SolvedHead

With thousands of features and hundreds of images every head fits its images exactly, and what counts is how
it fills the rest of the space: least squares with a penalty does that better than logistic regression
(docs/decisions/0031-a-wide-head.md), and in closed form. Penalties are compared by cross-validation, near
duplicates in one fold, by the loss after calibration; every class counts the same. The answers are then
scaled so that a softmax of them is as sure as it should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.evaluation.metrics import fit_temperature
from headswap.training.config import TrainConfig
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
_L2_GRID = tuple(10.0 ** (power / 2) for power in range(-6, 2))  # times the mean squared length of an image


def fit_ridge(  # noqa: PLR0913
    features: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    config: TrainConfig | None = None,
    groups: Sequence[int] | None = None,
    seed: int = 0,
    intercept: bool = True,
    watch: Watch | None = None,
) -> SolvedHead:
    """Solve one head; arguments and errors as for `fit_head`, which solves it where ridge is no better."""
    config = config or TrainConfig()
    check_features(features, labels, num_classes)
    folds = folds_of(labels.numpy(), groups, config.folds, seed)
    count, width = features.shape
    if folds is None or not intercept or not count < width or count > MOST_IMAGES:
        return fit_head(
            features,
            labels,
            num_classes=num_classes,
            config=config,
            groups=groups,
            seed=seed,
            intercept=intercept,
            watch=watch,
        )
    l2_grid = _L2_GRID if config.l2 is None else (config.l2,)
    with few_threads(features.shape, num_classes):
        return _fit(span_of(features, centre=True), labels, num_classes, l2_grid, folds, watch)


def _fit(
    span: Span,
    labels: Tensor,
    num_classes: int,
    l2_grid: Sequence[float],
    folds: NDArray[np.int64],
    watch: Watch | None,
) -> SolvedHead:
    images = span.coordinates.double()  # (N, R)
    weights = balanced(labels, num_classes).sum(dim=0).double()  # (N,)
    wanted = torch.nn.functional.one_hot(labels, num_classes).double() * 2 - 1  # (N, C)
    logits = torch.zeros(len(l2_grid), *wanted.shape, dtype=torch.double)
    for fold in np.unique(folds):
        held = torch.from_numpy(folds == fold)
        seen = _solutions(images[~held], wanted[~held], weights[~held], l2_grid)
        for number, (weight, bias) in enumerate(seen):
            logits[number, held] = images[held] @ weight + bias
    temperatures = [fit_temperature(each.numpy(), labels.numpy()) for each in logits]
    losses = [
        float(-((each / heat).log_softmax(dim=1)[torch.arange(len(labels)), labels] * weights).mean())
        for each, heat in zip(logits, temperatures, strict=True)
    ]
    best = int(np.argmin(losses))
    weight, bias = next(_solutions(images, wanted, weights, l2_grid[best : best + 1]))
    solution = torch.cat([weight.T, bias[:, None]], dim=1) / temperatures[best]  # (C, R + 1)
    found = span.unfold(solution.float())
    if watch is not None:
        watch(*found)
    return SolvedHead(
        *found,
        l2=l2_grid[best],
        fold_logits=(logits[best] / temperatures[best]).float(),
        fold_losses=tuple(losses),
    )


def _solutions(
    images: Tensor, wanted: Tensor, weights: Tensor, l2_grid: Sequence[float]
) -> Iterator[tuple[Tensor, Tensor]]:
    """(R, C) weights and (C,) biases for each penalty."""
    share = (weights / weights.sum())[:, None]
    middle, usual = (share * images).sum(dim=0), (share * wanted).sum(dim=0)
    roots = weights.sqrt()[:, None]
    rows, targets = roots * (images - middle), roots * (wanted - usual)
    gram = rows @ rows.T
    length = gram.diagonal().mean()
    length = torch.where(length > 0, length, torch.ones_like(length))  # 0: every picture looks the same to it
    for l2 in l2_grid:
        kept = torch.linalg.cholesky(gram + l2 * length * torch.eye(len(gram), dtype=gram.dtype))
        weight = rows.T @ torch.cholesky_solve(targets, kept)
        yield weight, usual - middle @ weight
