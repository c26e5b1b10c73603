"""Figures of several labels per image: each label is a question of its own, with a threshold of its own.

Flow:  (N, C) logits out of fold + (N, C) labels --choose_thresholds--> (C,) thresholds
       the same --fit_label_temperature, label_probabilities--> (N, C) probabilities
       probabilities + what was said + labels --label_scores--> LabelScore of each

numpy only. Labels are 0 and 1, or bool; a label that is not known of an image is NaN, and counts for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headswap.evaluation.metrics import Floats, Logits, wilson_interval
from headswap.evaluation.report import LabelScore

Table = NDArray[np.generic]  # (N, C) of 0 and 1
Bools = NDArray[np.bool_]
_FEWEST = 3  # images with a label, and without it, from which its threshold is chosen; below, it is one half
_Z = 1.959964  # 95 %


def known_of(labels: Table) -> Bools:
    """(N, C) whether it is known that an image has a label or has it not."""
    return ~np.isnan(labels.astype(np.float64))


def has_of(labels: Table) -> Bools:
    """(N, C) whether it is known that an image has a label."""
    return np.asarray(labels.astype(np.float64) > 0)


def all_right(said: Bools, labels: Table) -> Bools:
    """(N,) whether every known label of an image is told rightly, by (N, C) labels said and labels there."""
    return np.asarray(((said == has_of(labels)) | ~known_of(labels)).all(axis=1))


def choose_thresholds(logits: Logits | None, labels: Table) -> Floats:
    """(C,) logits from which each label is said: where F1 is largest on images that no head had seen.

    Between two images, and of equal ones the nearest to 0, which is a probability of one half.

    Args:
        logits: (N, C) out of fold; None: there were too few images, and every threshold is 0.
        labels: (N, C).
    """
    if logits is None:
        return np.zeros(labels.shape[1])
    columns = zip(np.asarray(logits, np.float64).T, has_of(labels).T, known_of(labels).T, strict=True)
    return np.array([_threshold(row[known], has[known]) for row, has, known in columns])


def _threshold(logits: Floats, has: Bools) -> float:
    if min(has.sum(), (~has).sum()) < _FEWEST:
        return 0.0
    values = np.unique(logits)
    between = np.concatenate([[values[0] - 1.0], (values[:-1] + values[1:]) / 2, [values[-1] + 1.0]])
    cuts = np.append(between, 0.0)
    order = np.sort(logits[has])
    right = len(order) - np.searchsorted(order, cuts, side="left")
    said = len(logits) - np.searchsorted(np.sort(logits), cuts, side="left")
    f1 = 2 * right / (said + len(order))
    best = cuts[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best).argmin()])


def fit_label_temperature(logits: Logits, labels: Table) -> float:
    """The number to divide logits by so that the confidence of sigmoids fits, over all labels together.

    Args:
        logits: (N, C) of images that the head was not fitted on.
        labels: (N, C).

    Returns:
        In [0.05, 20].

    Source:
        Guo et al. (2017), arXiv:1706.04599, section 4.2; targets of Platt (1999), section 2.2.
    """
    from scipy.optimize import minimize_scalar

    known, count = known_of(labels), len(logits)
    exact, has = np.asarray(logits, np.float64)[known], labels.astype(np.float64)[known]
    targets = (has * count + 1.0) / (count + 2.0)

    def loss(log_temperature: float) -> float:
        scaled = exact / math.exp(log_temperature)
        return float((np.logaddexp(0.0, scaled) - targets * scaled).mean())

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))


def label_probabilities(logits: Logits, temperature: float, share: float, *, offset: float = 0.0) -> Floats:
    """(N, C) logits to probabilities, each of its own question: a row sums to anything.

    Args:
        logits: (N, C).
        temperature: from `fit_label_temperature`.
        share: from `even_share` of two answers; 0 spreads nothing.
        offset: taken off the logits first: by so much a network's head was lifted over a ReLU.
    """
    exact = np.clip((np.asarray(logits, np.float64) - offset) / temperature, -700.0, 700.0)
    return np.asarray((1.0 - share) / (1.0 + np.exp(-exact)) + share / 2.0)


def average_precision(scores: Floats, has: Bools) -> float | None:
    """Precision at the rank of each image that has a label, on average; of equal scores the lowest rank.

    Args:
        scores: (N,) higher is surer.
        has: (N,).

    Returns:
        In (0, 1]; None where no image has it.

    Source:
        scikit-learn's average_precision_score, against which it is tested.
    """
    if not has.any():
        return None
    mine, every = np.sort(scores[has]), np.sort(scores)
    right = len(mine) - np.searchsorted(mine, mine, side="left")
    said = len(every) - np.searchsorted(every, mine, side="left")
    return float((right / said).mean())


def average_precision_interval(value: float, images: int) -> tuple[float, float]:
    """Where the average precision of more images would lie, 95 of 100 times.

    Args:
        value: in [0, 1], over so many:
        images: that have the label; at least 1.

    Source:
        The logit interval of Boyd, Eng and Page (2013), Area under the precision-recall curve, ECML PKDD;
        at 0 and 1, where it has no width, Wilson's.
    """
    if not 0.0 < value < 1.0:
        return wilson_interval(round(value * images), images)
    centre, half = math.log(value / (1 - value)), _Z / math.sqrt(images * value * (1 - value))
    return 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))


def label_scores(
    names: Sequence[str], thresholds: Floats, probabilities: Floats, said: Bools, labels: Table
) -> tuple[LabelScore, ...]:
    """How each label fared on N images that it was not fitted on.

    Args:
        names: C.
        thresholds: (C,) probabilities.
        probabilities: (N, C).
        said: (N, C) which labels were said.
        labels: (N, C) which there are.
    """
    scores = []
    for number, name in enumerate(names):
        known = known_of(labels[:, number])
        has, told = has_of(labels[known, number]), said[known, number]
        images, count, right = int(has.sum()), int(told.sum()), int((has & told).sum())
        precise = average_precision(probabilities[known, number], has)
        scores.append(
            LabelScore(
                name=name,
                threshold=float(thresholds[number]),
                images=images,
                said=count,
                right=right,
                precision=right / count if count else None,
                precision_interval=wilson_interval(right, count) if count else None,
                recall=right / images if images else None,
                recall_interval=wilson_interval(right, images) if images else None,
                average_precision=precise,
                average_precision_interval=None
                if precise is None
                else average_precision_interval(precise, images),
                share=images / len(has) if len(has) else 0.0,
            )
        )
    return tuple(scores)
