"""An image -> what the network expects to see, exactly as its makers evaluated it.

Flow:  PIL.Image --prepare--> uint8 (H, W, C) --stack, to_float--> float32 (N, C, H, W)

The arithmetic of sizes follows torchvision and timm to the pixel (the longer side is cut
to an integer, crop offsets are rounded half to even); the tests compare the bytes.
The uint8 form is what is kept in memory and on disk: a quarter of the size, nothing lost.

Knows images and numbers: no torch, no files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from headswap.network import InputSpec

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def wanted_px(spec: InputSpec) -> int:
    """The shorter side, in px, that an image should have before `prepare`: for `read_image`."""
    if spec.crop_mode == "crop":
        return max(_scale(spec))
    return max(_squashed(spec)) if spec.crop_mode == "squash" else max(spec.height, spec.width)


def prepare(image: Image.Image, spec: InputSpec) -> NDArray[np.uint8]:
    """Resize and cut one image for a network.

    Args:
        image: RGB, as `read_image` gives it.
        spec: what the network expects.

    Returns:
        (H, W, C) uint8, with the spec's height, width and channels; colours always as RGB.

    Source:
        torchvision.transforms Resize and CenterCrop; timm.data ResizeKeepRatio and CenterCropOrPad.
    """
    if spec.channels == 1 and image.mode != "L":
        image = image.convert("L")
    width, height = size_before_cut(image.width, image.height, spec)
    if (width, height) != image.size:
        image = image.resize((width, height), _FILTERS[spec.interpolation])
    fill = fill_of(spec)
    image = _cut_centre(image, spec.width, spec.height, fill if spec.channels > 1 else fill[0])
    return np.asarray(image).reshape(spec.height, spec.width, spec.channels)


def size_before_cut(width: int, height: int, spec: InputSpec) -> tuple[int, int]:
    """(width, height) to which `prepare` resizes an image of that width and height, before the cut."""
    if spec.crop_mode == "squash":
        height, width = _squashed(spec)
        return width, height
    if spec.crop_mode == "border":
        ratio = max(height / spec.height, width / spec.width)
        return max(round(width / ratio), 1), max(round(height / ratio), 1)
    return _size_before_crop(width, height, spec)


def cut_of(size: int, wanted: int) -> tuple[slice, slice]:
    """Of one side of a resized image: which part is kept, and where in the network's input it lies."""
    if size < wanted:
        begin = (wanted - size) // 2
        return slice(0, size), slice(begin, begin + size)
    begin = round((size - wanted) / 2)
    return slice(begin, begin + wanted), slice(0, wanted)


def fill_of(spec: InputSpec) -> tuple[int, ...]:
    """The colour around an image that is smaller than the network's input: of each channel, as RGB."""
    if spec.crop_mode != "border":
        return (0,) * spec.channels
    return tuple(round(255 * value) for value in spec.mean[:: -1 if spec.channel_order == "BGR" else 1])


def uncut(image: Image.Image, spec: InputSpec) -> NDArray[np.uint8]:
    """The same image before the cut, for training crops drawn from all of it.

    Args:
        image: RGB, as `read_image` gives it.
        spec: what the network expects.

    Returns:
        (H, W, C) uint8, as large as `prepare` makes it before it cuts; of a very long image the
        middle, twice as long as wide. Where `prepare` cuts nothing away, what `prepare` gives.
    """
    if spec.crop_mode != "crop":
        return prepare(image, spec)
    if spec.channels == 1 and image.mode != "L":
        image = image.convert("L")
    most = 2 * min(image.size)
    if max(image.size) > most:
        fill = (0,) * spec.channels if spec.channels > 1 else 0
        image = _cut_centre(image, min(image.width, most), min(image.height, most), fill)
    width, height = _size_before_crop(image.width, image.height, spec)
    image = image.resize((width, height), _FILTERS[spec.interpolation])
    return np.asarray(image).reshape(height, width, spec.channels)


def to_float(batch: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Scale prepared images to the network's numbers: ((value / 255) - mean) / std.

    Args:
        batch: (N, H, W, C) uint8, from `prepare`.
        spec: whose mean and std to use.

    Returns:
        (N, C, H, W) float32, contiguous, in the spec's order of channels; equal to torchvision's
        ToTensor and Normalize to the bit.
    """
    if spec.channel_order == "BGR":
        batch = batch[..., ::-1]
    count, height, width, channels = batch.shape
    out = np.empty((count, channels, height, width), np.float32)
    np.divide(batch.transpose(0, 3, 1, 2), np.float32(255), out=out)
    out -= np.asarray(spec.mean, np.float32).reshape(1, -1, 1, 1)
    out /= np.asarray(spec.std, np.float32).reshape(1, -1, 1, 1)
    return out


def _squashed(spec: InputSpec) -> tuple[int, int]:
    """(height, width) that a squashed image has before the cut."""
    return spec.squash_px or (spec.height, spec.width)


def _scale(spec: InputSpec) -> tuple[int, int]:
    """(height, width) of the frame that the image must cover before the cut."""
    short = min(spec.height, spec.width)
    return spec.height * spec.resize_px // short, spec.width * spec.resize_px // short


def _size_before_crop(width: int, height: int, spec: InputSpec) -> tuple[int, int]:
    if spec.height == spec.width:
        if width <= height:
            return spec.resize_px, int(spec.resize_px * height / width)
        return int(spec.resize_px * width / height), spec.resize_px
    scale_height, scale_width = _scale(spec)
    ratio = min(height / scale_height, width / scale_width)
    return round(width / ratio), round(height / ratio)


def _cut_centre(image: Image.Image, width: int, height: int, fill: int | tuple[int, ...]) -> Image.Image:
    """Cut the centre; where the image is smaller, surround it with `fill`."""
    if image.size == (width, height):
        return image
    (across, to_x), (down, to_y) = cut_of(image.width, width), cut_of(image.height, height)
    image = image.crop((across.start, down.start, across.stop, down.stop))
    if image.size == (width, height):
        return image
    padded = Image.new(image.mode, (width, height), fill)
    padded.paste(image, (to_x.start, to_y.start))
    return padded
