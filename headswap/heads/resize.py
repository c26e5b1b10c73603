"""Let a network take images of another size than it was made for.

Flow:  module + size --take_size--> the same module, changed in place where it had to be; whether it runs

A convolution takes any size. A transformer adds a position to each patch: where its library can resample
these (timm's `set_input_size`, torchvision's `interpolate_embeddings`) it is asked to.

Knows modules and tensors only.
"""

from __future__ import annotations

import sys
from typing import Any

from torch import nn

from headswap.heads.dry_run import DryRun, DryRunMode, InputSize
from headswap.heads.input_size import attempt


def take_size(module: nn.Module, size: InputSize) -> bool:
    """Whether a network runs on images of this size, its positions resampled where that is needed.

    Args:
        module: loaded; may be changed in place. Where the answer is False it may be left between two sizes.
        size: (channels, height, width) in pixels.
    """
    return _runs(module, size) or (_resample(module, size) and _runs(module, size))


def _runs(module: nn.Module, size: InputSize) -> bool:
    return isinstance(attempt(module, DryRunMode(size=size)), DryRun)


def _resample(module: nn.Module, size: InputSize) -> bool:
    _, height, width = size
    try:
        if callable(resize := getattr(module, "set_input_size", None)):
            resize(img_size=(height, width))
            return True
        return height == width and _resample_torchvision(module, height)
    except (AssertionError, RuntimeError, TypeError, ValueError):  # its windows do not fit into it
        return False


def _resample_torchvision(module: nn.Module, px: int) -> bool:
    library = sys.modules[type(module).__module__]  # where its class is; no library of networks is imported
    if not hasattr(library, "interpolate_embeddings") or type(module).__name__ != "VisionTransformer":
        return False
    whole: Any = module
    state = library.interpolate_embeddings(px, whole.patch_size, whole.state_dict())
    whole.encoder.pos_embedding = nn.Parameter(state["encoder.pos_embedding"])
    whole.image_size, whole.seq_length = px, (px // whole.patch_size) ** 2 + 1
    return True
