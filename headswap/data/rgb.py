"""An image of any mode -> RGB: no range is lost, what is transparent becomes white.

Flow:  Image of any mode --to_rgb, strip by strip--> a new RGB Image

Strips keep the memory low: next to a large image stands its RGB and nothing else of its size.

Knows pixels only; the program that travels with an export holds the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

_STRIP_PIXELS = 2**20  # turned to RGB at once


def to_rgb(file: Image.Image) -> Image.Image:
    """Any mode to RGB without losing range; a new image, so that no metadata goes along."""
    if file.mode == "F" or file.mode.startswith("I"):
        return _grey_to_rgb(file)
    if file.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(file, lab, srgb, outputMode="RGB")
        return converted if converted is not None else file.convert("RGB")
    if file.has_transparency_data:
        white = Image.new("RGB", file.size, "white")
        for top, strip in _strips(file):
            see_through = strip.convert("RGBA")
            white.paste(see_through, (0, top), see_through.getchannel("A"))
        return white
    image = file.copy() if file.mode == "RGB" else file.convert("RGB")
    image.info = {}
    return image


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top, strip) of whole rows: what is made on the way to RGB stays small next to a large image."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _grey_to_rgb(file: Image.Image) -> Image.Image:
    """Deep grey to 8 bits: the brightest value that the format can hold becomes white.

    That is 65535 for 16 bits; 4095 where nothing is brighter, as 12-bit cameras write; for
    32-bit and decimal numbers, which have no such value, the image's own range.
    """
    low, high = _grey_range(file)
    span = max(high - low, 1e-12)
    rgb = Image.new("RGB", file.size)
    for top, strip in _strips(file):
        values = np.asarray(strip)  # (rows, W) uint16, int32 or float32
        opaque = values != file.info.get("transparency", np.nan)
        with np.errstate(invalid="ignore", over="ignore"):
            levels = (np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low) - low) / span
        grey = np.clip(levels * 255.0 + 0.5, 0, 255).astype(np.uint8)
        rgb.paste(Image.fromarray(np.where(opaque, grey, np.uint8(255))), (0, top))
    return rgb


def _grey_range(file: Image.Image) -> tuple[float, float]:
    """What becomes black, and what white."""
    ranges: list[tuple[float, float]] = []
    for _, strip in _strips(file):
        values = np.asarray(strip)
        finite = values[np.isfinite(values)] if file.mode == "F" else values
        if finite.size:
            ranges.append((float(finite.min()), float(finite.max())))
    low, high = min((low for low, _ in ranges), default=0.0), max((high for _, high in ranges), default=0.0)
    if file.mode.startswith("I;16"):
        return 0.0, 4095.0 if high <= 4095 else 65535.0
    if low >= 0 and high <= 255:
        return 0.0, 1.0 if file.mode == "F" and high <= 1 else 255.0
    return low, high
