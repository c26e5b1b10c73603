"""Solve a head on ready features: regularised multinomial logistic regression.

Flow:  (N, D) features + labels --fit_head--> SolvedHead (weight, bias, out-of-fold logits)

The features are standardised and, when pictures are fewer than features, turned into the
span of the pictures by the eigenvectors of their Gram matrix: an exact change of basis,
after which the problem is (N, <= N) however wide the network is. The penalty is chosen by
cross-validation; near duplicates stay in one fold. Strong penalties are solved first and
each solution starts the next. The scale is folded back, so the head is one linear layer.

Every class counts the same, however few its pictures are: with 1 picture to 100 a class
would otherwise hardly ever be named (docs/log.md).

The out-of-fold logits of the chosen penalty are kept: they calibrate, and they tell
pictures whose label may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from headswap.errors import TeachingFailed, TooFewImages
from headswap.features.memmap import matrix, taken
from headswap.threads import one_blas_thread, torch_threads
from headswap.training.config import TrainConfig

Watch = Callable[[Tensor, Tensor], None]  # weight (C, D), bias (C,) after each pass of the last solve
_FINAL_ITERATIONS, _FOLD_ITERATIONS = 100, 40
_FINAL_FALL, _FOLD_FALL = 1e-9, 1e-6  # of the loss, relative, below which a solve is over; folds only compare
_SMALL = 2e7  # N * R * C below which one thread is faster than waking others
_AT_ONCE = 4096  # pictures
_PLAIN_L2 = 0.1  # when there are too few pictures to choose by cross-validation


@dataclass(frozen=True, eq=False)
class SolvedHead:
    """One linear layer and what was learned on the way."""

    weight: Tensor  # (C, D) float32
    bias: Tensor  # (C,) float32
    l2: float  # the penalty chosen
    fold_logits: Tensor | None  # (N, C) float32, each row by a head that never saw it; None: too few pictures
    fold_losses: tuple[float, ...]  # mean cross-entropy of each penalty, in the order of the settings


@dataclass(frozen=True, eq=False)
class Span:
    """Standardised features in a basis no wider than the pictures are many."""

    coordinates: Tensor  # (N, R)
    basis: Tensor | None  # (D, R); None: the basis is the features themselves
    mean: Tensor  # (D,)
    scale: Tensor  # (D,)
    centred: bool

    def unfold(self, solution: Tensor) -> tuple[Tensor, Tensor]:
        """(C, R + 1) in this basis to weight (C, D) and bias (C,) on raw features."""
        weight = solution[:, :-1] if self.basis is None else solution[:, :-1] @ self.basis.T
        weight = weight / self.scale  # (C, D)
        return weight, solution[:, -1] - weight @ self.mean


@dataclass(frozen=True, eq=False)
class _Problem:
    """Pictures in some basis and the classes they should get.

    A row for each class, everywhere but in the coordinates: classes are few, and a product or a softmax
    along few numbers takes three to fifteen times as long as the same one across them.
    """

    coordinates: Tensor  # (N, R)
    targets: Tensor  # (C, N), one-hot times the weight of each picture
    intercept: bool

    @cached_property
    def weights(self) -> Tensor:
        """(1, N), what each picture counts."""
        return self.targets.sum(dim=0, keepdim=True)

    def logits(self, solution: Tensor) -> Tensor:
        """(C, N), by a (C, R + 1) solution whose last column is the bias."""
        return torch.addmm(solution[:, -1:], solution[:, :-1], self.coordinates.T)

    def loss_and_slope(self, solution: Tensor, l2: float) -> tuple[float, Tensor]:
        """Of a (C, R + 1) solution."""
        weight, count = solution[:, :-1], len(self.coordinates)
        log_likely = self.logits(solution).log_softmax(dim=0)  # (C, N)
        loss = -torch.dot(log_likely.view(-1), self.targets.view(-1)) / count
        error = log_likely.exp_().mul_(self.weights).sub_(self.targets).div_(count)  # (C, N)
        slope = torch.empty_like(solution)
        torch.addmm(weight, error, self.coordinates, beta=l2, out=slope[:, :-1])
        slope[:, -1] = error.sum(dim=1) * float(self.intercept)
        return float(loss + l2 / 2 * weight.square().sum()), slope


def fit_head(  # noqa: PLR0913
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
    """Solve one head.

    Args:
        features: (N, D) float32.
        labels: (N,) int64 in [0, C).
        num_classes: C, at least 2.
        config: penalties and folds.
        groups: N numbers; pictures of one group share a fold.
        seed: drives the folds.
        intercept: whether the layer has a bias; without one the features are not centred either.
        watch: called with weight and bias after each pass of the last solve.

    Raises:
        TooFewImages: a class has no picture.
        TeachingFailed: a feature is not a finite number.
    """
    config = config or TrainConfig()
    check_features(features, labels, num_classes)
    with few_threads(features.shape, num_classes):
        folds = folds_of(labels.numpy(), groups, config.folds, seed)
        return _fit(span_of(features, centre=intercept), balanced(labels, num_classes), config, folds, watch)


def _fit(
    span: Span, targets: Tensor, config: TrainConfig, folds: NDArray[np.int64] | None, watch: Watch | None
) -> SolvedHead:
    problem = _Problem(span.coordinates, targets, bool(span.centred))
    asked = set(config.l2_grid) if config.l2 is None else {*config.l2_grid, config.l2}
    l2_grid = sorted(asked, reverse=True)
    plain = config.l2 or _PLAIN_L2
    l2 = min(l2_grid, key=lambda value: abs(np.log10(value / plain)))
    fold_logits, losses = None, {}
    if folds is not None:
        logits = _cross_validate(problem, l2_grid, folds)  # (S, C, N)
        per_l2 = -(logits.log_softmax(1) * targets).sum(1).mean(-1)  # (S,)
        best = int(per_l2.argmin()) if config.l2 is None else l2_grid.index(config.l2)
        l2, fold_logits = l2_grid[best], logits[best].T.contiguous()
        losses = dict(zip(l2_grid, per_l2.tolist(), strict=True))
    tell = None if watch is None else lambda solution: watch(*span.unfold(solution))
    solution = _solve(problem, l2, iterations=_FINAL_ITERATIONS, fall=_FINAL_FALL, tell=tell)
    weight, bias = span.unfold(solution)
    return SolvedHead(
        weight, bias, l2, fold_logits, tuple(losses[value] for value in config.l2_grid if losses)
    )


@contextmanager
def few_threads(shape: torch.Size, num_classes: int) -> Iterator[None]:
    """Keep the solver's two thread pools from waiting for each other: seven times faster when small."""
    import scipy.optimize  # noqa: F401  its thread pool must be there before it can be limited

    count, width = shape
    is_small = count * min(count, width) * num_classes < _SMALL
    with torch_threads(1 if is_small else None), one_blas_thread():
        yield


