"""What an image looks like in a few numbers, to tell duplicates and dark classes.

    fingerprint_of(image) -> Fingerprint (256-bit difference hash, thumbnail, brightness of all and of border)

Knows pixels only.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

SIDE = 16  # the hash compares 16 x 16 neighbouring cells
GREY, CHROMA = 32, 8  # px a side of a thumbnail: its light, and its colours
_BYTES = GREY * GREY + 2 * CHROMA * CHROMA


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of one image."""

    bits: str  # 64 hex digits: 256 comparisons of a cell with its right neighbour
    brightness: float  # mean grey, in [0, 1]
    border: float  # the same of the outermost sixteenth all round
    thumbnail: str  # base64 of 32 x 32 bytes of Y, then 8 x 8 of Cb and of Cr


def fingerprint_of(image: Image.Image) -> Fingerprint:
    """Reduce an image to its fingerprint.

    Args:
        image: RGB, upright.
    """
    grey = image.convert("L")
    cells = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS))  # (16, 17)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    border = np.concatenate([cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1]])
    return Fingerprint(
        bits=bits.tobytes().hex(),
        brightness=float(ImageStat.Stat(grey).mean[0]) / 255.0,
        border=float(border.mean()) / 255.0,
        thumbnail=_thumbnail(image),
    )


def _thumbnail(image: Image.Image) -> str:
    small = image.resize((4 * GREY, 4 * GREY), Image.Resampling.BILINEAR, reducing_gap=2.0)
    light, *colours = small.convert("YCbCr").split()
    planes = [light.resize((GREY, GREY), Image.Resampling.BOX)]
    planes += [colour.resize((CHROMA, CHROMA), Image.Resampling.BOX) for colour in colours]
    return b64encode(b"".join(plane.tobytes() for plane in planes)).decode()


def is_thumbnail(text: str) -> bool:
    """Whether this can be one: records come from elsewhere, too."""
    try:
        return len(b64decode(text, validate=True)) == _BYTES
    except ValueError:
        return False


def thumbnail_arrays(thumbnails: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Thumbnails to (N, 32, 32) light in [0, 1] and (N, 2, 8, 8) colours around 0, in [-128, 127].

    Args:
        thumbnails: each of them one (`is_thumbnail`).
    """
    data = b"".join(b64decode(text) for text in thumbnails)
    rows = np.frombuffer(data, np.uint8).reshape(-1, _BYTES).astype(np.float32)
    light, colours = rows[:, : GREY * GREY], rows[:, GREY * GREY :]
    return light.reshape(-1, GREY, GREY) / 255.0, colours.reshape(-1, 2, CHROMA, CHROMA) - 128.0
