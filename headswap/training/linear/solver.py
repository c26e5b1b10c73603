"""Solve a head on ready features: regularised multinomial logistic regression.

Flow:  (N, D) features + labels --fit_head--> SolvedHead (weight, bias, out-of-fold logits)

The features are standardised and, when images are fewer than features and not many, turned
into the span of the images by the eigenvectors of their Gram matrix: an exact change of basis,
after which the problem is (N, <= N) however wide the network is. The penalty is chosen by
cross-validation; near duplicates stay in one fold. Strong penalties are solved first and
each solution starts the next. The scale is folded back, so the head is one linear layer.

Images are never looked at but in blocks (`blocks`), whose sums make every loss and slope, so no
table of images times classes is in memory (docs/decisions/0040-blocks.md). Where they are many and there is
a CUDA device, it works on the blocks (docs/decisions/0065-solving-on-the-device.md).

Where an image may have several labels, its labels are a row of 0 and 1: each is a question of its own with a
sigmoid, all are solved together and under one penalty, and each image counts the same. A label that is not
known of an image is NaN: the question is solved on the other images, and weighs as if they were all.

Every class counts the same, however few its images are: with 1 image to 100 a class
would otherwise hardly ever be named (docs/log.md).

The out-of-fold logits of the chosen penalty are kept: they calibrate, and they tell
images whose label may be wrong.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.errors import TeachingFailed, TooFewImages
from headswap.features.devices import full_precision, is_out_of_memory, release_memory
from headswap.threads import one_blas_thread, torch_threads
from headswap.training.config import TrainConfig
from headswap.training.linear.blocks import RowBlocks, by_fold, moments, standardised
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.lock_step import in_lock_step
from headswap.training.linear.logistic import held_out_logits, held_out_losses, loss_and_slope

logger = logging.getLogger(__name__)
Floats = NDArray[np.float32]
_LossAndSlope = tuple[float, NDArray[np.float64]]
Watch = Callable[[Tensor, Tensor], None]  # weight (C, D), bias (C,) after each iteration of the last solve
_FINAL_ITERATIONS, _FOLD_ITERATIONS = 100, 40
_FINAL_FALL, _FOLD_FALL = 1e-9, 1e-6  # of the loss, relative, below which a solve is over; folds only compare
_SMALL = 2e7  # N * R * C below which one thread is faster than waking others
_LARGE = 1e9  # N * R * C from which a device works on the blocks: tenths of a second of a processor a pass
_AT_ONCE = 4096  # images
MOST_IN_SPAN = 2_000  # images: a change of basis asks for a table of images times images
_SEARCH_BYTES, _SEARCHES_BYTES = 200, 2**30  # of each number that L-BFGS looks for; of all folds in step
PLAIN_L2 = 0.1  # when there are too few images to choose by cross-validation


@dataclass(frozen=True, eq=False)
class SolvedHead:
    """One linear layer and what was learned on the way."""

    weight: Tensor  # (C, D) float32
    bias: Tensor  # (C,) float32
    l2: float  # the penalty chosen
    fold_logits: Tensor | None  # (N, C) float32, each row by a head that never saw it; None: too few images
    fold_losses: tuple[float, ...]  # mean cross-entropy of each penalty, in the order of the settings
    guesses: int = 0  # unlabeled images that it was also solved with
    by_ridge: bool = False  # whose penalties have another unit


@dataclass(frozen=True)
class _Rule:
    """What is minimised, and until when."""

    l2: float
    iterations: int
    fall: float  # of the loss, relative, below which it is over


@dataclass(frozen=True, eq=False)
class Span:
    """Standardised features in blocks, in a basis no wider than the images are many where these are few."""

    images: RowBlocks  # (N, R), by fold
    basis: Tensor | None  # (D, R); None: the basis is the features themselves
    mean: Tensor  # (D,)
    scale: Tensor  # (D,)
    centred: bool

    def unfold(self, solution: Tensor) -> tuple[Tensor, Tensor]:
        """(C, R + 1) in this basis to weight (C, D) and bias (C,) on raw features."""
        weight = solution[:, :-1] if self.basis is None else solution[:, :-1] @ self.basis.T
        weight = weight / self.scale  # (C, D)
        return weight, solution[:, -1] - weight @ self.mean


def fit_head(
    images: LabeledFeatures,
    *,
    config: TrainConfig | None = None,
    seed: int = 0,
    intercept: bool = True,
    watch: Watch | None = None,
) -> SolvedHead:
    """Solve one head.

    Args:
        images: N images with what the head reads of them.
        config: penalties and folds.
        seed: drives the folds.
        intercept: whether the layer has a bias; without one the features are not centred either.
        watch: called with weight and bias after each iteration of the last solve.

    Raises:
        TooFewImages: a class has no image.
        TeachingFailed: a feature is not a finite number.
    """
    config = config or TrainConfig()
    check_features(images)
    with few_threads(images.features.shape, images.num_classes):
        folds = folds_of(images.labels.numpy(), images.groups, config.folds, seed)
        span = span_of(images, folds, centre=intercept)
        device = _device_for(span.images.rows.shape, images.num_classes)
        found = None
        if device != "cpu":
            found = _fit_on(device, span, config, folded=folds is not None, watch=watch)
            release_memory(device)
        return found or _fit(span, config, folded=folds is not None, watch=watch)


def _fit_on(
    device: str, span: Span, config: TrainConfig, *, folded: bool, watch: Watch | None
) -> SolvedHead | None:
    """By a device; None: it has no room for that."""
    release_memory(device)  # what a backbone has left there
    there = replace(span, images=replace(span.images, device=device))
    try:
        with full_precision(device):
            return _fit(there, config, folded=folded, watch=watch)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("The device is full, so the head is solved on the processor: %s", str(error))
        return None


def _device_for(shape: torch.Size, num_classes: int) -> str:
    """Where (N, R) rows are worked on: by their size and the machine alone, so that runs can be repeated."""
    return "cuda" if shape.numel() * num_classes >= _LARGE and torch.cuda.is_available() else "cpu"


def _fit(span: Span, config: TrainConfig, *, folded: bool, watch: Watch | None) -> SolvedHead:
    images, centred = span.images, span.centred
    asked = set(config.l2_grid) if config.l2 is None else {*config.l2_grid, config.l2}
    l2_grid = sorted(asked, reverse=True)
    plain = config.l2 or PLAIN_L2
    l2 = min(l2_grid, key=lambda value: abs(np.log10(value / plain)))
    fold_logits, losses = None, {}
    if folded:
        solutions = _cross_validate(images, l2_grid, centred)
        per_l2 = held_out_losses(images, solutions)  # (S,)
        best = int(per_l2.argmin()) if config.l2 is None else l2_grid.index(config.l2)
        l2 = l2_grid[best]
        fold_logits = held_out_logits(images, {fold: found[best] for fold, found in solutions.items()})
        losses = dict(zip(l2_grid, per_l2.tolist(), strict=True))
        del solutions
    tell = None if watch is None else lambda solution: watch(*span.unfold(solution))

    def ask(solution: Floats) -> _LossAndSlope:
        return _answers(images, {0: solution}, {0: None}, centred)[0]

    rule = _Rule(l2, _FINAL_ITERATIONS, _FINAL_FALL)
    solution = _minimum(ask, _zeros(images), rule, tell=tell)
    weight, bias = span.unfold(torch.from_numpy(solution))
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


def check_features(images: LabeledFeatures) -> None:
    """Refuse what no head can be solved on: a class without an image, numbers that are none."""
    labels, num_classes = images.labels, images.num_classes
    several = labels.ndim == 2
    counts = (labels > 0).sum(dim=0) if several else torch.bincount(labels, minlength=num_classes)
    if num_classes < 2 or int(counts.min()) == 0:
        raise TooFewImages(
            "A head needs at least two classes with one practice picture each.",
            remedy="Add pictures, or drop the empty class.",
        )
    if not all(bool(torch.isfinite(some).all()) for some in images.features.split(_AT_ONCE)):
        raise TeachingFailed(
            "The body gives features that are not numbers (NaN or infinite).",
            remedy="The weights are damaged or too large for this precision; choose another network.",
        )


def balanced(labels: Tensor, num_classes: int) -> Tensor:
    """(N,) what each image counts: every class has the same sum, and an image weighs 1 on average.

    Images with several labels count the same: what a sigmoid says is then how often the label is there. Where
    some labels are not known, (N, C): 0 for these, and for each label 1 on average.
    """
    if labels.ndim == 2:
        known = ~labels.isnan()
        if bool(known.all()):
            return torch.ones(len(labels))
        return known * (len(labels) / known.sum(dim=0))
    counts = torch.bincount(labels, minlength=num_classes)
    return (len(labels) / (num_classes * counts))[labels]


def span_of(known: LabeledFeatures, folds: NDArray[np.int64] | None, *, centre: bool) -> Span:
    """Standardise features and lay them into blocks, in a basis no wider than N where N is small."""
    features, labels, num_classes = known.features, known.labels, known.num_classes
    mean, variance = moments(features)
    mean = mean.float() if centre else torch.zeros(features.shape[1])
    scale = (variance.float() + 1e-8).sqrt()
    scale = torch.maximum(scale, scale.mean() * 1e-3)  # a feature that never moves must not be blown up
    order, in_folds = by_fold(folds, len(features))
    rows, basis = standardised(features, order, mean, scale), None
    if len(features) < min(features.shape[1], MOST_IN_SPAN):
        rows, basis = _narrowed(rows)
    weights, said = balanced(labels, num_classes)[order], labels[order].nan_to_num(0.0)
    images = RowBlocks(rows, said, weights, in_folds, order, num_classes=num_classes)
    return Span(images, basis, mean, scale, centre)


def _narrowed(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(N, R) coordinates in the span of (N, D) rows, and (D, R) its basis."""
    values, vectors = torch.linalg.eigh((rows @ rows.T).double())  # Gram matrix, ascending
    keep = values > values[-1].clamp_min(1e-12) * 1e-7
    vectors, roots = vectors[:, keep].float(), values[keep].sqrt().float()  # (N, R), (R,)
    return vectors * roots, (rows.T @ vectors) / roots


