"""Say in an `InputSpec` what a transformers image processor does to an image.

Flow:  processor (its settings) --input_of--> InputSpec

Each processor class has habits of its own in addition to its settings; the three that matter
to classifiers are spelled out here and compared with the real processors in the tests.

Reads attributes only; imports nothing of transformers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headswap.network import ChannelOrder, InputSpec, Interpolation

_INTERPOLATIONS: tuple[Interpolation, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_WARP_FROM_PX = 384  # ConvNeXt's processor crops smaller images and warps from here on


def input_of(processor: Any) -> InputSpec:
    """The same size, resizing, cropping and normalising."""
    mean, std = _normalising(processor)
    order: ChannelOrder = "BGR" if getattr(processor, "do_flip_channel_order", False) else "RGB"
    common = InputSpec(
        mean=mean,
        std=std,
        interpolation=_INTERPOLATIONS[int(getattr(processor, "resample", None) or 0)],
        channel_order=order,
    )
    return _resizing(processor, common)


def fitted(spec: InputSpec, config: Any) -> InputSpec:
    """The image size that the configuration states, where the processor's is another."""
    stated = getattr(config, "image_size", None) or getattr(
        getattr(config, "vision_config", None), "image_size", None
    )
    if stated is None:
        return spec
    height, width = (stated, stated) if isinstance(stated, int) else (int(stated[0]), int(stated[1]))
    if (height, width) == (spec.height, spec.width):
        return spec
    return replace(spec, height=height, width=width, crop_mode="squash", squash_px=None)


def _resizing(processor: Any, common: InputSpec) -> InputSpec:
    shortest, both = _size(processor.size)
    crop = (
        _size(getattr(processor, "crop_size", None))[1]
        if getattr(processor, "do_center_crop", False)
        else None
    )
    share = getattr(processor, "crop_pct", None)
    if shortest is None:
        both = both or (common.height, common.width)
        height, width = crop or both
        return replace(
            common, height=height, width=width, crop_mode="squash", squash_px=both if both != crop else None
        )
    if share and crop is None:  # ConvNeXt
        warp = shortest >= _WARP_FROM_PX
        resized = shortest if warp else int(shortest / share)
        crop_mode: Any = "squash" if warp else "crop"
        return replace(common, height=shortest, width=shortest, crop_mode=crop_mode, resize_px=resized)
    if share:  # PoolFormer
        shortest = int(shortest / share)
    if type(processor).__name__.startswith("Levit"):
        shortest = int((256 / 224) * shortest)
    height, width = crop or (shortest, shortest)
    return replace(common, height=height, width=width, crop_mode="crop", resize_px=shortest)


def _normalising(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std for pixels in [0, 1], whatever the processor multiplies pixels with."""
    factor = 255 * processor.rescale_factor if getattr(processor, "do_rescale", True) else 255.0
    if not getattr(processor, "do_normalize", False):
        return (0.0, 0.0, 0.0), (1 / factor, 1 / factor, 1 / factor)
    mean = tuple(float(value) / factor for value in processor.image_mean)
    return mean, tuple(float(value) / factor for value in processor.image_std)


def _size(size: Any) -> tuple[int | None, tuple[int, int] | None]:
    """(shortest edge, (height, width)): one of them, or neither."""
    if size is None:
        return None, None
    shortest = getattr(size, "shortest_edge", None)
    height, width = getattr(size, "height", None), getattr(size, "width", None)
    return shortest, (int(height), int(width)) if height and width else None
