"""Bytes of any origin -> an upright RGB picture, or one sentence that says why not.

Flow:  bytes --kind by content--> header --size check--> pixels --rotation, white, RGB--> PIL.Image

Trusts nothing: the name's ending is ignored, formats come from a short list, the size is
checked before a pixel is decoded, and whatever Pillow raises becomes `UnreadablePicture`.
Colour profiles are ignored, as they were when the pretrained networks were made.
A JPEG is reduced while it is decoded, never below twice the side that is wanted: the same
rule in teaching, predicting and exports, so that all three see the same pixels.

Knows no classes, no networks and no folders.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from headswap.errors import UnreadablePicture
from headswap.hush import hush_pillow

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Kind = Literal["JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "HEIC", "AVIF"]

# Everything that Pillow and its decoders raise on damaged files (held by the mutation test).
# Image.DecompressionBombError is not an OSError; HEIC decoding raises RuntimeError.
DECODER_ERRORS: tuple[type[Exception], ...] = (
    OSError,  # includes UnidentifiedImageError and "image file is truncated"
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,  # IndexError, KeyError
    ArithmeticError,  # OverflowError, ZeroDivisionError
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

LEAST_PX = 256  # smaller wishes are read as this one, so that most networks share the same pixels

_REMEDY = "Save it again as JPEG or PNG, or leave it out."
_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_FOREIGN = (  # what people drop in by mistake, so that the sentence can name it
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"DDS ", "a DDS texture"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"qoif", "a QOI picture"),
    (b"PK\x03\x04", "a zip"),
    (b"%PDF", "a PDF"),
    (b"<svg", "an SVG drawing"),
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(_TURNS[orientation] for orientation in (5, 6, 7, 8))
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class PictureLimits:
    """What is refused before it is decoded."""

    megapixels: float = 25.0  # width x height, in millions
    longest_to_shortest: float = 100.0  # a strip longer than this has nothing to show a network
    size_bytes: int = 200 * 2**20  # of the file


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded:
    """A picture and what it was before it was reduced."""

    image: Image.Image  # RGB, upright, no metadata
    kind: Kind
    width: int  # px, upright, before any reduction
    height: int


def read_picture(
    data: bytes, *, name: str, wanted_px: int | None = None, limits: PictureLimits | None = None
) -> Image.Image:
    """Decode one picture.

    Args:
        data: the file as it is, of any origin.
        name: what to call it in a sentence.
        wanted_px: the shorter side that will be needed; a JPEG is then decoded at a half, a
            quarter or an eighth of its size, still at least twice this. None: in full.
        limits: what is refused; None: the defaults.

    Returns:
        RGB, upright, transparency on white, the first frame of an animation.

    Raises:
        UnreadablePicture: not a picture, not one of the formats, damaged, cut short or too big.
    """
    return decode(data, name=name, wanted_px=wanted_px, limits=limits).image


def decode(
    data: bytes, *, name: str, wanted_px: int | None = None, limits: PictureLimits | None = None
) -> Decoded:
    """Decode one picture and say what it was: `read_picture` with the original size."""
    limits = limits or PictureLimits()
    kind = _kind_of(data, name)
    hush_pillow()
    try:
        file = _open(kind, data)
        width, height = file.size
        _check_size(width, height, name, limits)
        if kind == "JPEG" and wanted_px is not None:
            least = 2 * max(wanted_px, LEAST_PX)
            file.draft(None, (least, least))  # None keeps the mode
        file.load()
        if kind == "TIFF":  # Pillow has turned it while loading
            width, height = file.size
        turn = _turn_of(file)
        image = _to_rgb(file)
        if turn is not None:
            image = image.transpose(turn)
    except DECODER_ERRORS as error:
        raise _refusal(error, kind, name) from error
    if turn in _SIDEWAYS:
        width, height = height, width
    return Decoded(image=image, kind=kind, width=width, height=height)


def shown_name(name: str, *, most: int = 80) -> str:
    """A file name that is safe in a sentence: no control or direction marks, cut in the middle."""
    plain = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))
    if len(plain) <= most:
        return plain
    return f"{plain[: most - 20]}…{plain[-19:]}"


def _kind_of(data: bytes, name: str) -> Kind:
    """Tell the format by the first bytes; anything outside the list is refused."""
    for start, kind in _SIGNATURES:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        boxes = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        brands = {boxes[at : at + 4] for at in range(0, len(boxes), 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "HEIC"
        raise UnreadablePicture(f"{shown_name(name)} is a film, not a picture.", remedy=_REMEDY)
    if not data:
        raise UnreadablePicture(f"{shown_name(name)} is empty.", remedy=_REMEDY)
    for start, words in _FOREIGN:
        if data.startswith(start):
            raise UnreadablePicture(f"{shown_name(name)} is {words}, which is not read here.", remedy=_REMEDY)
    raise UnreadablePicture(f"{shown_name(name)} is not a picture.", remedy=_REMEDY)


# Not Image.open: it raises on large sizes before it tells them. JPEG also reads the first picture of an MPO.
_READERS: dict[Kind, tuple[str, str]] = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
}


def _open(kind: Kind, data: bytes) -> ImageFile:
    """Read the header of one format; no pixel is decoded yet."""
    module, reader = _READERS[kind]
    file: ImageFile = getattr(import_module(module), reader)(BytesIO(data))
    return file


def import_readers() -> None:
    """Import whatever a picture may need, ahead of a moment when nothing more can be opened."""
    for module, _ in _READERS.values():
        import_module(module)
    import_module("PIL.ImageCms")
    hush_pillow()


def _check_size(width: int, height: int, name: str, limits: PictureLimits) -> None:
    if width * height > limits.megapixels * 1e6:
        raise UnreadablePicture(
            f"{shown_name(name)} is {width} x {height} pixels; "
            f"the limit is {limits.megapixels:g} megapixels.",
            remedy="Make it smaller, or leave it out.",
        )
    if max(width, height) > limits.longest_to_shortest * min(width, height):
        raise UnreadablePicture(
            f"{shown_name(name)} is {width} x {height} pixels, a strip too narrow to show anything.",
            remedy="Crop it to what matters, or leave it out.",
        )


def _turn_of(file: ImageFile) -> Image.Transpose | None:
    """How to put it upright. Asked after loading: TIFF and HEIC readers turn it themselves."""
    try:
        return _TURNS.get(file.getexif().get(_EXIF_ORIENTATION, 1))
    except DECODER_ERRORS:  # damaged metadata is no reason to lose the picture
        return None


def _to_rgb(file: Image.Image) -> Image.Image:
    """Any mode to RGB without losing range; a new image, so that no metadata goes along."""
    if file.mode == "F" or file.mode.startswith("I"):
        return _grey_to_rgb(file)
    if file.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(file, lab, srgb, outputMode="RGB")
        return turned if turned is not None else file.convert("RGB")
    if file.has_transparency_data:
        see_through = file.convert("RGBA")
        white = Image.new("RGB", file.size, "white")
        white.paste(see_through, mask=see_through.getchannel("A"))
        return white
    image = file.copy() if file.mode == "RGB" else file.convert("RGB")
    image.info = {}
    return image


def _grey_to_rgb(file: Image.Image) -> Image.Image:
    """Deep grey to 8 bits: the brightest value that the format can hold becomes white.

    That is 65535 for 16 bits; 4095 where nothing is brighter, as 12-bit cameras write; for
    32-bit and decimal numbers, which have no such value, the picture's own range.
    """
    values = np.asarray(file)  # (H, W) uint16, int32 or float32
    opaque = values != file.info.get("transparency", np.nan)
    if file.mode.startswith("I;16"):
        low, high = 0.0, 4095.0 if values.max(initial=0) <= 4095 else 65535.0
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        if low >= 0 and high <= 255:
            low, high = 0.0, 1.0 if file.mode == "F" and high <= 1 else 255.0
    span = max(high - low, 1e-12)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = (np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low) - low) / span
    grey = np.clip(levels * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(np.where(opaque, grey, np.uint8(255))).convert("RGB")


def _refusal(error: Exception, kind: Kind, name: str) -> UnreadablePicture:
    if isinstance(error, MemoryError):
        return UnreadablePicture(f"{shown_name(name)} needs more memory than there is.", remedy=_REMEDY)
    if re.search(r"truncat|end of (file|data)|EOF|incomplete", str(error), re.IGNORECASE):
        return UnreadablePicture(f"{shown_name(name)} is cut short.", remedy=_REMEDY)
    article = "an" if kind == "AVIF" else "a"
    return UnreadablePicture(
        f"{shown_name(name)} is damaged: it begins like {article} {kind} picture but cannot be decoded.",
        remedy=_REMEDY,
    )
