"""Solve a head on images that have a label, and on its own guesses for others that have none.

Flow:  LabeledFeatures with unlabeled --fit_self_trained--> SolvedHead

Features are standardised by all images, a head is solved on those that have a label, and solved once more
with what it guessed for the others, where labels that spread from neighbour to neighbour say the same. A
guess weighs a tenth of a label. The first step matters as much as the second: of a few labelled images, mean
and scale of thousands of features are hardly known, and with guesses for images that were standardised by
others the head becomes worse (docs/decisions/0062-unlabeled-images.md).

Folds are folds of labels. The heads of a fold learn from none of its images, neither as labelled nor as
unlabeled ones, and guess for themselves, so what is out of fold is as honest as without guesses.

Source:
    Guesses: Lee (2013), "Pseudo-Label: the simple and efficient semi-supervised learning method for deep
    neural networks". Spreading: Zhou et al. (2004), "Learning with local and global consistency", on the
    graph of Iscen et al. (2019), arXiv:1904.04717, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from headswap.evaluation.metrics import fit_temperature
from headswap.features.memmap import taken
from headswap.training.config import TrainConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import (
    MOST_IMAGES,
    Solution,
    Sums,
    answers,
    calibrated,
    fit_ridge,
    l2_grid_of,
    on_raw_features,
    solutions,
)
from headswap.training.linear.solver import (
    PLAIN_L2,
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

GUESS = 0.1  # what a guess weighs; from .05 to .4 it makes little difference
_NEIGHBOURS, _ON = 10, 0.9  # of each image, and how much of a label passes on to them


def unlabeled_to_use(images: LabeledFeatures, *, intercept: bool = True, seed: int = 0) -> Tensor | None:
    """Which of the unlabeled images a head is solved with.

    Returns:
        (U,) rows, ascending: so many that all images together are fewer than features, and at most
        `MOST_IMAGES`. None: it is solved without them.
    """
    if images.unlabeled is None or images.labels.ndim == 2 or not intercept:
        return None
    there = len(images.unlabeled)
    used = how_many(there, *images.features.shape)
    if not used:
        return None
    if used == there:
        return torch.arange(there)
    return torch.from_numpy(np.sort(np.random.default_rng(seed).choice(there, used, replace=False)))


def how_many(unlabeled: int, named: int, width: int) -> int:
    """How many of the unlabeled images are used next to the labelled ones, by so many features."""
    return max(0, min(unlabeled, min(width - 1, MOST_IMAGES) - named))


def fit_self_trained(
    images: LabeledFeatures,
    *,
    config: TrainConfig | None = None,
    seed: int = 0,
    watch: Watch | None = None,
) -> SolvedHead:
    """Solve one head.

    Args:
        images: with unlabeled ones; where `unlabeled_to_use` finds none of use, it is solved by `fit_ridge`.
        config: the penalty, if it is not to be chosen, and folds.
        seed: drives the folds, and which unlabeled images are used where they are too many.
        watch: called with weight and bias of the last solution.

    Raises:
        TooFewImages: a class has no image.
        TeachingFailed: a feature is not a finite number.
    """
    config, rows = config or TrainConfig(), unlabeled_to_use(images, seed=seed)
    if rows is None or images.unlabeled is None:
        return fit_ridge(images, config=config, seed=seed, watch=watch)
    check_features(images)
    named = replace(images, unlabeled=None)
    every = _with(named, taken(images.unlabeled, rows))
    check_features(every)
    folds = folds_of(images.labels.numpy(), images.groups, config.folds, seed)
    l2_grid = l2_grid_of(config)
    with few_threads(every.features.shape, images.num_classes):
        task = _Task.of(span_of(every, None, centre=True), images.labels)
        if folds is not None:
            head = _judged(task, torch.from_numpy(folds), l2_grid)
        else:
            head = _unjudged(
                task,
                config.l2 or PLAIN_L2,
                fit_head(named, config=replace(config, l2=config.l2 or PLAIN_L2)),
                every,
            )
    if watch is not None:
        watch(head.weight, head.bias)
    return head


def _with(named: LabeledFeatures, unlabeled: Tensor) -> LabeledFeatures:
    """Labelled images, then the others, as if of the first class."""
    return replace(
        named,
        features=torch.cat([named.features, unlabeled]),
        labels=torch.cat([named.labels, torch.zeros(len(unlabeled), dtype=torch.int64)]),
        groups=None,
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """Labelled and other images in one basis."""

    span: Span
    named: Tensor  # (N, R) float64
    others: Tensor  # (U, R) float64
    labels: Tensor  # (N,)
    of_class: Tensor  # (C,) what a labelled image of each class weighs

    @classmethod
    def of(cls, span: Span, labels: Tensor) -> _Task:
        rows, classes = span.images.rows.double(), span.images.num_classes
        weights = balanced(labels, classes).double()
        of_class = torch.zeros(classes, dtype=torch.double).index_put((labels,), weights)
        return cls(span, rows[: len(labels)], rows[len(labels) :], labels, of_class)

    @cached_property
    def near(self) -> Tensor:
        """(N + U, N + U) how like each other neighbours are, 0 of all others."""
        rows = torch.cat([self.named, self.others])
        rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
        alike = (rows @ rows.T).fill_diagonal_(-1.0)
        best, which = alike.topk(min(_NEIGHBOURS, len(rows) - 1), dim=1)
        found = torch.zeros_like(alike).scatter_(1, which, best.clamp_min(0.0) ** 3)
        return torch.maximum(found, found.T)

    def spread(self, some: Tensor) -> Tensor:
        """(U,) what the labels of images, by a mask (N,), say of the others; -1: they do not get there."""
        seen = torch.cat([some, torch.ones(len(self.others), dtype=torch.bool)])
        near, labels = self.near[seen][:, seen], self.labels[some]
        root = near.sum(dim=1).clamp_min(1e-12).sqrt()
        begin = torch.zeros(len(near), len(self.of_class), dtype=torch.double)
        begin[torch.arange(len(labels)), labels] = self.of_class[labels]
        steps = torch.eye(len(near), dtype=torch.double) - _ON * near / root[:, None] / root
        said = torch.linalg.solve(steps, begin)[len(labels) :]
        return torch.where(said.amax(dim=1) > 0, said.argmax(dim=1), -1)

    def sums(self, some: Tensor) -> Sums:
        """Of labelled images, by a mask (N,)."""
        labels = self.labels[some]
        return Sums.of(self.named[some], labels, self.of_class[labels], len(self.of_class))

    def solved(self, some: Tensor, l2: float) -> tuple[Solution, int]:
        """By labelled images, by a mask (N,), and by guesses; and how many of these there are."""
        seen = self.sums(some)
        guesses = answers(self.others, next(solutions([seen], (l2,)))).argmax(dim=1)
        kept = guesses == self.spread(some)
        labels = guesses[kept]
        guessed = Sums.of(self.others[kept], labels, GUESS * self.of_class[labels], len(self.of_class))
        return next(solutions([seen, guessed], (l2,))), len(labels)


def _judged(task: _Task, folds: Tensor, l2_grid: Sequence[float]) -> SolvedHead:
    """Under the penalty that is best without guesses, as sure as answers out of fold say."""
    held = {fold: folds == fold for fold in folds.unique().tolist()}
    sums = {fold: task.sums(own) for fold, own in held.items()}
    seen = {fold: reduce(add, [one for other, one in sums.items() if other != fold]) for fold in sums}
    found = {fold: list(solutions([one], l2_grid)) for fold, one in seen.items()}

    def out_of_fold(chosen: dict[int, Solution]) -> Tensor:
        logits = torch.zeros(len(folds), len(task.of_class), dtype=torch.double)
        for fold, own in held.items():
            logits[own] = answers(task.named[own], chosen[fold])
        return logits

    plain = [
        out_of_fold({fold: each[number] for fold, each in found.items()}) for number in range(len(l2_grid))
    ]
    losses = tuple(calibrated(logits, task.labels)[1] for logits in plain)
    best = int(np.argmin(losses))
    l2 = l2_grid[best]
    logits = out_of_fold({fold: task.solved(~own, l2)[0] for fold, own in held.items()})
    temperature, _ = calibrated(logits, task.labels)
    solution, guesses = task.solved(torch.ones_like(folds, dtype=torch.bool), l2)
    weight, bias = on_raw_features(task.span, solution, temperature)
    return SolvedHead(weight, bias, l2, (logits / temperature).float(), losses, guesses, by_ridge=True)


def _unjudged(task: _Task, l2: float, plain: SolvedHead, every: LabeledFeatures) -> SolvedHead:
    """Where labels are too few for folds: as sure as it agrees with a head that knows no guesses."""
    solution, used = task.solved(torch.ones_like(task.labels, dtype=torch.bool), l2)
    others = every.features[len(task.labels) :]
    guesses = (others @ plain.weight.T + plain.bias).argmax(dim=1)
    temperature = fit_temperature(answers(task.others, solution).numpy(), guesses.numpy())
    weight, bias = on_raw_features(task.span, solution, temperature)
    return SolvedHead(weight, bias, l2, None, (), used, by_ridge=True)
