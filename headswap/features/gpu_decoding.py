"""JPEGs decoded, resized and cut on a CUDA device, for images that are read again.

Flow:  file --encoded_image, in any thread--> EncodedImage --prepared_on_gpu--> (H, W, C) uint8, or None

nvJPEG decodes, through torchvision. Everything after that is what Pillow does, in the same order and with the
same rounding: reduced by whole factors as `decode.py` asks for, resized across and then down, cut as
`transforms.py` computes it. So the pixels differ by what the decoders round and how they enlarge colours that
were stored smaller. What cannot be decoded here is left to Pillow; no image is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from headswap.data.decode import open_image
from headswap.data.transforms import cut_of, fill_of, size_before_cut, wanted_px
from headswap.errors import UnreadableImage
from headswap.features.devices import release_memory
from headswap.network import InputSpec

_RESIZED_ALIKE = ("bilinear", "bicubic")  # by torch as by Pillow; the other filters torch has not
_MOST_PIXELS = 2**25  # of an image, and of all that are decoded at once: 400 MB as floats
_MOST_BYTES = 2**24  # of a file: many wait in memory
_IDS = [1, 2, 3]  # of the components, where they are luminance and colours; others may be red, green and blue
_TRIED = (200, 30, 90)  # a colour
_NEAR = 8  # of 255; for the first try only, which is to tell colours from noise


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedImage:
    """A JPEG that a GPU may decode: its header was read, and is one of the usual ones."""

    data: Tensor  # (B,) uint8, the file
    pixels: int
    factor: int  # by which Pillow would reduce it while it decodes: 1, 2, 4 or 8


@cache
def decodes_here() -> bool:
    """Whether torchvision decodes on this machine's GPU: tried once, with a small JPEG."""
    file = BytesIO()
    Image.new("RGB", (32, 16), _TRIED).save(file, "JPEG", quality=95)
    try:
        (tried,) = _decoded([_tensor_of(file.getvalue())])
        colours = tried.cpu().float().flatten(1)  # (3, pixels)
    except (ImportError, RuntimeError, ValueError, TypeError, AttributeError, OSError):  # no such build
        return False
    is_near = (colours - torch.tensor(_TRIED).view(3, 1)).abs().amax() <= _NEAR
    return tried.shape == (3, 16, 32) and bool(is_near)


def is_prepared_on_gpu(spec: InputSpec) -> bool:
    """Whether torch can prepare images for a network as Pillow does."""
    return spec.channels == 3 and spec.interpolation in _RESIZED_ALIKE


def encoded_image(data: bytes, spec: InputSpec) -> EncodedImage | None:
    """A file for the GPU; None: it is for Pillow, which also says what may be wrong with it.

    A JPEG of eight bits and three components, luminance and colours, upright, whole, and not too large.

    Args:
        data: the file as it is.
        spec: of the network that it is for.
    """
    try:
        opened = open_image(data, name="", wanted_px=wanted_px(spec))
    except UnreadableImage:
        return None
    file: Any = opened.file
    if opened.kind != "JPEG" or file.mode != "RGB" or [layer[0] for layer in file.layer] != _IDS:
        return None
    pixels = opened.width * opened.height
    is_usual = file.info.get("adobe_transform", 1) == 1 and opened.is_upright
    is_whole = data[-64:].rstrip(b"\0").endswith(b"\xff\xd9")  # not every decoder says that an end is missing
    if not (is_usual and is_whole and pixels <= _MOST_PIXELS and len(data) <= _MOST_BYTES):
        return None
    factor = -(-opened.width // file.width)
    return EncodedImage(data=_tensor_of(data), pixels=pixels, factor=factor)


def prepared_on_gpu(
    images: Sequence[EncodedImage | NDArray[np.uint8]], spec: InputSpec
) -> list[NDArray[np.uint8] | None]:
    """Images as a network wants them, (H, W, C) uint8 in the processor's memory; None: the GPU cannot.

    Args:
        images: encoded, or prepared already, which stay as they are.
        spec: of the network; `is_prepared_on_gpu`.
    """
    encoded = [image for image in images if isinstance(image, EncodedImage)]
    prepared = iter([one for part in _parts(encoded) for one in _prepared(part, spec)])
    return [next(prepared) if isinstance(image, EncodedImage) else image for image in images]


def _parts(images: Sequence[EncodedImage]) -> Iterator[list[EncodedImage]]:
    """As many at once as there are pixels for."""
    part: list[EncodedImage] = []
    for image in images:
        if part and sum(one.pixels for one in (*part, image)) > _MOST_PIXELS:
            yield part
            part = []
        part.append(image)
    if part:
        yield part


def _prepared(images: Sequence[EncodedImage], spec: InputSpec) -> list[NDArray[np.uint8] | None]:
    """All at once; where that fails, by halves, until what fails is a single image."""
    with suppress(RuntimeError):  # one file that cannot be decoded, or no room for all
        return list(_together(images, spec))
    release_memory("cuda")
    if len(images) == 1:
        return [None]
    half = len(images) // 2
    return [*_prepared(images[:half], spec), *_prepared(images[half:], spec)]


def _together(images: Sequence[EncodedImage], spec: InputSpec) -> NDArray[np.uint8]:
    """(N, H, W, C)."""
    decoded = _decoded([image.data for image in images])
    ready = [
        _cut(_resized(one, image.factor, spec), spec) for one, image in zip(decoded, images, strict=True)
    ]
    prepared: NDArray[np.uint8] = torch.stack(ready).cpu().numpy()
    return prepared


def _decoded(files: list[Tensor]) -> list[Tensor]:
    """(3, height, width) uint8 of each, on the GPU."""
    from torchvision.io import ImageReadMode, decode_jpeg

    decoded: list[Tensor] = decode_jpeg(files, mode=ImageReadMode.RGB, device="cuda")
    return decoded


def _resized(image: Tensor, factor: int, spec: InputSpec) -> Tensor:
    """(3, height, width) of whole numbers in floats, as large as it is before the cut."""
    x = image[None].float()
    if factor > 1:
        x = functional.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False).round()
    height, width = x.shape[-2:]
    to_width, to_height = size_before_cut(width, height, spec)
    for size in ((height, to_width), (to_height, to_width)):  # Pillow rounds after each direction, halves up
        if tuple(x.shape[-2:]) != size:
            x = functional.interpolate(x, size, mode=spec.interpolation, antialias=True)
            x = x.add(0.5).floor().clamp(0, 255)
    return x[0]


def _cut(image: Tensor, spec: InputSpec) -> Tensor:
    """The centre, (H, W, C) uint8."""
    (down, to_y), (across, to_x) = cut_of(image.shape[1], spec.height), cut_of(image.shape[2], spec.width)
    fill = torch.tensor(fill_of(spec), dtype=torch.uint8, device=image.device)
    cut = fill.repeat(spec.height, spec.width, 1)
    cut[to_y, to_x] = image[:, down, across].permute(1, 2, 0).to(torch.uint8)
    return cut


def _tensor_of(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)  # bytes are not to be written to
