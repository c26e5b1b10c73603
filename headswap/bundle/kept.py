"""What a bundle keeps of its images so that its classes can be changed later, without the images.

Flow:  features of training and test images --save_kept--> features.safetensors --read_kept--> KeptFeatures

Everything that a solved head ever reads of an image is its features, so a head for other classes can be
solved from them as if the images were there. They are kept as signed square roots in 256 steps of each
column, a quarter of the bytes: heads solved from these gave one of 4,226 held-out answers otherwise than
heads solved from the exact ones (docs/decisions/0037-a-class-later.md). At most 8 MB: with more images than
fit, classes take turns. No pickles: safetensors, covered by the bundle's seal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headswap.data.manifest import Manifest, Part
from headswap.errors import BundleDamaged
from headswap.storage.files import write_bytes

_MOST_BYTES = 8e6  # of features
_STEPS = 255
_MOST_TEST, _TEST_SHARE = 1000, 0.2  # of what is kept, where not everything fits
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptFeatures:
    """Features of images by the backbone of the bundle."""

    rows: NDArray[np.int64]  # (M,) indices of the images of dataset.json, rising
    features: Floats32  # (M, D), of all that the head reads, as `HeadSite.in_features` counts them
    engine: str  # that made them, by its name: other images must go through the same one


def rows_to_keep(manifest: Manifest, width: int) -> list[int]:
    """Which images to keep features of: all that are trained or tested on, or as many as fit into 8 MB.

    Args:
        manifest: with parts.
        width: features of an image.

    Returns:
        Rows of the manifest, rising. Where not all fit, classes take turns, a fifth at most of the test.
    """
    train, test = (_rows_by_class(manifest, part) for part in ("train", "test"))
    room = int(_MOST_BYTES / width)
    if len(train) + len(test) > room:
        test = test[: min(_MOST_TEST, int(_TEST_SHARE * room))]
    return sorted([*test, *train[: room - len(test)]])


def _rows_by_class(manifest: Manifest, part: Part) -> list[int]:
    """Rows of one part, a class after the other, again and again."""
    by_class: dict[str, list[int]] = {name: [] for name in manifest.classes}
    for row, image in enumerate(manifest.images):
        if image.part == part:  # of several labels, every set of them that there is takes its turn
            by_class.setdefault(image.class_name, []).append(row)
    for rows in by_class.values():
        rows.sort(key=lambda row: manifest.images[row].sha256)  # a fair draw that needs no seed
    return [row for rows in zip_longest(*by_class.values()) for row in rows if row is not None]


def save_kept(path: Path, kept: KeptFeatures) -> None:
    """Write features next to the weights, a byte each."""
    from safetensors.numpy import save

    roots = np.sign(kept.features) * np.sqrt(np.abs(kept.features))  # (M, D)
    low = roots.min(axis=0)
    step = np.maximum((roots.max(axis=0) - low) / _STEPS, np.finfo(np.float32).tiny)
    numbers = np.clip(np.rint((roots - low) / step), 0, _STEPS).astype(np.uint8)
    tensors = {
        "features": numbers,
        "low": low.astype(np.float32),
        "step": step.astype(np.float32),
        "rows": kept.rows.astype(np.int64),
    }
    write_bytes(path, save(tensors, metadata={"engine": kept.engine}))


def read_kept(path: Path, images: int, widths: Sequence[int]) -> KeptFeatures | None:
    """Read features back; None when the bundle keeps none.

    Args:
        path: of the file in a bundle.
        images: how many dataset.json names.
        widths: features of each head, as the bundle's card says.

    Raises:
        BundleDamaged: it is not what `save_kept` wrote, or belongs to other images or another network.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            numbers, low, step, rows = (file.get_tensor(name) for name in ("features", "low", "step", "rows"))
            engine = (file.metadata() or {})["engine"]
    except (SafetensorError, OSError, KeyError) as error:
        raise _damaged(path, "it cannot be read") from error
    width = sum(widths)
    if numbers.dtype != np.uint8 or numbers.shape != (len(rows), width):
        raise _damaged(path, f"an image has {'x'.join(map(str, numbers.shape[1:]))} features, not {width}")
    if any(
        one.dtype != np.float32 or one.shape != (width,) or not np.isfinite(one).all() for one in (low, step)
    ):
        raise _damaged(path, "its scale is no row of numbers")
    if (
        rows.dtype != np.int64
        or not len(rows)
        or (np.diff(rows) <= 0).any()
        or rows[0] < 0
        or rows[-1] >= images
    ):
        raise _damaged(path, "it names images that dataset.json does not")
    roots = numbers * step + low
    return KeptFeatures(rows=rows, features=np.sign(roots) * roots * roots, engine=engine)


def kept_images(path: Path) -> int:
    """Of how many images a bundle keeps features, without reading them; 0: of none."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="np") as file:
            return int(file.get_slice("features").get_shape()[0])
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "it cannot be read") from error


def _damaged(path: Path, why: str) -> BundleDamaged:
    return BundleDamaged(
        f"{path.name} is damaged: {why}.", remedy="Copy the whole bundle again, or teach again."
    )
