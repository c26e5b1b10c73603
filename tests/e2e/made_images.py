"""JPEG and PNG of every kind, made here: what a decoder may get wrong, and what is damaged.

Each function yields (name, bytes); the same names give the same bytes. The content comes from one drawing
with edges, soft slopes and noise.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

Named = Iterator[tuple[str, bytes]]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SIZES = [(1, 1), (2, 3), (3, 2), (5, 7), (8, 8), (9, 17), (16, 16), (17, 33), (31, 15), (40, 39)]
LARGE = [(255, 257), (340, 281), (1025, 1030)]  # the last is reduced while it is decoded
XMP = '<rdf:Description tiff:Orientation{}"/>'


@cache  # one is saved in many ways
def drawing(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of this size."""
    rng = np.random.default_rng([width, height, seed])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slopes = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + 2 * y) % 256], axis=-1)
    edges = 90 * (((x // 7 + y // 5 + seed) % 3)[..., None] - 1) * np.array([1.0, -0.6, 0.4], np.float32)
    noise = rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(slopes + edges + noise, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    """The bytes of a file."""
    file = BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def jpegs() -> Named:
    """Sampling, scans, sizes, modes, restarts, qualities."""
    for width, height in SIZES + LARGE:
        for sampling in (0, 1, 2):
            for progressive in (False, True):
                quality = (30, 75, 85, 95)[(width + sampling) % 4]
                settings = {"quality": quality, "subsampling": sampling, "progressive": progressive}
                name = f"{width}x{height}, sampling {sampling}, progressive {progressive}.jpg"
                yield name, saved(drawing(width, height), "JPEG", **settings)
    for width, height in SIZES[3:] + LARGE:
        for mode in ("L", "CMYK"):
            whole = saved(drawing(width, height).convert(mode), "JPEG", quality=80)
            yield f"{width}x{height} {mode}.jpg", whole
            if mode == "CMYK":
                yield f"{width}x{height} YCCK.jpg", with_adobe(whole, 2)
    for interval in (1, 3, 50):
        image = drawing(403, 355)
        yield f"restart {interval}.jpg", saved(image, "JPEG", restart_marker_blocks=interval)
        settings = {"restart_marker_rows": interval, "progressive": True}
        yield f"restart {interval}, progressive.jpg", saved(image, "JPEG", **settings)
    for quality in (1, 5, 100):
        noise = np.random.default_rng(quality).integers(0, 256, (267, 550, 3), dtype=np.uint8)
        yield f"noise of quality {quality}.jpg", saved(Image.fromarray(noise), "JPEG", quality=quality)
    yield from other_samplings()
    yield from odd_headers()


def other_samplings() -> Named:
    """4:4:0, 4:1:1 and rarer ones: what was saved as 4:2:2 or 4:2:0, its units laid otherwise."""
    for name, factors, from_sampling, unit, before in (
        ("440", 0x12, 1, (8, 16), (16, 8)),
        ("411", 0x41, 2, (32, 8), (16, 16)),
        ("410 tall", 0x14, 2, (8, 32), (16, 16)),
    ):
        for across, down, cut_x, cut_y in (
            (1, 1, 3, 5),
            (2, 3, 0, 1),
            (5, 4, 7, 6),
            (70, 67, 1, 0),
            (20, 31, 5, 5),
        ):
            image = drawing(across * before[0], down * before[1])
            whole = bytearray(saved(image, "JPEG", subsampling=from_sampling, quality=88))
            frame = whole.index(b"\xff\xc0")
            size = struct.pack(">HH", down * unit[1] - cut_y, across * unit[0] - cut_x)
            whole[frame + 5 : frame + 9], whole[frame + 11] = size, factors
            yield f"{name}, {across} x {down} units.jpg", bytes(whole)


def odd_headers() -> Named:
    """Colour spaces told by marks alone, what stands before and behind, and what is not read at all."""
    whole = saved(drawing(61, 47), "JPEG", quality=85)
    plain = whole[:2] + whole[2 + 2 + struct.unpack(">H", whole[4:6])[0] :]  # without JFIF
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
    yield "without JFIF.jpg", plain
    for transform in (0, 1, 2):
        yield f"Adobe {transform}.jpg", plain[:2] + adobe + bytes([transform]) + plain[2:]
    yield "RGB by its letters.jpg", with_ids(plain, b"RGB")
    yield "strange letters.jpg", with_ids(plain, b"\x05\x07\x09")
    yield "more behind.jpg", whole + b"\xff\xd9 and more" * 9
    yield "padding.jpg", whole[:2] + b"\xff" * 9 + whole[2:]
    yield "junk between markers.jpg", whole[:2] + b"junk" + whole[2:]
    frame = whole.index(b"\xff\xc0")
    for precision in (12, 16):
        yield f"{precision} bits.jpg", whole[: frame + 4] + bytes([precision]) + whole[frame + 5 :]
    for marker in (0xC1, 0xC3, 0xC5, 0xC7, 0xCB):
        yield f"frame {marker:x}.jpg", whole[: frame + 1] + bytes([marker]) + whole[frame + 2 :]
    yield "reserved marker.jpg", whole[:2] + b"\xff\x02\x00\x04ab" + whole[2:]
    yield "frame twice.jpg", whole[:frame] + whole[frame : frame + 19] + whole[frame:]
    tables = whole.index(b"\xff\xc4")
    yield "without tables, as films are.jpg", whole[:tables] + whole[whole.index(b"\xff\xda") :]
    yield "arithmetic marker.jpg", whole[:2] + b"\xff\xcc\x00\x04\x00\x10" + whole[2:]
    yield "bad arithmetic marker.jpg", whole[:2] + b"\xff\xcc\x00\x04\x00\x01" + whole[2:]
    yield "note of length 0.jpg", whole[:2] + b"\xff\xe5\x00\x00" + whole[2:]
    yield "nonsense behind.jpg", whole[:-2] + b"\xff\x03\xff\xd9"
    yield "table behind.jpg", whole[:-2] + b"\xff\xc4\x00\x40" + bytes(17) + b"\xff\xd9"
    yield "half a note behind.jpg", whole[:-2] + b"\xff\xe5\x10\x00and no more"
    yield "strip.jpg", saved(drawing(5, 510), "JPEG")
    yield "strip too long.jpg", saved(drawing(5, 501), "JPEG")


def with_adobe(whole: bytes, transform: int) -> bytes:
    at = whole.index(b"Adobe")
    return whole[: at + 11] + bytes([transform]) + whole[at + 12 :]


def with_ids(whole: bytes, ids: bytes) -> bytes:
    """The components renamed in the frame and in the only scan."""
    changed = bytearray(whole)
    frame, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")
    for number, letter in enumerate(ids):
        changed[frame + 10 + 3 * number] = letter
        changed[scan + 5 + 2 * number] = letter
    return bytes(changed)


def turned() -> Named:
    """EXIF and XMP orientation, in both formats, and metadata that is odd."""
    image = drawing(61, 40)
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x112] = orientation
        xmp = XMP.format(f'="{orientation}').encode()
        for kind in ("JPEG", "PNG"):
            yield f"EXIF {orientation}.{kind}", saved(image, kind, exif=exif)
        yield f"XMP {orientation}.jpg", saved(image, "JPEG", xmp=xmp)
        for packed in (False, True):
            text = PngImagePlugin.PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=packed)
            yield f"XMP {orientation}, packed {packed}.png", saved(image, "PNG", pnginfo=text)
    element = XMP.format(">6<").encode()
    both = Image.Exif()
    both[0x112] = 3
    yield "XMP element.jpg", saved(image, "JPEG", xmp=element)
    yield "EXIF and XMP.jpg", saved(image, "JPEG", xmp=element, exif=both)
    without = Image.Exif()
    without[0x10F] = "a camera with a long name"
    yield "XMP, EXIF without it.jpg", saved(image, "JPEG", xmp=element, exif=without)
    for order in "<>":
        for field_type, form in (
            (1, "B3x"),
            (2, "B3x"),
            (3, "H2x"),
            (4, "I"),
            (6, "b3x"),
            (8, "h2x"),
            (9, "i"),
            (13, "I"),
        ):
            entry = struct.pack(f"{order}HHI{form}", 0x112, field_type, 1, 6)
            yield f"EXIF type {field_type} {order}.jpg", saved(image, "JPEG", exif=tiff(order, entry))
        twice = struct.pack(f"{order}HHIHH", 0x112, 3, 2, 8, 3)
        beyond = struct.pack(f"{order}HHII", 0x10F, 2, 99, 900)
        yield f"EXIF with two values {order}.jpg", saved(image, "JPEG", exif=tiff(order, twice))
        yield f"EXIF cut {order}.jpg", saved(image, "JPEG", exif=tiff(order, twice)[:-9])
        yield f"EXIF behind a bad entry {order}.jpg", saved(image, "JPEG", exif=tiff(order, beyond, twice))
        yield f"EXIF before a bad entry {order}.jpg", saved(image, "JPEG", exif=tiff(order, twice, beyond))
    yield "EXIF of nothing.jpg", saved(image, "JPEG", exif=b"Exif\0\0")
    yield "EXIF of noise, and XMP.jpg", saved(image, "JPEG", exif=b"Exif\0\0noise noise", xmp=element)
    half = tiff("<", struct.pack("<HHIHH", 0x112, 3, 1, 6, 0))
    whole = saved(image, "JPEG", exif=half[:20])
    rest = b"Exif\0\0" + half[20:]
    at = whole.index(b"\xff\xdb")
    yield (
        "EXIF in two segments.jpg",
        whole[:at] + b"\xff\xe1" + struct.pack(">H", len(rest) + 2) + rest + whole[at:],
    )
    hexed = f"\nexif\n    {len(half)}\n{half.hex()}\n"
    for packed in (False, True):
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type exif", hexed, zip=packed)
        yield f"EXIF in hexadecimal, packed {packed}.png", saved(image, "PNG", pnginfo=text)


def tiff(order: str, *entries: bytes) -> bytes:
    """An EXIF block with these entries."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}H", len(entries))
    return b"Exif\0\0" + head + struct.pack(f"{order}I", 8) + count + b"".join(entries) + bytes(4)


def pngs() -> Named:
    """Every colour type and depth, transparency, interlace, filters."""
    for width, height in [*SIZES, (333, 251)]:
        rng = np.random.default_rng(width)
        for colour, depths in (
            (0, (1, 2, 4, 8, 16)),
            (2, (8, 16)),
            (3, (1, 2, 4, 8)),
            (4, (8, 16)),
            (6, (8, 16)),
        ):
            for depth in depths:
                for interlaced in (False, True):
                    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
                    values = rng.integers(0, 2**depth, (height, width, channels))
                    extra = chunk(b"PLTE", rng.bytes(3 * 2**depth)) if colour == 3 else b""
                    name = f"{width}x{height}, colour {colour}, {depth} bits, interlaced {interlaced}.png"
                    yield name, raw_png(values, depth, colour, interlaced=interlaced, extra=extra)
    yield from clear_pngs()
    image = drawing(333, 251)
    for settings in ({"compress_level": 0}, {"compress_level": 1}, {"optimize": True}):
        yield f"{settings}.png", saved(image, "PNG", **settings)
    yield "flat.png", saved(Image.new("RGB", (700, 900), (9, 99, 199)), "PNG")
    yield "fixed codes.png", saved(image, "PNG", compress_type=zlib.Z_FIXED)
    yield "codes alone.png", saved(image, "PNG", compress_type=zlib.Z_HUFFMAN_ONLY)
    yield (
        "deep, dark.png",
        saved(Image.fromarray((np.asarray(image.convert("L")) * 16).astype(np.uint16)), "PNG"),
    )
    yield (
        "16 bits, all of them.png",
        saved(Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256)), "PNG"),
    )


def clear_pngs() -> Named:
    """tRNS in every form."""
    rng = np.random.default_rng(7)
    for depth in (1, 2, 4, 8, 16):
        values = rng.integers(0, 2**depth, (21, 19, 1))
        for clear in {0, 1, 85, 255, int(values[3, 3, 0]), 256, 65535}:
            yield f"grey of {depth} bits, {clear} clear.png", raw_png(values, depth, 0, extra=trns(clear))
    for depth in (8, 16):
        values = rng.integers(0, 2**depth, (21, 19, 3))
        values[:4] = values[5, 5]
        yield f"colour of {depth} bits, one clear.png", raw_png(values, depth, 2, extra=trns(*values[5, 5]))
        high = [int(value) >> (depth - 8) for value in values[5, 5]]
        yield (
            f"colour of {depth} bits, its high bytes clear.png",
            raw_png(values, depth, 2, extra=trns(*high)),
        )
    for depth in (1, 2, 4, 8):
        values = rng.integers(0, 2**depth, (21, 19, 1))
        palette = chunk(b"PLTE", rng.bytes(3 * 2**depth))
        for name, alphas in (("one", b"\xff\x00"), ("some", b"\x80\x20\xff"[: 2**depth]), ("none", b"")):
            yield (
                f"palette of {depth} bits, {name} clear.png",
                raw_png(values, depth, 3, extra=palette + chunk(b"tRNS", alphas)),
            )
        short = chunk(b"PLTE", rng.bytes(3 * (2**depth // 2)))
        yield f"short palette of {depth} bits.png", raw_png(values, depth, 3, extra=short)


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", b"".join(struct.pack(">H", int(value)) for value in values))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def raw_png(
    values: NDArray[Any],
    depth: int,
    colour: int,
    *,
    interlaced: bool = False,
    extra: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """A file with exactly these numbers (H, W, channels), each row with a filter of its own."""
    height, width = values.shape[:2]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    lines = b"".join(
        filtered(values[y::dy, x::dx], depth) for x, y, dx, dy in passes if x < width and y < height
    )
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(lines, 6)
    parts = [data[at : at + 777] for at in range(0, len(data), 777)]
    body = chunk(b"IHDR", head) + extra + b"".join(chunk(b"IDAT", part) for part in parts)
    return SIGNATURE + body + behind + chunk(b"IEND", b"")


def filtered(values: NDArray[Any], depth: int) -> bytes:
    """Rows as they are compressed: the five filters in turn."""
    height = values.shape[0]
    flat = values.reshape(height, -1)
    if depth == 16:
        rows = flat.astype(">u2").view(np.uint8)
    elif depth == 8:
        rows = flat.astype(np.uint8)
    else:
        bits = (flat[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    apart = max(values.shape[2] * depth // 8, 1)
    lines, above = [], np.zeros(rows.shape[1], np.int32)
    for number, row in enumerate(rows.astype(np.int32)):
        left = np.concatenate([np.zeros(apart, np.int32), row])[: len(row)]
        corner = np.concatenate([np.zeros(apart, np.int32), above])[: len(row)]
        guesses = (0 * row, left, above, (left + above) // 2, paeth(left, above, corner))
        lines.append(bytes([number % 5]) + (row - guesses[number % 5]).astype(np.uint8).tobytes())
        above = row
    return b"".join(lines)


def paeth(left: NDArray[Any], above: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    guess = left + above - corner
    far = [abs(guess - one) for one in (left, above, corner)]
    second = np.where(far[1] <= far[2], above, corner)
    return np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, second)


def damaged() -> Named:
    """Cut short and changed at random places: to be refused, or read to the same odd pixels."""
    rng = random.Random(5)
    image = drawing(160, 120)
    jpeg, layered = saved(image, "JPEG"), saved(image, "JPEG", progressive=True)
    restarted = saved(image, "JPEG", restart_marker_blocks=4)
    png, interlaced = saved(image, "PNG"), raw_png(np.asarray(image), 8, 2, interlaced=True)
    files = {
        "jpg": jpeg,
        "progressive.jpg": layered,
        "restarts.jpg": restarted,
        "png": png,
        "interlaced.png": interlaced,
    }
    for name, whole in files.items():
        for cut in [1, 2, 3, 4, 5, 9, 13, 17, 20, len(whole) - 3, *rng.sample(range(len(whole)), 12)]:
            yield f"cut by {cut}.{name}", whole[:-cut]
        for number in range(30):
            spoilt = bytearray(whole)
            for _ in range(1 + number % 3):
                spoilt[rng.randrange(8, len(whole))] = rng.randrange(256)
            yield f"spoilt {number}.{name}", bytes(spoilt)
        at = len(whole) // 2
        yield f"hole.{name}", whole[:at] + whole[at + 40 :]
        yield f"zeros.{name}", whole[:at] + bytes(60) + whole[at + 60 :]
    for number in range(12):
        markers = [
            i for i in range(len(restarted) - 1) if restarted[i] == 0xFF and 0xD0 <= restarted[i + 1] <= 0xD7
        ]
        spoilt = bytearray(restarted)
        spoilt[rng.choice(markers) + 1] = rng.choice([0xD0, 0xD1, 0xD2, 0xD5, 0xD7, 0x00, 0xD9, 0xE5, 0x41])
        yield f"restart marker {number}.jpg", bytes(spoilt)
    yield "nothing.jpg", b""
    yield "text.jpg", b"hello, this is no picture"
    yield from damaged_chunks(image)


def damaged_chunks(image: Image.Image) -> Named:
    """Chunks of a PNG that are too short, twice, late, or wrong."""
    values = np.asarray(image.resize((30, 20)))
    for name in (
        b"gAMA",
        b"sRGB",
        b"pHYs",
        b"cHRM",
        b"iCCP",
        b"tRNS",
        b"eXIf",
        b"tEXt",
        b"zTXt",
        b"iTXt",
        b"acTL",
        b"fcTL",
    ):
        for body in (b"", b"\0", b"ab\0\0cd", b"ab\0\1cd", bytes(26)):
            label = f"{name.decode()} of {len(body)} {body[:4]!r}.png"
            yield f"before: {label}", raw_png(values, 8, 2, extra=chunk(name, body))
            yield f"behind: {label}", raw_png(values, 8, 2, behind=chunk(name, body))
    good = raw_png(values, 8, 2)
    yield "wrong sum.png", raw_png(values, 8, 2, extra=chunk(b"tEXt", b"a\0b")[:-1] + b"!")
    yield "clear behind.png", raw_png(values, 8, 2, behind=trns(*values[0, 0]))
    yield (
        "turned behind.png",
        raw_png(values, 8, 2, behind=chunk(b"eXIf", tiff("<", struct.pack("<HHIHH", 0x112, 3, 1, 6, 0))[6:])),
    )
    yield "without an end.png", good[:-12]
    yield "wrong colour type.png", raw_png(values, 8, 5)
    yield "palette without colours.png", raw_png(values[..., :1], 8, 3)
    yield (
        "a bomb of text.png",
        raw_png(values, 8, 2, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**21)))),
    )
    lines = filtered(values, 8)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 20, 8, 2, 0, 0, 0))
    for title, data in (
        ("few rows, ended", zlib.compress(lines[: 91 * 7])),
        ("half a row, ended", zlib.compress(lines[: 91 * 7 + 40])),
        ("more rows", zlib.compress(lines + lines)),
        ("wrong check", zlib.compress(lines)[:-1] + b"!"),
        ("without check", zlib.compress(lines)[:-4]),
        ("half a check", zlib.compress(lines)[:-2]),
        ("check without a byte", zlib.compress(lines)[:-4] + zlib.compress(lines)[-3:]),
        ("junk behind", zlib.compress(lines) + b"junk"),
        ("stored", zlib.compress(lines, 0)),
        ("stored, cut", zlib.compress(lines, 0)[:-9]),
        ("filter 9", zlib.compress(b"\x09" + lines[1:])),
        ("no data", b""),
    ):
        yield f"{title}.png", SIGNATURE + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")
        pieces = b"".join(chunk(b"IDAT", bytes([byte])) for byte in data)
        yield f"{title}, byte by byte.png", SIGNATURE + head + pieces + chunk(b"IEND", b"")


def large() -> Named:
    """A few of up to 17 megapixels, reduced by 2, 4, 8 and 4: hardly larger than each factor asks for."""
    yield "1036x1348.jpg", saved(mosaic(1036, 1348), "JPEG", quality=85)
    yield "2700x2052.jpg", saved(mosaic(2700, 2052), "JPEG", quality=85, subsampling=2)
    yield "4100x4110, progressive.jpg", saved(mosaic(4100, 4110), "JPEG", quality=70, progressive=True)
    yield "2050x2060.jpg", saved(mosaic(2050, 2060).convert("CMYK"), "JPEG", quality=60)
    yield "1300x1000.png", saved(mosaic(1300, 1000), "PNG", compress_level=1)


def mosaic(width: int, height: int) -> Image.Image:
    """Small drawings side by side: quick to make, and as hard to compress."""
    image, tile = Image.new("RGB", (width, height)), drawing(509, 503)
    for top in range(0, height, tile.height):
        for left in range(0, width, tile.width):
            image.paste(tile, (left, top))
    return image
