"""Small JPEGs of pictures that are kept: found by hash alone, without reading a manifest.

Flow:  sha256 --find_image--> file in a store --thumbnail--> JPEG bytes

Knows files named by their content; whose they are is asked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from pathlib import Path

SMALL_PX, LARGEST_PX, LEAST_PX = 240, 640, 16  # longer side
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find_image(stores: Iterable[Path], sha256: str) -> Path | None:
    """The file of a picture in the first store that holds it; no path is built from what is no hash."""
    if not _SHA256.fullmatch(sha256):
        return None
    files = (store / f"{sha256}{ending}" for store in stores for ending in (".jpg", ".png"))
    return next((file for file in files if file.is_file()), None)


def thumbnail(file: Path, px: int) -> bytes:
    """A JPEG with a longer side of at most `px`; small ones are kept in memory, large ones made again."""
    px = min(max(px, LEAST_PX), LARGEST_PX)
    return small_jpeg(file, px) if px <= SMALL_PX else small_jpeg.__wrapped__(file, px)


@lru_cache(maxsize=4096)
def small_jpeg(path: Path, px: int) -> bytes:
    """Named by content, so a thumbnail never goes stale."""
    from PIL import Image

    with Image.open(path) as image:
        image.thumbnail((px, px))
        target = BytesIO()
        image.convert("RGB").save(target, "JPEG", quality=80)
        return target.getvalue()
