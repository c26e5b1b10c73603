"""What a head is asked for: the classes of images as numbers, or each label of theirs as yes or no.

Flow:  Manifest + some of its images --labels_of--> (N,) int64, or (N, C) float32
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from headswap.data.manifest import ImageRecord, Manifest


def labels_of(manifest: Manifest, images: Sequence[ImageRecord]) -> Tensor:
    """(N,) int64 in [0, C); or (N, C) float32 where an image may have several labels.

    Of several labels 1 is yes, 0 is no, and NaN is not known (a label that came later).
    """
    if not manifest.is_multi_label:
        numbers = {name: number for number, name in enumerate(manifest.classes)}
        return torch.tensor([numbers[image.class_name] for image in images])
    has = [[_has(image, name) for name in manifest.classes] for image in images]
    return torch.tensor(has).reshape(len(images), len(manifest.classes))


def _has(image: ImageRecord, name: str) -> float:
    return math.nan if name in image.unknown else float(name in image.names)
