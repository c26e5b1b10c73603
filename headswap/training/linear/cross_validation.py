"""Judge every image by a head that never saw it: cross-validation of the whole way to a head.

Flow:  LabeledFeatures --cross_validate--> (N, C) logits

Near duplicates share a fold. The penalty is chosen again inside each fold's training part, so
the figure that comes out has seen nothing of what it is measured on. A class that a training part lacks,
because all its images are near duplicates of one fold's, is said by no head of this part. Sets
too large for that choose it once; there the choice among four penalties moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from headswap.errors import TooFewImages
from headswap.features.memmap import matrix, taken
from headswap.heads.site import HeadSite
from headswap.training.config import TrainConfig
from headswap.training.linear.heads import LinearHeads, fit_heads
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import folds_of

_MOST_WORK = 4e8  # images * min(images, features) * classes, above which the penalty is chosen once


def cross_validate(
    images: LabeledFeatures,
    site: HeadSite,
    *,
    has_bias: Sequence[bool],
    folds: int,
    seed: int,
) -> Tensor:
    """Logits of every image, out of fold.

    Args:
        images: N images, their features those of all heads side by side.
        site: the heads that the features were caught at.
        has_bias: of each head.
        folds: 2 or more.
        seed: drives the folds.

    Raises:
        TooFewImages: a class has fewer than two groups.
    """
    config, features, labels = TrainConfig(), images.features, images.labels

    def solve(some: LabeledFeatures, how: TrainConfig) -> LinearHeads:
        return fit_heads(some, site, has_bias=has_bias, config=how, seed=seed)

    numbers = folds_of(labels.numpy(), images.groups, folds, seed)
    if numbers is None:
        raise TooFewImages(
            "A class has fewer than two pictures that differ.", remedy="Add pictures; ten or more are better."
        )
    if len(labels) * min(features.shape) * images.num_classes > _MOST_WORK:
        logits = solve(images, replace(config, folds=folds)).fold_logits
        if logits is not None:
            return logits
    judged = matrix(len(labels), images.num_classes)
    for number in np.unique(numbers):
        held = torch.from_numpy(numbers == number)
        judged[held] = _logits_of_known(images.rows(~held), taken(features, held), partial(solve, how=config))
    return judged


def _logits_of_known(
    images: LabeledFeatures, features: Tensor, solve: Callable[[LabeledFeatures], LinearHeads]
) -> Tensor:
    """(M, C) logits by heads of the classes that some images have; every other class is the last choice."""
    labels, count = images.labels, images.num_classes
    several = labels.ndim == 2
    has = (labels > 0).any(dim=0) if several else torch.bincount(labels, minlength=count) > 0  # (C,)
    if bool(has.all()) or int(has.sum()) < 2:  # of one class no head can be solved, and the solver says so
        return solve(images).logits(features)
    known = labels[:, has] if several else (has.cumsum(0) - 1)[labels]
    found = solve(replace(images, labels=known, num_classes=int(has.sum()))).logits(features)
    logits = torch.full((len(features), count), float(found.min()) - 1.0)
    logits[:, has] = found
    return logits
