"""Which images a bundle has met before: trained on, tested on, or nearly the same as one of these.

Flow:  new images + dataset.json + features kept of training images --seen_before--> SeenAs | None each

The same bytes are found by their hash. Nearly the same is found in two ways: by the difference
hash, as near duplicates of an upload are; and by features, nearer to a training image than
training images are to each other. Bundles keep no image, so an altered copy of a *test*
image is found by its difference hash alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.reference import Floats32, ReferenceFeatures
from headswap.data.duplicates import near_any
from headswap.data.manifest import ImageRecord
from headswap.evaluation.ood import embeddings_of, nearest

SeenAs = Literal["train", "near-train", "test", "near-test"]
SEEN_AS: tuple[SeenAs, ...] = ("train", "near-train", "test", "near-test")
_CLOSER_THAN = 0.01  # share of training images that are nearer than this to another one
_FARTHEST = 0.45  # however far apart they are: beyond it images merely show the same thing
_FEWEST = 10  # training images, below which their distances say nothing


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """One image that is no news to a bundle."""

    file: str
    how: SeenAs


def seen_before(
    images: Sequence[ImageRecord],
    known: Sequence[ImageRecord],
    reference: ReferenceFeatures | None,
    features: Floats32 | None,
) -> list[SeenAs | None]:
    """How a bundle has met each image; None: it has not.

    Args:
        images: N, to be evaluated.
        known: all images of the bundle, with their parts.
        reference: what the bundle kept of its training images; None: nothing.
        features: (N, D), the last ones of the bundle's own network; None: they cannot be caught.
    """
    tested = [one for one in known if one.part == "test"]
    trained = [one for one in known if one.part != "test"]  # a validation part chose between settings
    test_hashes, train_hashes = ({one.sha256 for one in part} for part in (tested, trained))
    near_train = near_any(images, trained)
    if reference is not None and features is not None:
        near_train |= _near_by_features(features, reference, known)
    near_test = near_any(images, tested)
    met: list[SeenAs | None] = []
    for row, image in enumerate(images):
        if image.sha256 in train_hashes:
            met.append("train")
        elif image.sha256 in test_hashes:
            met.append("test")
        elif near_train[row]:
            met.append("near-train")
        else:
            met.append("near-test" if near_test[row] else None)
    return met


def _near_by_features(
    features: Floats32, reference: ReferenceFeatures, known: Sequence[ImageRecord]
) -> NDArray[np.bool_]:
    """(N,) whether an image is nearer to a training image than nearly all of these are to each other."""
    by_hash = {one.sha256: one.group for one in known}
    groups = [by_hash.get(sha256, -1 - row) for row, sha256 in enumerate(reference.sha256s)]
    own = nearest(reference.embeddings, reference.embeddings, 1, groups=groups, known_groups=groups)[
        0
    ].ravel()
    own = own[np.isfinite(own)]
    if len(own) < _FEWEST:
        return np.zeros(len(features), np.bool_)
    limit = min(float(np.quantile(own, _CLOSER_THAN)), _FARTHEST)
    return np.asarray(nearest(embeddings_of(features), reference.embeddings, 1)[0].ravel() < limit)
