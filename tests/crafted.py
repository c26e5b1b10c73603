"""Pictures that cost nothing to make: huge JPEGs of nothing but zero bits, and PPM in every form."""

from __future__ import annotations

import struct

import numpy as np


def grey_jpeg(
    width: int, height: int, *, progressive: bool = False, halved: bool = False, separate: bool = False
) -> bytes:
    """A grey RGB JPEG of any size: its only code word is one zero bit, "no change"; all else is zeros.

    Args:
        width, height: in pixels.
        progressive: one scan of the first coefficients only, as a progressive file begins.
        halved: the colours are kept at half the size (4:2:0).
        separate: a baseline file with a scan for each colour.
    """

    def part(marker: int, content: bytes) -> bytes:
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content

    layers = [(1, 0x22 if halved else 0x11), (2, 0x11), (3, 0x11)]
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(bytes([n, size, 0]) for n, size in layers)
    table = bytes([1] + [0] * 15) + b"\0"  # one code word, of one bit
    head = b"\xff\xd8" + part(0xDB, b"\0" + bytes([1] * 64)) + part(0xC2 if progressive else 0xC0, frame)
    head += part(0xC4, b"\x00" + table) + part(0xC4, b"\x10" + table)
    blocks = -(-width // 8) * -(-height // 8) * (1.5 if halved else 3) + 4 * (width + height)
    zeros = b"\0" * int(blocks * (1 if progressive else 2) / 8 + 64)
    ends = b"\0\0\0" if progressive else b"\0\x3f\0"
    scans = [[n] for n, _ in layers] if separate else [[n for n, _ in layers]]
    body = b"".join(
        part(0xDA, bytes([len(scan)]) + b"".join(bytes([n, 0]) for n in scan) + ends)
        + (zeros[: len(zeros) // 3 + 64] if separate else zeros)
        for scan in scans
    )
    return head + body + b"\xff\xd9"


def netpbm(kind: int, values: np.ndarray, white: int = 255, *, comment: str = "") -> bytes:
    """The values as P1 to P6; (H, W) for ink and grey, (H, W, 3) for colour."""
    height, width = values.shape[:2]
    said = f"# {comment}\n" if comment else ""
    top = f"P{kind}\n{said}{width} {height}\n" + ("" if kind in (1, 4) else f"{white}\n")
    if kind == 4:
        return top.encode() + np.packbits(values.astype(np.uint8), axis=1).tobytes()
    if kind in (5, 6):
        return top.encode() + values.astype(np.uint8 if white < 256 else ">u2").tobytes()
    rows = [" ".join(map(str, row)) for row in values.reshape(height, -1)]
    return (top + f"\n{said}".join(rows) + "\n").encode()
