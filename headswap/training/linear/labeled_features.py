"""What a head is solved on: features of images, what the images show, and which of them belong together.

Flow:  LabeledFeatures --rows, columns--> LabeledFeatures of some images, or of some features --> a solver
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from headswap.features.memmap import columns_of, taken


@dataclass(frozen=True, eq=False)
class LabeledFeatures:
    """N images of C classes, as a head reads them."""

    features: Tensor  # (N, D) float32
    labels: (
        Tensor  # (N,) int64 in [0, C); or (N, C) float32 of 0, 1 and NaN (not known): several for an image
    )
    num_classes: int  # C, at least 2
    groups: Sequence[int] | None = None  # N numbers; images of one group share a fold. None: each is alone
    unlabeled: Tensor | None = None  # (U, D) float32 of images without a label; for `self_training`

    def rows(self, rows: Tensor) -> LabeledFeatures:
        """Some of the labelled images, by a mask (N,) bool or their positions (M,) int64."""
        positions = torch.nonzero(rows).flatten() if rows.dtype == torch.bool else rows
        groups = None if self.groups is None else np.asarray(self.groups)[positions.numpy()].tolist()
        features = taken(self.features, positions)
        return replace(self, features=features, labels=self.labels[positions], groups=groups)

    def columns(self, columns: slice) -> LabeledFeatures:
        """Some features of every image."""
        unlabeled = None if self.unlabeled is None else columns_of(self.unlabeled, columns)
        return replace(self, features=columns_of(self.features, columns), unlabeled=unlabeled)
