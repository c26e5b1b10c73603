"""What a network in whole numbers of eight bits loses, measured on the test images.

Flow:  answers of bundle and smaller network --count_right--> QuantizedCheck --quantization_summary--> str

Rounded weights answer differently by more than any bound of `headswap.exports.parity`, so this network is not
one more way to get the same answers: it is another network, and its accuracy is its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from headswap.evaluation.metrics import wilson_interval
from headswap.exports.parity import ExpectedAnswer, QuantizedCheck, Route

LEAST_SAVED = 0.4  # of the size: a less exact network is worth it only if it is smaller


def count_right(
    route: Route,
    expected: Sequence[ExpectedAnswer],
    said: Sequence[tuple[str, float | None]],
    *,
    sizes: tuple[int, int],
) -> QuantizedCheck:
    """Count what is right.

    Args:
        route: the smaller network compared with the bundle on N test images.
        expected: N answers of the bundle, each with its true class.
        said: N times the label that the smaller network gives, and its OOD score.
        sizes: bytes of its file, and of the same network in single precision.

    Raises:
        TooFewImages: N is 0.
    """
    pairs = list(zip(said, expected, strict=True))
    right = sum(label == one.truth for (label, _), one in pairs)
    low, high = wilson_interval(right, len(expected))
    same = [
        label == one.label and ((ood_score or 0.0) > 1) == ((one.ood_score or 0.0) > 1)
        for (label, ood_score), one in pairs
    ]
    return QuantizedCheck(
        name=route.name,
        size_bytes=sizes[0],
        full_size_bytes=sizes[1],
        images=len(expected),
        right=right,
        right_full=sum(one.label == one.truth for one in expected),
        same=sum(same),
        largest_difference=route.largest_difference or 0.0,
        low=low,
        high=high,
    )


def quantization_summary(check: QuantizedCheck) -> str:
    """What everyone who takes it should know first."""
    size = f"{check.size_bytes / 1e6:.1f} MB instead of {check.full_size_bytes / 1e6:.1f}"
    accuracy = f"{check.right / check.images:.0%} ({check.low:.0%} to {check.high:.0%})"
    loss = "it loses nothing"
    if check.lost_points:
        loss = f"it {'loses' if check.lost_points > 0 else 'gains'} {abs(check.lost_points):.1f} points"
    names = f"{check.name} ({size}) names {check.right} of the {check.images} pictures of the exam right"
    return (
        f"{'Careful: ' if check.is_costly else ''}{names}, {accuracy}, the network itself "
        f"{check.right_full}: {loss}. Its answer is the same on {check.same} of {check.images}; its "
        f"probabilities differ by up to {check.largest_difference:.3f}."
    )
