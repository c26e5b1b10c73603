"""Whether two shares of a few test images differ by more than chance. Loads no torch.

A lesson says "better", "worse" or "lost" only where this says so; otherwise it says that the run
does not tell.
"""

from __future__ import annotations

from math import sqrt

from headswap.counted import counted

UNDECIDED = "This run alone does not decide the question."
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # Student's t, 95 %, for 2 to 10 values


def is_clear(more: float, less: float, total: int) -> bool:
    """Whether one share is above another by more than 1.96 standard errors of the difference.

    One right and one wrong answer are added to each, so that 0 and 100 % of a few images are not
    taken for certain (Agresti and Caffo, 2000). Of the same images the true error is smaller.

    Args:
        more: in [0, 1], of `total` images.
        less: in [0, 1], of as many.
        total: test images, 1 or more.
    """
    high, low = ((share * total + 1) / (total + 2) for share in (more, less))
    return high - low > 1.96 * sqrt((high * (1 - high) + low * (1 - low)) / (total + 2))


def half_interval(values: list[float]) -> float:
    """Half of the 95 % interval of the mean of some values; infinite for a single one."""
    count = len(values)
    if count < 2:
        return float("inf")
    mean = sum(values) / count
    spread = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    t = _T[count - 2] if count - 2 < len(_T) else 2.0 + 2.2 / count
    return t * spread / sqrt(count)


def points(share: float) -> str:
    """A difference of two shares as people read it."""
    return counted(round(100 * abs(share)), "point")
