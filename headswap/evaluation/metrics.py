"""Figures that say how good a classifier is, and how sure that figure is. numpy only.

(N, C) probabilities or logits and (N,) labels in; plain numbers out.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headswap.errors import TooFewImages

Floats = NDArray[np.float64]
Logits = NDArray[np.floating]  # float32 or float64; reckoned with in float64
Labels = NDArray[np.int64]

_Z = 1.959964  # standard normal quantile for 95 of 100
_CELLS = 2**21  # numbers of a table that are looked at together: bounds the memory whatever its length


class Rows(Protocol):
    """An (N, C) table that is made or read some rows at a time; any array is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Floats: ...


def row_slices(count: int, width: int) -> list[slice]:
    """Parts of an (N, C) table, in order, which together are all of it."""
    size = max(1, _CELLS // width)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def softmax(logits: Logits) -> Floats:
    """(N, C) logits to probabilities; rows sum to 1."""
    exact = np.asarray(logits, np.float64)
    shifted = np.exp(exact - exact.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Where the true share lies, 95 of 100 times.

    Args:
        right: successes, 0 to total.
        total: trials; at least 1.

    Returns:
        (low, high), fractions in [0, 1].

    Raises:
        TooFewImages: total is 0.

    Source:
        Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    if total == 0:
        raise TooFewImages(
            "There are no test pictures.", remedy="Add pictures, or lock a larger share away for the test."
        )
    share = right / total
    square = _Z * _Z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    low = 0.0 if right == 0 else max(0.0, centre - half)
    high = 1.0 if right == total else min(1.0, centre + half)
    return low, high


def exact_mcnemar(gained: int, lost: int) -> float:
    """How often chance alone gives a difference as large between two classifiers on the same images.

    Args:
        gained: images that only the second has right.
        lost: images that only the first has right.

    Returns:
        Two-sided p-value in [0, 1]; 1 where nothing differs.

    Source:
        McNemar (1947), Psychometrika 12, 153-157, with the exact binomial distribution.
    """
    flips = gained + lost
    tail = sum(math.comb(flips, count) for count in range(min(gained, lost) + 1))
    return min(1.0, tail / (1 << flips) * 2)


def paired_interval(gained: int, lost: int, total: int, *, z: float = _Z) -> tuple[float, float]:
    """Where the difference of two shares of right answers on the same images lies, 95 of 100 times.

    Args:
        gained: images that only the first has right.
        lost: images that only the second has right.
        total: images that both answered; at least 1.
        z: standard normal quantile; 1 gives the estimate with its standard error on either side.

    Returns:
        (low, high), fractions in [-1, 1]; above 0 the first is right more often.

    Source:
        Agresti and Min (2005), Statistics in Medicine 24, 729-740: half an image is added to each of the four
        cells, so that few images do not look certain.
    """
    count = total + 2
    centre = (gained - lost) / count
    half = z * math.sqrt((gained + lost + 1) / count - centre * centre) / math.sqrt(count)
    return max(-1.0, centre - half), min(1.0, centre + half)


def confusion_matrix(truth: Labels, said: Labels, num_classes: int) -> NDArray[np.int64]:
    """(C, C) counts; row: what it was, column: what was said."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (truth, said), 1)
    return counts


def expected_calibration_error(probabilities: Rows, labels: Labels, *, num_bins: int = 15) -> float:
    """Measure how far confidence is from accuracy.

    Images are grouped by the confidence of their top class; each group adds
    |accuracy - mean confidence|, weighted by its share of the images.

    Args:
        probabilities: (N, C), rows sum to 1.
        labels: (N,) in [0, C).
        num_bins: groups of equal width over (0, 1].

    Returns:
        A fraction in [0, 1]; 0 is perfectly calibrated.

    Raises:
        TooFewImages: there are no images to measure.

    Source:
        Guo et al. (2017), arXiv:1706.04599, equation 3.
    """
    if len(labels) == 0:
        raise TooFewImages(
            "There are no test pictures.", remedy="Add pictures, or lock a larger share away for the test."
        )
    confidence, correct = np.zeros(len(labels)), np.zeros(len(labels), np.bool_)
    for part in row_slices(*probabilities.shape):
        some = probabilities[part]
        confidence[part] = some.max(axis=1)
        correct[part] = some.argmax(axis=1) == labels[part]
    bins = np.clip(np.ceil(confidence * num_bins).astype(int), 1, num_bins)  # (N,) in 1..num_bins
    gaps = np.bincount(bins, weights=correct - confidence, minlength=num_bins + 1)  # sums, not means
    return float(np.abs(gaps).sum() / len(labels))


def even_share(images: int, classes: int) -> float:
    """The share of every answer that is spread evenly over the classes: no one is surer than was shown.

    n images that were all answered rightly say that the next one is wrong once in n + 2 times, and not
    that it never is. An answer p becomes (1 - share) p + share / C: it still sums to 1, no two classes
    change places, and none is ever believed more than (n + 1) / (n + 2).

    Args:
        images: n, answered by heads that had never seen them; at least 1.
        classes: C, at least 2.

    Source:
        Laplace's rule of succession; with two classes it is (n p + 1) / (n + 2).
    """
    return classes / ((classes - 1) * (max(1, images) + 2))


def calibrated(logits: Logits, temperature: float, share: float) -> Floats:
    """(N, C) logits to probabilities whose confidence fits; rows sum to 1.

    Args:
        logits: (N, C).
        temperature: from `fit_temperature`.
        share: from `even_share`; 0 spreads nothing.
    """
    found = np.empty(logits.shape)
    for part in row_slices(*logits.shape):
        exact = np.asarray(logits[part], np.float64)
        found[part] = (1.0 - share) * softmax(exact / temperature) + share / logits.shape[1]
    return found


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The number to divide logits by so that confidence fits (temperature scaling).

    A label counts as right (n + 1) / (n + 2) times: without that, images that are all answered rightly
    would ask for boundless confidence.

    Args:
        logits: (N, C) of images that the head was not fitted on.
        labels: (N,) in [0, C).

    Returns:
        In [0.05, 20]: 1 leaves the logits as they are, more makes the answers less sure.

    Source:
        Guo et al. (2017), arXiv:1706.04599, section 4.2; targets of Platt (1999), Probabilistic outputs for
        support vector machines, section 2.2.
    """
    from scipy.optimize import minimize_scalar

    count, classes = logits.shape
    share, parts = even_share(count, classes), row_slices(count, classes)

    def loss_of(part: slice, temperature: float) -> float:
        scaled = np.asarray(logits[part], np.float64) / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        right = scaled[np.arange(len(scaled)), labels[part]].sum()
        return float(-((1.0 - share) * right + share / classes * scaled.sum()))

    def loss(log_temperature: float) -> float:
        return float(sum(loss_of(part, math.exp(log_temperature)) for part in parts) / count)

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))
