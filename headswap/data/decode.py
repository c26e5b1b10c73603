"""Bytes of any origin -> an upright RGB image, or one sentence that says why not.

Flow:  bytes --open_image: kind, size, memory--> OpenImage --decode: rotation, white, RGB--> Decoded

The one rule for every way in: formats, limits and words are the same for folder, zip, camera, page, shell
and API. Trusts nothing: the name's ending is ignored, formats come from a short list, size and memory
are checked before a pixel is decoded, and whatever Pillow raises becomes `UnreadableImage`.
Colour profiles are ignored, as they were when the pretrained networks were made.
A JPEG is reduced while it is decoded, never below twice the side that is wanted: the same
rule in training, predicting and exports, so that all three see the same pixels. Only features of images that
are read again may come from a GPU's decoder (docs/decisions/0024-gpu-and-apple-machines.md).

Knows no classes, no networks and no folders.
"""

from __future__ import annotations

import ctypes
import logging
import re
import struct
import unicodedata
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from headswap.data.decoding_memory import memory_to_decode
from headswap.data.netpbm import netpbm_levels
from headswap.data.rgb import to_rgb
from headswap.errors import UnreadableImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


# What libraries say about odd files stays off the screen: a person is told in one sentence instead.
def silence_pillow() -> None:
    """Keep Pillow's remarks about odd files off the screen, in its log and as warnings.

    `warnings.catch_warnings` is not safe in threads: one filter for Pillow's modules is put in and stays.
    """
    pillow = logging.getLogger("PIL")
    if not pillow.handlers:
        pillow.addHandler(logging.NullHandler())
    if ("ignore", None, Warning, re.compile(r"PIL\."), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        _silence_libtiff()


def _silence_libtiff() -> None:
    """libtiff writes to the screen by itself; where it is found (Linux), it is told not to."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines() if maps.is_file() else []
    for path in {line.split(maxsplit=5)[-1] for line in lines if "libtiff" in line}:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)  # the one that Pillow has loaded, not another
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)


Kind = Literal["JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "HEIC", "AVIF", "PPM"]

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

# What image files are called: for file choosers, and to tell a lost image from a note next to it.
ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
    ".heic", ".heif", ".hif", ".avif", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip

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
_NETPBM = re.compile(rb"P[1-6]\s+[#\d]")
_FOREIGN = (  # what people drop in by mistake, so that the sentence can name it
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"DDS ", "a DDS texture"),
    (b"8BPS", "a Photoshop file"),
    (b"PF\n", "a PFM picture"),
    (b"Pf\n", "a PFM picture"),
    (b"P7\n", "a PAM picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"qoif", "a QOI picture"),
    (b"PK\x03\x04", "a zip"),
    (b"%PDF", "a PDF"),
    (b"<svg", "an SVG drawing"),
)
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(_TRANSPOSES[orientation] for orientation in (5, 6, 7, 8))
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What is refused before it is decoded."""

    megapixels: float = 200.0  # width x height, in millions
    longest_to_shortest: float = 100.0  # a strip longer than this has nothing to show a network
    size_bytes: int = 200 * 2**20  # of the file
    memory_bytes: int = 1_800_000_000  # that decoding may take, all at once; 0: no limit
    megapixels_setting: str = ""  # what a person may change to be allowed more, where there is such a thing
    memory_setting: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded:
    """An image and what it was before it was reduced."""

    image: Image.Image  # RGB, upright, no metadata
    kind: Kind
    width: int  # px, upright, before any reduction
    height: int


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenImage:
    """An image that is allowed by its header; no pixel is decoded yet."""

    name: str
    kind: Kind
    width: int  # px, as the header says
    height: int
    memory_bytes: int  # that decoding will take, at most
    file: ImageFile
    data: bytes

    @property
    def is_upright(self) -> bool:
        """Whether a JPEG lies as it is shown, so that a decoder need not know of rotations."""
        return _transpose_of(self.file) is None

    def decode(self) -> Decoded:
        """Decode it, once.

        Raises:
            UnreadableImage: it is damaged or cut short.
        """
        width, height = self.width, self.height
        try:
            transpose, image = _upright_rgb(self.kind, self.file, self.data)
            if self.kind == "TIFF":  # Pillow has turned it while loading
                width, height = image.size
            self.file.close()  # lets its pixels go
            if transpose is not None:
                image = image.transpose(transpose)
        except DECODER_ERRORS as error:
            raise _refusal(error, self.kind, self.name) from error
        if transpose in _SIDEWAYS:
            width, height = height, width
        return Decoded(image=image, kind=self.kind, width=width, height=height)


def read_image(
    data: bytes, *, name: str, wanted_px: int | None = None, limits: ImageLimits | None = None
) -> Image.Image:
    """Decode one image.

    Args:
        data: the file as it is, of any origin.
        name: what to call it in a sentence.
        wanted_px: the shorter side that will be needed; a JPEG is then decoded at a half, a
            quarter or an eighth of its size, still at least twice this. None: in full.
        limits: what is refused; None: the defaults.

    Returns:
        RGB, upright, transparency on white, the first frame of an animation.

    Raises:
        UnreadableImage: not an image, not one of the formats, damaged, cut short or too big.
    """
    return decode(data, name=name, wanted_px=wanted_px, limits=limits).image


def decode(
    data: bytes, *, name: str, wanted_px: int | None = None, limits: ImageLimits | None = None
) -> Decoded:
    """Decode one image and say what it was: `read_image` with the original size."""
    return open_image(data, name=name, wanted_px=wanted_px, limits=limits).decode()


def open_image(
    data: bytes, *, name: str, wanted_px: int | None = None, limits: ImageLimits | None = None
) -> OpenImage:
    """Read the header only: what it is, how large, and how much memory it will take (see `read_image`).

    Raises:
        UnreadableImage: not an image, not one of the formats, damaged or too big.
    """
    limits = limits or ImageLimits()
    check_file_size(len(data), name, limits)
    kind = _kind_of(data, name)
    silence_pillow()
    try:
        file = _open(kind, data)
        width, height = file.size
        _check_size(width, height, name, limits)
        if kind == "JPEG" and wanted_px is not None:
            least = 2 * max(wanted_px, LEAST_PX)
            file.draft(None, (least, least))  # None keeps the mode
        need = memory_to_decode(kind, file, (width, height), data)
    except DECODER_ERRORS as error:
        raise _refusal(error, kind, name) from error
    opened = OpenImage(
        name=name, kind=kind, width=width, height=height, memory_bytes=need, file=file, data=data
    )
    _check_memory(opened, limits)
    return opened


def check_file_size(size_bytes: int, name: str, limits: ImageLimits) -> None:
    """Refuse a file that is too large to be an image, if possible before it is read.

    Raises:
        UnreadableImage: it is.
    """
    if size_bytes > limits.size_bytes:
        raise UnreadableImage(
            f"{shown_name(name)} is larger than {limits.size_bytes // 2**20} MB.",
            remedy="Make it smaller, or leave it out.",
        )


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
        raise UnreadableImage(f"{shown_name(name)} is a film, not a picture.", remedy=_REMEDY)
    if _NETPBM.match(data):
        return "PPM"
    if not data:
        raise UnreadableImage(f"{shown_name(name)} is empty.", remedy=_REMEDY)
    for start, description in _FOREIGN:
        if data.startswith(start):
            raise UnreadableImage(
                f"{shown_name(name)} is {description}, which is not read here.", remedy=_REMEDY
            )
    raise UnreadableImage(f"{shown_name(name)} is not a picture.", remedy=_REMEDY)


# Not Image.open: it raises on large sizes before it tells them. JPEG also reads the first image of an MPO.
_READERS: dict[Kind, tuple[str, str]] = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
}