def folds_of(
    labels: NDArray[np.generic], groups: Sequence[int] | None, count: int, seed: int
) -> NDArray[np.int64] | None:
    """A fold for each image, stratified, groups whole; None when a class has fewer than two groups.

    Of (N, C) labels the rarest are dealt first, images with none of them last (Sechidis et al. 2011). A class
    or label of two groups or more has them in two folds or more, as far as the groups it has in common with
    others allow: in one fold, it would be missing from all that the heads of this fold are solved on.
    """
    random = np.random.default_rng(seed)
    members = np.arange(len(labels)) if groups is None else np.asarray(groups)
    fold_of_group: dict[int, int] = {}
    strata: list[list[int]] = []
    for has in _strata(labels):
        own = list(dict.fromkeys(members[has].tolist()))
        if len(own) < 2 and labels.ndim == 1:
            return None
        strata.append(own)
        fresh = [group for group in own if group not in fold_of_group]
        random.shuffle(fresh)
        offset = int(random.integers(count))
        fold_of_group.update({group: (offset + number) % count for number, group in enumerate(fresh)})
    _spread_out(fold_of_group, strata, count)
    folds = np.array([fold_of_group[group] for group in members.tolist()])
    return folds if len(np.unique(folds)) > 1 else None


def _spread_out(fold_of_group: dict[int, int], strata: Sequence[Sequence[int]], count: int) -> None:
    """Move single groups to other folds where all groups of a stratum are in one, as long as that helps."""

    def crowded() -> list[Sequence[int]]:
        return [own for own in strata if len(own) > 1 and len({fold_of_group[group] for group in own}) == 1]

    while before := crowded():
        moves = [(group, fold) for own in before for group in own for fold in range(count)]
        for group, fold in moves:
            old, fold_of_group[group] = fold_of_group[group], fold
            if len(crowded()) < len(before):
                break
            fold_of_group[group] = old
        else:
            return


