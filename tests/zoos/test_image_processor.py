from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from headswap.network import InputSpec
from headswap.zoos.image_processor import input_of

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "squash": ("ViTImageProcessorPil", {}),
    "crop": ("CLIPImageProcessorPil", {}),
    "squash, then cut": ("DeiTImageProcessorPil", {}),
    "ConvNeXt below 384 crops": ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}}),
    "ConvNeXt from 384 on warps": ("ConvNextImageProcessorPil", {}),
    "PoolFormer": ("PoolFormerImageProcessorPil", {}),
    "LeViT": ("LevitImageProcessorPil", {}),
    "MobileViT swaps red and blue": ("MobileViTImageProcessorPil", {}),
    "not normalised": ("ViTImageProcessorPil", {"do_normalize": False}),
    "other factor": ("ViTImageProcessorPil", {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1]}),
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_the_spec_done_by_hand_gives_the_processors_own_pixels(kind: str, cat_images: list[Path]) -> None:
    class_name, settings = PROCESSORS[kind]
    processor = getattr(transformers, class_name)(**settings)
    image = Image.open(cat_images[0]).convert("RGB")

    theirs = processor(image, return_tensors="pt")["pixel_values"][0]

    spec = input_of(processor)
    assert theirs.shape == spec.size
    assert torch.allclose(_by_hand(image, spec), theirs.float(), atol=2e-5)


def _by_hand(image: Image.Image, spec: InputSpec) -> torch.Tensor:
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    short = min(image.size)
    size: Any = (
        tuple(spec.resize_px if side == short else int(spec.resize_px * side / short) for side in image.size)
        if spec.crop_mode == "crop"
        else (spec.squash_px or (spec.height, spec.width))[::-1]
    )
    image = image.resize(size, filters[spec.interpolation])
    framed = Image.new("RGB", (max(spec.width, image.width), max(spec.height, image.height)))
    framed.paste(image, ((framed.width - image.width + 1) // 2, (framed.height - image.height + 1) // 2))
    left, top = (framed.width - spec.width) // 2, (framed.height - spec.height) // 2
    image = framed.crop((left, top, left + spec.width, top + spec.height))
    pixels = (
        torch.tensor(list(image.tobytes()), dtype=torch.float32).reshape(spec.height, spec.width, 3) / 255
    )
    pixels = pixels if spec.channel_order == "RGB" else pixels.flip(2)
    return ((pixels - torch.tensor(spec.mean)) / torch.tensor(spec.std)).permute(2, 0, 1)
