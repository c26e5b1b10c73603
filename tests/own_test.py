"""What a bundle says of its own test images when it is opened again."""

from __future__ import annotations

from pathlib import Path

import headswap
from headswap.bundle.format import read_dataset


def right_in_own_test(folder: Path, images: Path) -> int:
    """How many images of its test a bundle in a folder answers right; `images` is what it was trained on."""
    test = read_dataset(folder).part("test")
    said = headswap.load_bundle(folder).predict_many(images / image.file for image in test)
    return sum(one.label == image.class_name for one, image in zip(said, test, strict=True))
