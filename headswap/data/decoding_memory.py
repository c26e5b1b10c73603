"""How much memory an image takes while it is decoded and turned to RGB: told from its header.

Flow:  opened file (header only) --memory_to_decode--> bytes, at most

The figures are peaks that were measured for each format, rounded up (docs/decisions/0019); a test decodes
every format and holds them. A JPEG that is reduced while it is decoded takes next to nothing, unless it
comes in several scans: then all of its coefficients are kept, whatever the size that is asked for.

Knows headers and bytes; decodes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

RGB_BYTES = 4  # of a pixel, as Pillow keeps RGB and everything with two to four channels
SOME_BYTES = 32_000_000  # a strip of deep grey on its way to RGB took 25 MB
_LOADED_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # of a pixel, by mode
_DECODER_BYTES = {  # of a pixel, in addition to the loaded image
    "PNG": 0, "BMP": 2, "GIF": 2, "PPM": 3,
    "WebP": 12,  # two canvases and the frame
    "TIFF": 8,  # a file may hold one strip or tile only, of four deep channels
    "AVIF": 8,
    "HEIC": 10,
}  # fmt: skip
_COEFFICIENT_BYTES = 2.1  # with the blocks that stick out


def memory_to_decode(kind: str, file: ImageFile, full_size: tuple[int, int], data: bytes) -> int:
    """Bytes at the peak, the file itself counted.

    Args:
        kind: as `headswap.data.decode` names formats.
        file: opened, perhaps drafted, not loaded.
        full_size: (width, height) before it was drafted.
        data: the whole file.
    """
    pixels = file.width * file.height
    each = _LOADED_BYTES.get(file.mode, RGB_BYTES) + RGB_BYTES
    if kind == "JPEG":
        kept = full_size[0] * full_size[1] * _coefficients(file, data) * _COEFFICIENT_BYTES
        return int(len(data) + pixels * each + kept) + SOME_BYTES
    texts = 4 if kind == "PPM" and file.tile[0][0] == "ppm_plain" else 0  # copies, and four bytes a number
    return len(data) * (1 + texts) + pixels * (each + _DECODER_BYTES[kind]) + SOME_BYTES


def _coefficients(file: Any, data: bytes) -> float:
    """How many coefficients of each pixel stay in memory: none, where one scan brings them all."""
    layers: list[tuple[int, int]] = [(wide, high) for _, wide, high, _ in file.layer]
    scan = data.rfind(
        b"\xff\xda", 0, file.fp.tell()
    )  # the header of the first scan ends where Pillow stopped
    if "progressive" not in file.info and data[scan + 4] == len(layers):
        return 0.0
    widest, highest = max(wide for wide, _ in layers), max(high for _, high in layers)
    return sum(wide * high for wide, high in layers) / (widest * highest)
