"""An image as the library @teachablemachine/image prepares it in Chromium, nearly to the grey level.

Flow:  upright RGB --canvas_pixels--> uint8 (S, S, 3)
       Bundle + images --library_route--> Route: how far that library's answers differ from the bundle's

The library draws the largest square of the middle onto a small canvas. Chromium then halves a large image
until it is less than twice as large as wanted, and mixes four neighbours for each pixel of the canvas. Other
browsers shrink in ways of their own (docs/decisions/0033-teachable-machines-format.md).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headswap.bundle.predictor import Bundle
from headswap.data.decode import read_image
from headswap.data.manifest import Manifest
from headswap.exports.edge_cases import draw_edge_cases
from headswap.exports.parity import Route, compare_predictions, expected_answer

LIBRARY = "@teachablemachine/image"
_NOTE = (
    "That library prepares pictures in its own way. This was calculated with pictures that were prepared as "
    "that library does it in Chromium; other browsers differ again. The library itself, asked in Chromium "
    "156 on 27 November 2026 about 144 photos of three sets, answered within 0.035 of these figures."
)
_DRAWINGS = (
    " Only drawings were at hand: give the folder that was taught (--pictures) for a figure on photos."
)
_SEE_THROUGH = ("see-through.png", "palette.png")  # drawings that the library shows on black
_MOST_ASKED = 100


def library_route(bundle: Bundle, manifest: Manifest | None) -> Route:
    """How far the library's answers differ from the bundle's, on images of the test or on drawings.

    Args:
        bundle: whose input is square.
        manifest: the images it was trained on, where they still are; None: they are not here.
    """
    there = manifest.part("test") if manifest else ()
    files = [manifest.path(one) for one in there] if manifest else []
    files = [one for one in files[:: -(-len(files) // _MOST_ASKED) or 1] if one.is_file()]
    if files:
        return _compared(bundle, files, _NOTE)
    with tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True) as folder:
        drawings = [one for one in draw_edge_cases(Path(folder)) if one.name not in _SEE_THROUGH]
        return _compared(bundle, drawings, _NOTE + _DRAWINGS)


def _compared(bundle: Bundle, files: Sequence[Path], note: str) -> Route:
    size = bundle.card.input.height
    seen = np.stack([canvas_pixels(read_image(one.read_bytes(), name=one.name), size) for one in files])
    expected = [
        expected_answer(one.name, None, said)
        for one, said in zip(files, bundle.predict_many(files), strict=True)
    ]
    said = bundle.predict_prepared([one.name for one in files], seen)
    route = compare_predictions(LIBRARY, expected, said)
    # The format has no word for the OOD score of an image, so only the label counts.
    same = sum(one.label == other.label for one, other in zip(expected, said, strict=True))
    return replace(route, same=same, note=note)


def canvas_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The middle square of an RGB image on a canvas of (size, size) pixels: (size, size, 3) uint8."""
    width, height = image.size
    scale = size / min(width, height)
    halvings = max(math.floor(-math.log2(scale)), 0)
    if halvings:
        halved = max(width >> halvings, 1), max(height >> halvings, 1)
        image = image.resize(halved, Image.Resampling.BOX)
    pixels = np.asarray(image, np.float32)  # (rows, columns, 3)
    across = _mixed(pixels, 1, math.ceil(width * scale), size)
    down = _mixed(across, 0, math.ceil(height * scale), size)
    return np.rint(down).clip(0, 255).astype(np.uint8)


def _mixed(pixels: NDArray[np.float32], axis: int, drawn: int, size: int) -> NDArray[np.float32]:
    """One side, drawn as `drawn` pixels of which the middle `size` are on the canvas."""
    count = pixels.shape[axis]
    positions = (np.arange(size) + (drawn - size) // 2 + 0.5) * count / drawn - 0.5  # in the old pixels
    before = np.floor(positions).astype(int)
    share = (positions - before).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    first = pixels.take(before.clip(0, count - 1), axis)
    second = pixels.take((before + 1).clip(0, count - 1), axis)
    mixed: NDArray[np.float32] = first * (1 - share) + second * share
    return mixed
