"""Images that headswap keeps: upright, RGB, without metadata, shorter side at most 640 px.

Flow:  decoded image --keep--> <sha256>.jpg or .png --reread--> the same pixels, again and again

A JPEG stays a JPEG; everything else is kept without loss.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL.Image import Resampling

from headswap.data import decode
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import UnopenedFile
from headswap.storage.files import write_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

STORE_PX = 640  # shorter side of an image kept in a store
LOSSY: tuple[decode.Kind, ...] = ("JPEG", "HEIC", "AVIF")


def keep(image: Image, sha256: str, store: Path, *, lossy: bool) -> tuple[str, Image]:
    """Write an image into the store; returns its name there and the image as it will be read again."""
    shorter = min(image.size)
    if shorter > STORE_PX:
        width, height = (max(1, round(side * STORE_PX / shorter)) for side in image.size)
        image = image.resize((width, height), Resampling.LANCZOS)
    name = f"{sha256}.jpg" if lossy else f"{sha256}.png"
    file = BytesIO()
    if lossy:
        image.save(file, "JPEG", quality=95, subsampling=0)
        image = decode.read_image(file.getvalue(), name=name)  # what `reread` will see
    else:
        image.save(file, "PNG", compress_level=1)
    if not (store / name).exists():
        write_bytes(store / name, file.getvalue())
    return name, image


def reread(manifest: Manifest, image: ImageRecord, wanted_px: int | None = None) -> Image:
    """Decode an image of a manifest again: the same pixels that `take_in` gave to `prepare`.

    Raises:
        UnreadableImage: it has gone, or is not what it was.
    """
    return decode.read_image(bytes_of(manifest, image), name=image.file, wanted_px=wanted_px)


def bytes_of(manifest: Manifest, image: ImageRecord) -> bytes:
    """The file of an image of a manifest.

    Raises:
        UnopenedFile: it has gone, or cannot be opened, at least for this machine.
    """
    name = decode.shown_name(image.file)
    try:
        return manifest.path(image).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnopenedFile(f"{name} is no longer where it was.", remedy="Give the pictures again.") from error
    except OSError as error:
        raise UnopenedFile(
            f"{name} cannot be opened: {error.strerror or 'the disk does not give it'}.",
            remedy="Check that you may read it, then start again.",
        ) from error
