"""How similar images are to a backbone, and when one is out of distribution.

Flow:  (N, D) features --embeddings_of--> (N, D) embeddings --nearest--> distances and places of neighbours

An embedding is the signed square root of the features, at length 1: large features count less, and
how strongly all of them speak not at all. Of sixteen ways that were measured it told images
of other sets best (docs/log.md). Distances lie in [0, 2]. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headswap.threads import product

Embeddings = NDArray[np.float32]

NEIGHBOURS = 3  # an image out of distribution is far from its three nearest, on average
DUPLICATE_DISTANCE = (
    0.25  # nearer than this two images are almost one; in six of seven sets hardly any pair is
)
_TRAIN_OOD, _TEST_OOD = 0.04, 0.05  # shares of held-out images that may lie beyond the threshold
_SPREADS, _FEW = 1.9, 1.5  # standard deviations above the mean; more of them when images are few
_FEWEST_TEST = 10  # test images, below which they have no say in it
_CELLS = 2**24  # distances at once: bounds the memory


def embeddings_of(features: NDArray[np.floating]) -> Embeddings:
    """(N, D) features, signed or not, to (N, D) embeddings."""
    rooted = np.sign(features) * np.sqrt(np.abs(features.astype(np.float32)))
    length = np.linalg.norm(rooted, axis=1, keepdims=True)
    return np.asarray(rooted / np.maximum(length, 1e-12), dtype=np.float32)


def nearest(
    embeddings: Embeddings,
    known: Embeddings,
    count: int,
    *,
    groups: Sequence[int] | None = None,
    known_groups: Sequence[int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The nearest known images of each.

    Args:
        embeddings: (N, D).
        known: (M, D).
        count: neighbours wanted; fewer when there are fewer.
        groups, known_groups: N and M numbers; images of one's own group are passed over.

    Returns:
        (N, K) distances, nearest first, infinite where there is no other; (N, K) rows of `known`.
    """
    count = min(count, len(known))
    block = max(1, _CELLS // max(len(known), 1))
    distances, indices = [], []
    for start in range(0, len(embeddings), block):
        part = embeddings[start : start + block]
        squared = np.maximum(2.0 - 2.0 * product(part, known.T), 0.0)  # (B, M)
        if groups is not None and known_groups is not None:
            own = np.asarray(groups)[start : start + block, None] == np.asarray(known_groups)[None]
            squared[own] = np.inf
        few = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(few, np.argsort(np.take_along_axis(squared, few, 1), axis=1), axis=1)
        indices.append(order)
        distances.append(np.sqrt(np.take_along_axis(squared, order, axis=1)))
    if not distances:
        return np.empty((0, count), np.float32), np.empty((0, count), np.int64)
    return np.concatenate(distances).astype(np.float32), np.concatenate(indices)


def ood_scores(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, K) distances to the nearest to one number each: their mean."""
    return np.asarray(distances[:, :NEIGHBOURS].mean(axis=1), dtype=np.float32)


def threshold_from(train: Embeddings, groups: Sequence[int], test: Embeddings) -> float | None:
    """The distance beyond which an image is unlike everything that was trained on.

    Set where at most 4 % of the training images, each held out with its group, and at most
    5 % of the test images would lie beyond it, and no lower than where 3 % of a bell curve
    would: a share of few images says little.

    Args:
        train: (N, D) embeddings.
        groups: N numbers; near duplicates share one.
        test: (M, D) embeddings of images never trained on; may be none.

    Returns:
        A distance; None when there are too few images to say.
    """
    own = ood_scores(nearest(train, train, NEIGHBOURS, groups=groups, known_groups=groups)[0])
    own = own[np.isfinite(own)]
    if len(own) < 3:
        return None
    spreads = _SPREADS * (1.0 + _FEW / len(own))
    threshold = max(float(own.mean() + spreads * own.std(ddof=1)), _exceeded_by(own, _TRAIN_OOD))
    if len(test) >= _FEWEST_TEST:
        threshold = max(threshold, _exceeded_by(ood_scores(nearest(test, train, NEIGHBOURS)[0]), _TEST_OOD))
    return threshold


def cross_split_duplicates(
    test: Embeddings, train: Embeddings, test_groups: Sequence[int], groups: Sequence[int]
) -> list[int]:
    """Rows of test images that are almost one with a training image of another group."""
    distances, _ = nearest(test, train, 1, groups=test_groups, known_groups=groups)
    return (
        [int(row) for row in np.flatnonzero(distances[:, 0] < DUPLICATE_DISTANCE)] if distances.size else []
    )


def _exceeded_by(values: NDArray[np.float32], share: float) -> float:
    """The smallest of the values that at most this share of them exceeds."""
    return float(np.sort(values)[len(values) - 1 - int(share * len(values))])
