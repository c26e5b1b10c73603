"""How sure a mean average precision is, and the difference of two on the same images.

Flow:  (N, C) scores + (N, C) labels --rank_labels--> LabelRanking
       two of them --paired_gap--> the difference with its interval

Average precision is no mean over images, so what one image contributes is found by leaving it out: the
jackknife. No image is drawn by chance, and the figures are the same bits everywhere. numpy only.

Source:
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headswap.evaluation.metrics import Floats, wilson_interval
from headswap.evaluation.multi_label import Bools, Table

_Z = 1.959964  # 95 %


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelRanking:
    """How well images with a label are ranked before the others, on average over the labels."""

    value: float  # mean average precision, in (0, 1]; 0 where no image has a label
    parts: Floats  # (N,) pseudo-values: what each image contributes; their mean is near the value

    @property
    def interval(self) -> tuple[float, float]:
        """Where the mean average precision of more images would lie, 95 of 100 times."""
        if not 0.0 < self.value < 1.0:
            return wilson_interval(round(self.value * len(self.parts)), len(self.parts))
        centre = math.log(self.value / (1.0 - self.value))
        half = min(600.0, _Z * _error(self.parts) / (self.value * (1.0 - self.value)))
        return 1.0 / (1.0 + math.exp(half - centre)), 1.0 / (1.0 + math.exp(-half - centre))


def rank_labels(scores: Floats, labels: Table) -> LabelRanking:
    """The mean over the labels that some image has.

    Args:
        scores: (N, C) higher is surer; N at least 1.
        labels: (N, C) of 0 and 1, or bool.
    """
    each = [
        _ranking(row, has)
        for row, has in zip(np.asarray(scores, np.float64).T, labels.astype(np.bool_).T, strict=True)
        if has.any()
    ]
    if not each:
        return LabelRanking(value=0.0, parts=np.zeros(len(scores)))
    values, parts = zip(*each, strict=True)
    return LabelRanking(value=float(np.mean(values)), parts=np.mean(parts, axis=0))


def paired_gap(
    first: LabelRanking, second: LabelRanking, *, z: float = _Z
) -> tuple[float, tuple[float, float]]:
    """How much better the first is on the same images, and where that difference lies.

    Args:
        first, second: of the same images.
        z: standard normal quantile; 1 gives the estimate with its standard error on either side.
    """
    gap, half = first.value - second.value, z * _error(first.parts - second.parts)
    return gap, (gap - half, gap + half)


def _error(parts: Floats) -> float:
    """Standard error of the mean of pseudo-values; never 0, so that few images do not seem certain."""
    count = len(parts)
    spread = float(parts.std(ddof=1)) / math.sqrt(count) if count > 1 else 1.0
    return math.hypot(spread, 1.0 / (count + 2))


def _ranking(scores: Floats, has: Bools) -> tuple[float, Floats]:
    """Average precision of one label, as `multi_label.average_precision`, and (N,) pseudo-values of it.

    An image counts in the precision at every image that is ranked with it or below it. Without it, only these
    precisions change, so sums over the ranks below give them all at once.
    """
    mine, every, count = np.sort(scores[has]), np.sort(scores), len(scores)
    right = len(mine) - np.searchsorted(mine, mine, side="left")  # (P,) with the label, ranked as high
    said = count - np.searchsorted(every, mine, side="left")  # (P,) of all
    value = float((right / said).mean())
    fewer = np.maximum(said - 1, 1)
    whole, without_other, without_one = (
        np.concatenate([[0.0], np.cumsum(terms)])
        for terms in (right / said, right / fewer, (right - 1) / fewer)
    )
    below = np.searchsorted(mine, scores, side="right")  # (N,) with the label, ranked with it or below
    rest = whole[-1] - whole[below]  # of those above, which stay
    left_out = (without_other[below] + rest) / len(mine)
    if len(mine) > 1:
        own = np.searchsorted(mine, scores[has], side="left")
        left_out[has] = (without_one[below] + rest)[has] - ((right - 1) / fewer)[own]
        left_out[has] /= len(mine) - 1
    else:
        left_out[has] = value  # without it there is no figure
    return value, count * value - (count - 1) * left_out
