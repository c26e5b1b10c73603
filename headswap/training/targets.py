"""What a head is asked for: the classes of images as numbers, or each label of theirs as 0 or 1.

Flow:  Manifest + some of its images --labels_of--> (N,) int64, or (N, C) float32
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from headswap.data.manifest import ImageRecord, Manifest


def labels_of(manifest: Manifest, images: Sequence[ImageRecord]) -> Tensor:
    """(N,) int64 in [0, C); or (N, C) float32 of 0 and 1 where an image may have several labels."""
    if not manifest.is_multi_label:
        numbers = {name: number for number, name in enumerate(manifest.classes)}
        return torch.tensor([numbers[image.class_name] for image in images])
    has = [[float(name in image.names) for name in manifest.classes] for image in images]
    return torch.tensor(has).reshape(len(images), len(manifest.classes))
