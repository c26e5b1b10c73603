"""What a phone needs to put a web page on its home screen: a manifest, and icons of the program's mark.

Flow:  title --web_manifest--> manifest.webmanifest;  --draw_icon(size)--> PNG, the same bytes every time
"""

from __future__ import annotations

import io
import json
from functools import cache
from typing import Final

from PIL import Image, ImageDraw

MANIFEST: Final = "manifest.webmanifest"
ICONS: Final = {"icon-192.png": 192, "icon-512.png": 512}  # file: its side in pixels
_PAPER, _INK, _ACCENT = "#fbfaf7", "#1b1a17", "#1d46c9"  # as in page.css
_UNITS = 48.0  # across the icon; the mark takes 22, so that a round frame cuts nothing off
_FINER = 4  # drawn so much larger and shrunk, for smooth edges


def web_manifest(title: str) -> str:
    """What is installed, and how it opens: in a window of its own, at this very address.

    Args:
        title: of the page, as text.
    """
    icons = [
        {"src": name, "sizes": f"{px}x{px}", "type": "image/png", "purpose": purpose}
        for name, px in ICONS.items()
        for purpose in ("any", "maskable")
    ]
    record = {
        "id": "./",
        "name": title,
        "short_name": title,  # phones cut it where it is too long
        "description": "Names what a camera or a picture shows, without a connection.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": _PAPER,
        "theme_color": _PAPER,
        "lang": "en",
        "icons": icons,
    }
    return json.dumps(record, ensure_ascii=False, indent=1)


@cache
def draw_icon(px: int) -> bytes:
    """The mark, half a disc under half a ring, in the middle of (px, px) pixels of paper: PNG."""
    side = px * _FINER
    unit = side / _UNITS
    image = Image.new("RGB", (side, side), _PAPER)
    pen = ImageDraw.Draw(image)
    middle, radius, line = side / 2, 11 * unit, 2.2 * unit
    low, high = middle + 1.2 * unit, middle - 1.7 * unit  # where the two halves are cut
    pen.pieslice((middle - radius, low - radius, middle + radius, low + radius), 0, 180, fill=_INK)
    left, right = middle + 0.8 * unit - radius, middle + 0.8 * unit + radius
    pen.arc((left, high - radius, right, high + radius), 180, 360, fill=_ACCENT, width=round(line))
    pen.line((left, high - line / 2, right, high - line / 2), fill=_ACCENT, width=round(line))
    packed = io.BytesIO()
    image.resize((px, px), Image.Resampling.BOX).save(packed, "PNG", optimize=True)
    return packed.getvalue()
