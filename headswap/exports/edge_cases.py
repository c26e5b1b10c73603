"""Six drawn images of the kinds on which exports disagree: rotated, see-through, deep grey, long.

Flow:  --draw_edge_cases(folder)--> files, the same bytes every time

They are no test of what a network knows, only of whether two programs prepare an image alike.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ORIENTATION = 0x0112  # EXIF
_FORMATS = {".jpg": "JPEG", ".png": "PNG"}


def draw_edge_cases(folder: Path) -> tuple[Path, ...]:
    """Draw them into a folder."""
    for name, content in _drawn():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name, _ in _drawn())


@cache  # 0.3 MB, and most of a second for each thing that is packed
def _drawn() -> tuple[tuple[str, bytes], ...]:
    """The name and the bytes of each."""
    rotated = Image.Exif()
    rotated[_ORIENTATION] = 6
    see_through = _context(257, 311, 3).convert("RGBA")
    see_through.putalpha(Image.fromarray(_waves(257, 311, 5)))
    palette = _context(300, 199, 4).quantize(32)
    drawn: tuple[tuple[str, Image.Image, dict[str, Any]], ...] = (
        ("rotated.jpg", _context(1601, 1067, 1), {"quality": 85, "exif": rotated}),
        ("ink.jpg", _context(640, 427, 2).convert("CMYK"), {"quality": 90}),
        ("see-through.png", see_through, {}),
        ("palette.png", palette, {"transparency": 0}),
        ("deep-grey.png", _deep_grey(331, 217), {}),
        ("long-grey.png", _context(640, 90, 6).convert("L"), {}),
    )
    return tuple((name, _saved(image, _FORMATS[name[-4:]], **options)) for name, image, options in drawn)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _waves(width: int, height: int, kind: int) -> NDArray[np.uint8]:
    """(height, width) uint8, smooth, with some detail."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    wave = np.sin(9 * across * kind + 4 * down) + np.cos(7 * down * kind - 3 * across)
    return np.round(127.5 + 63.0 * wave).clip(0, 255).astype(np.uint8)


def _context(width: int, height: int, kind: int) -> Image.Image:
    bands = [_waves(width, height, kind + shift) for shift in range(3)]
    return Image.fromarray(np.stack(bands, axis=-1))


def _deep_grey(width: int, height: int) -> Image.Image:
    return Image.fromarray(_waves(width, height, 7).astype(np.uint16) * 257)
