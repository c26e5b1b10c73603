"""What a network may have learned instead of what the images show.

Flow:  one number per image (brightness, size, ...) + labels --shortcuts_of--> Shortcut, ...

Each number alone is given the same test. When it gets most of what the network gains over
always saying one class, the network may know the light and not the thing. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headswap.data.manifest import ImageRecord
from headswap.evaluation.metrics import Floats, Labels, wilson_interval
from headswap.evaluation.report import Shortcut

_MOST_OF_IT = 0.6  # of the network's gain over the baseline
_FOLDS = 5
_KINDS = (
    ("brightness", "how light or dark the picture is"),
    ("size", "the sharpness that comes with the number of pixels"),
    ("shape", "the shape of the picture"),
    ("border", "the border of the picture"),
)


@dataclass(frozen=True, eq=False)
class Traits:
    """Single numbers of images, one row each."""

    values: Floats  # (N, 4), in the order of _KINDS
    groups: NDArray[np.int64]  # (N,)
    labels: Labels  # (N,)


def traits_of(images: Sequence[ImageRecord], labels: Labels) -> Traits:
    """Read them off the records."""
    rows = [
        (
            image.brightness,
            np.log(image.width * image.height),
            np.log(image.width / image.height),
            image.brightness if image.border is None else image.border,
        )
        for image in images
    ]
    return Traits(
        np.array(rows, dtype=np.float64).reshape(-1, len(_KINDS)),
        np.array([image.group for image in images]),
        labels,
    )


def shortcuts_of(
    train: Traits | None, judged: Traits, *, accuracy: float, baseline: float
) -> tuple[Shortcut, ...]:
    """The numbers that do nearly as well as the network.

    Args:
        train: what they are learned from; None: from the other folds of `judged`.
        judged: the images of the report.
        accuracy, baseline: of the network, and of always saying one class.
    """
    found = []
    for column, (name, lesson) in enumerate(_KINDS):
        right, total = _right(train, judged, column), len(judged.labels)
        gains_most = right / total - baseline >= _MOST_OF_IT * (accuracy - baseline)
        if accuracy > baseline and gains_most and wilson_interval(right, total)[0] > baseline:
            found.append(Shortcut(name=name, lesson=lesson, right=right, total=total))
    if len(found) > 1 and {"brightness", "border"} <= {one.name for one in found}:
        found = [one for one in found if one.name != "border"]  # a dark image has a dark border
    return tuple(found)


def _right(train: Traits | None, judged: Traits, column: int) -> int:
    """Images that one number alone gets right."""
    values, labels = judged.values[:, column], judged.labels
    if train is not None:
        return int((_say(train.values[:, column], train.labels, values) == labels).sum())
    right = 0
    folds = judged.groups % _FOLDS
    for fold in range(_FOLDS):
        held = folds == fold
        if held.any() and not held.all():
            right += int((_say(values[~held], labels[~held], values[held]) == labels[held]).sum())
    return right


def _say(values: Floats, labels: Labels, asked: Floats) -> Labels:
    """The class in whose bell curve a number lies best; every class counts the same."""
    classes = np.unique(labels)
    means = np.array([values[labels == c].mean() for c in classes])
    widths = np.array([values[labels == c].std() for c in classes])
    widths = np.maximum(widths, max(float(values.std()) * 0.05, 1e-6))
    likely = -0.5 * ((asked[:, None] - means) / widths) ** 2 - np.log(widths)  # (M, C)
    return np.asarray(classes[likely.argmax(axis=1)], dtype=np.int64)