def _open(kind: Kind, data: bytes) -> ImageFile:
    """Read the header of one format; no pixel is decoded yet."""
    module, reader = _READERS[kind]
    file: ImageFile = getattr(import_module(module), reader)(BytesIO(data))
    return file


def import_readers() -> None:
    """Import whatever an image may need, ahead of a moment when nothing more can be opened."""
    for module, _ in _READERS.values():
        import_module(module)
    import_module("PIL.ImageCms")
    silence_pillow()


def _check_size(width: int, height: int, name: str, limits: ImageLimits) -> None:
    if min(width, height) < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    if width * height > limits.megapixels * 1e6:
        raise UnreadableImage(
            f"{shown_name(name)} is {width} x {height} pixels; "
            f"the limit is {limits.megapixels:g} megapixels{_in_brackets(limits.megapixels_setting)}.",
            remedy="Make it smaller, or leave it out.",
        )
    if max(width, height) > limits.longest_to_shortest * min(width, height):
        raise UnreadableImage(
            f"{shown_name(name)} is {width} x {height} pixels, a strip too narrow to show anything.",
            remedy="Crop it to what matters, or leave it out.",
        )


def _check_memory(opened: OpenImage, limits: ImageLimits) -> None:
    if not 0 < limits.memory_bytes < opened.memory_bytes:
        return
    megapixels = opened.width * opened.height / 1e6
    most = megapixels * limits.memory_bytes / opened.memory_bytes  # rounded down: what is said is let in
    how = "Make it smaller" if opened.kind == "JPEG" else "Save it as JPEG, make it smaller"
    raise UnreadableImage(
        f"{shown_name(opened.name)} is {opened.width} x {opened.height} pixels; the limit is {int(most)} "
        f"megapixels for {_article(opened.kind)} {opened.kind} picture of this sort"
        f"{_in_brackets(limits.memory_setting)}.",
        remedy=f"{how}, or leave it out.",
    )


def _in_brackets(setting: str) -> str:
    return f" ({setting})" if setting else ""


def _upright_rgb(kind: Kind, file: ImageFile, data: bytes) -> tuple[Image.Transpose | None, Image.Image]:
    """The pixels, RGB, and how to turn them upright."""
    levels = netpbm_levels(file, data) if kind == "PPM" else None
    if levels is not None:
        return None, Image.fromarray(levels).convert("RGB")
    file.load()
    return _transpose_of(file), to_rgb(file)


def _transpose_of(file: ImageFile) -> Image.Transpose | None:
    """How to put it upright. Asked after loading: TIFF and HEIC readers turn it themselves."""
    try:
        return _TRANSPOSES.get(file.getexif().get(_EXIF_ORIENTATION, 1))
    except DECODER_ERRORS:  # damaged metadata is no reason to lose the image
        return None


def _refusal(error: Exception, kind: Kind, name: str) -> UnreadableImage:
    if isinstance(error, MemoryError):
        return UnreadableImage(f"{shown_name(name)} needs more memory than there is.", remedy=_REMEDY)
    if re.search(r"truncat|end of (file|data)|EOF|incomplete", str(error), re.IGNORECASE):
        return UnreadableImage(f"{shown_name(name)} is cut short.", remedy=_REMEDY)
    begins = f"it begins like {_article(kind)} {kind} picture"
    return UnreadableImage(f"{shown_name(name)} is damaged: {begins} but cannot be decoded.", remedy=_REMEDY)


def _article(kind: Kind) -> str:
    return "an" if kind == "AVIF" else "a"