def _strata(labels: NDArray[np.generic]) -> Iterator[NDArray[np.bool_]]:
    """(N,) the images of each class, or with each label and with none."""
    if labels.ndim == 1:
        numbers = labels.astype(np.int64)
        yield from (numbers == number for number in np.unique(numbers))
        return
    has: NDArray[np.bool_] = labels.astype(np.float64) > 0  # NaN is not known
    columns = has.T[np.argsort(has.sum(axis=0), kind="stable")]
    yield from columns
    if not has.any(axis=1).all():
        yield np.asarray(has.sum(axis=1) == 0)


def _cross_validate(images: RowBlocks, l2_grid: Sequence[float], centred: bool) -> dict[int, Tensor]:
    """(S, C, R + 1) solutions for each fold, by the images of the others; the folds go in step."""
    folds, shape = list(images.counts), _zeros(images).shape
    at_once = max(1, _SEARCHES_BYTES // (_SEARCH_BYTES * math.prod(shape)))
    found: dict[int, Tensor] = {}

    def search(ask: Callable[[Floats], _LossAndSlope]) -> Tensor:
        solutions, solution = torch.empty(len(l2_grid), *shape), _zeros(images)
        for number, l2 in enumerate(l2_grid):
            solution = _minimum(ask, solution, _Rule(l2, _FOLD_ITERATIONS, _FOLD_FALL))
            solutions[number] = torch.from_numpy(solution)
        return solutions

    for start in range(0, len(folds), at_once):
        some = folds[start : start + at_once]

        def answer(asked: dict[int, Floats], some: Sequence[int] = some) -> dict[int, _LossAndSlope]:
            return _answers(images, asked, dict(enumerate(some)), centred)

        found.update(zip(some, in_lock_step([search] * len(some), answer), strict=True))
    return found


def _answers(
    images: RowBlocks, asked: Mapping[int, Floats], left_out: Mapping[int, int | None], centred: bool
) -> dict[int, _LossAndSlope]:
    """Mean loss and slope of (C, R + 1) solutions, each over the images of all folds but the one left out."""
    solutions = torch.stack([torch.from_numpy(solution) for solution in asked.values()])
    folds = [left_out[number] for number in asked]
    losses, slopes = loss_and_slope(images, solutions, folds)
    if not centred:
        slopes[..., -1] = 0.0
    counts = [len(images.labels) - (0 if fold is None else images.counts[fold]) for fold in folds]
    return {
        number: (float(loss) / count, slope.div_(count).numpy())
        for number, loss, slope, count in zip(asked, losses, slopes, counts, strict=True)
    }


def _zeros(images: RowBlocks) -> Floats:
    return np.zeros((images.num_classes, images.rows.shape[1] + 1), np.float32)


def _minimum(
    ask: Callable[[Floats], _LossAndSlope],
    start: Floats,
    rule: _Rule,
    *,
    tell: Callable[[Tensor], None] | None = None,
) -> Floats:
    """Minimise mean cross-entropy + l2 / 2 |W|^2 by L-BFGS; the bias is free. (C, R + 1) float32."""
    from scipy.optimize import minimize  # torch.optim would import its compiler: 2 s

    def penalised(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        solution = flat.astype(np.float32).reshape(start.shape)
        loss, slope = ask(solution)
        weight = solution[:, :-1].astype(np.float64)
        slope[:, :-1] += rule.l2 * weight
        return loss + rule.l2 / 2 * float(np.vdot(weight, weight)), slope.ravel()

    def on_epoch(flat: NDArray[np.float64]) -> None:
        if tell is not None:
            tell(torch.from_numpy(flat.astype(np.float32)).view(start.shape))

    found = minimize(
        penalised,
        start.ravel().astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        callback=on_epoch,
        options={"maxiter": rule.iterations, "maxcor": 10, "gtol": 1e-5, "ftol": rule.fall},
    )
    return np.asarray(found.x.astype(np.float32).reshape(start.shape))
