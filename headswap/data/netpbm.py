"""PPM, PGM and PBM where Pillow would decode number by number in Python: plain text, and odd whites.

Flow:  opened file + its bytes --netpbm_levels--> (H, W) or (H, W, 3) uint8; None where Pillow itself is quick

Pillow takes four seconds a megapixel for plain text and 2.5 for a white of 4095; numpy a tenth of one. White
is what the header says it is, and as in every 16-bit grey image 4095 where 65535 is named and never neared.

Knows the bytes of these three formats and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_BLOCK = 2**20  # numbers translated at once
_CAMERA_WHITE = 4095  # of 12 bits
_SPACE = b" \t\n\v\f\r"


def netpbm_levels(file: ImageFile, data: bytes) -> NDArray[np.uint8] | None:
    """Decode what Pillow decodes slowly.

    Args:
        file: opened by Pillow, nothing loaded.
        data: the whole file.

    Raises:
        ValueError: it is cut short, or contains something that is not a number of this format.
    """
    decoder, _, offset, said = file.tile[0]
    if decoder == "raw" and file.mode != "I":
        return None
    channels = 3 if file.mode == "RGB" else 1
    count = file.width * file.height * channels
    white = _white(decoder, said)
    values: NDArray[Any]
    if decoder == "ppm_plain":
        values = _plain_numbers(data[offset:], count, white, is_ink=file.mode == "1")
    else:
        kind = np.dtype(np.uint8 if white < 256 else ">u2")
        if len(data) - offset < count * kind.itemsize:
            raise ValueError("the image is truncated")
        values = np.frombuffer(data, kind, count, offset)
    if channels == 1 and white == 65535 and values.max(initial=0) <= _CAMERA_WHITE:
        white = _CAMERA_WHITE
    levels = np.minimum(np.arange(65536) * 255 / white + 0.5, 255).astype(np.uint8)
    if file.mode == "1":
        levels = levels[1::-1]  # ink is 1
    pixels = np.empty(count, np.uint8)
    for start in range(0, count, _BLOCK):
        pixels[start : start + _BLOCK] = levels[values[start : start + _BLOCK]]
    shape = (file.height, file.width)
    return pixels.reshape((*shape, channels) if channels > 1 else shape)


def _white(decoder: str, said: Any) -> int:
    """The brightest value; Pillow keeps it next to the name of its decoder, unless the name implies it."""
    if decoder == "raw":
        return 65535
    return int(said[1]) if isinstance(said, tuple) else 1


def _plain_numbers(text: bytes, count: int, white: int, *, is_ink: bool) -> NDArray[Any]:
    """The numbers of a plain text, without its comments; those of PBM may stand without a space between."""
    if b"#" in text:
        text = re.sub(rb"#[^\r\n]*", b" ", text)
    if text.translate(None, b"01" if is_ink else b"0123456789").translate(None, _SPACE):
        raise ValueError("it contains something that is not a number")
    if is_ink:
        values: NDArray[Any] = np.frombuffer(text.translate(None, _SPACE), np.uint8) - np.uint8(48)
    else:  # without `count`: numpy fills up with whatever lies in memory where numbers are missing
        values = np.fromstring(text, np.int32, sep=" ") if text.strip(_SPACE) else np.empty(0, np.int32)
    if len(values) < count:
        raise ValueError("the image is truncated")
    values = values[:count]
    if values.min(initial=0) < 0 or values.max(initial=0) > white:
        raise ValueError("a number is brighter than white")
    return values
