"""What a picture looks like in a few bits, to tell duplicates and dark classes.

    look_at(image) -> Look (256-bit difference hash, brightness of the whole and of the border)

Knows pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageStat

SIDE = 16  # the hash compares 16 x 16 neighbouring cells


@dataclass(frozen=True)
class Look:
    """The look of one picture."""

    bits: str  # 64 hex digits: 256 comparisons of a cell with its right neighbour
    brightness: float  # mean grey, in [0, 1]
    border: float  # the same of the outermost sixteenth all round


def look_at(image: Image.Image) -> Look:
    """Reduce a picture to its look.

    Args:
        image: RGB, upright.
    """
    grey = image.convert("L")
    cells = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS))  # (16, 17)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    border = np.concatenate([cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1]])
    return Look(
        bits.tobytes().hex(), float(ImageStat.Stat(grey).mean[0]) / 255.0, float(border.mean()) / 255.0
    )