def check_features(features: Tensor, labels: Tensor, num_classes: int) -> None:
    """Refuse what no head can be solved on: a class without an image, numbers that are none."""
    counts = torch.bincount(labels, minlength=num_classes)
    if num_classes < 2 or int(counts.min()) == 0:
        raise TooFewImages(
            "A head needs at least two classes with one practice picture each.",
            remedy="Add pictures, or drop the empty class.",
        )
    if not all(bool(torch.isfinite(some).all()) for some in features.split(_AT_ONCE)):
        raise TeachingFailed(
            "The body gives features that are not numbers (NaN or infinite).",
            remedy="The weights are damaged or too large for this precision; choose another network.",
        )


def balanced(labels: Tensor, num_classes: int) -> Tensor:
    """(C, N) one-hot columns, weighted: every class has the same sum, and a column weighs 1 on average."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts)  # (C,)
    return (one_hot(labels, num_classes) * weights[labels, None]).T.contiguous()


def span_of(features: Tensor, *, centre: bool) -> Span:
    """Standardise (N, D) features, in a basis no wider than N."""
    mean = features.mean(dim=0) if centre else torch.zeros(features.shape[1])
    scale = (features.var(dim=0, unbiased=False) + 1e-8).sqrt()
    scale = torch.maximum(scale, scale.mean() * 1e-3)  # a feature that never moves must not be blown up
    count, width = features.shape
    standard = torch.sub(features, mean, out=matrix(count, width)).div_(scale)  # (N, D)
    if count >= width:
        return Span(standard, None, mean, scale, centre)
    values, vectors = torch.linalg.eigh((standard @ standard.T).double())  # Gram matrix, ascending
    keep = values > values[-1].clamp_min(1e-12) * 1e-7
    vectors, roots = vectors[:, keep].float(), values[keep].sqrt().float()  # (N, R), (R,)
    return Span(vectors * roots, (standard.T @ vectors) / roots, mean, scale, centre)


def folds_of(
    labels: NDArray[np.int64], groups: Sequence[int] | None, count: int, seed: int
) -> NDArray[np.int64] | None:
    """A fold for each picture, stratified, groups whole; None when a class has fewer than two groups."""
    random = np.random.default_rng(seed)
    members = np.arange(len(labels)) if groups is None else np.asarray(groups)
    fold_of_group: dict[int, int] = {}
    for label in np.unique(labels):
        own = list(dict.fromkeys(members[labels == label].tolist()))
        if len(own) < 2:
            return None
        fresh = [group for group in own if group not in fold_of_group]
        random.shuffle(fresh)
        offset = int(random.integers(count))
        fold_of_group.update({group: (offset + number) % count for number, group in enumerate(fresh)})
    return np.array([fold_of_group[group] for group in members.tolist()])


def _cross_validate(problem: _Problem, l2_grid: Sequence[float], folds: NDArray[np.int64]) -> Tensor:
    """(S, C, N) logits, each column by heads that never saw that picture."""
    logits = torch.zeros(len(l2_grid), *problem.targets.shape)
    for fold in np.unique(folds):
        held = torch.from_numpy(folds == fold)
        seen, unseen = (
            _Problem(taken(problem.coordinates, rows), problem.targets[:, rows], problem.intercept)
            for rows in (~held, held)
        )
        solution = None
        for number, l2 in enumerate(l2_grid):
            solution = _solve(seen, l2, iterations=_FOLD_ITERATIONS, fall=_FOLD_FALL, start=solution)
            logits[number, :, held] = unseen.logits(solution)
    return logits


def _solve(
    problem: _Problem,
    l2: float,
    *,
    iterations: int,
    fall: float,
    start: Tensor | None = None,
    tell: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Minimise mean cross-entropy + l2 / 2 |W|^2 by L-BFGS; the bias is free. (C, R + 1)."""
    from scipy.optimize import minimize  # torch.optim would import its compiler: 2 s

    shape = len(problem.targets), problem.coordinates.shape[1] + 1

    def loss_and_slope(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, slope = problem.loss_and_slope(torch.from_numpy(flat).float().view(shape), l2)
        return loss, slope.double().view(-1).numpy()

    def on_epoch(flat: NDArray[np.float64]) -> None:
        if tell is not None:
            tell(torch.from_numpy(flat.copy()).float().view(shape))

    first = torch.zeros(shape) if start is None else start
    found = minimize(
        loss_and_slope,
        first.double().view(-1).numpy(),
        jac=True,
        method="L-BFGS-B",
        callback=on_epoch,
        options={"maxiter": iterations, "maxcor": 10, "gtol": 1e-5, "ftol": fall},
    )
    return torch.from_numpy(found.x).float().view(shape)
