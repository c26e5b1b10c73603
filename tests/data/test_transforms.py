"""The evaluation transform equals the one each network was published with, to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headswap.data.transforms import prepare, to_float, wanted_px
from headswap.network import InputSpec

SIZES = [(640, 480), (481, 333), (333, 501), (100, 100), (37, 200), (1, 1), (256, 256), (225, 1000)]


def drawn(width: int, height: int) -> Image.Image:
    """A smooth scene with texture: every resampling error shows."""
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] % 256
    return Image.fromarray(((noise + 2 * ramp) // 3).astype(np.uint8))


SPECS = [
    InputSpec(),
    InputSpec(interpolation="bilinear", resize_px=232),
    InputSpec(height=299, width=299, resize_px=342, interpolation="bicubic"),
    InputSpec(height=256, width=256, resize_px=224),  # smaller than the cut: padded with black
    InputSpec(height=225, width=225, resize_px=256),  # odd offsets
    InputSpec(height=160, width=160, resize_px=182, interpolation="lanczos"),
    InputSpec(interpolation="nearest"),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_crop_is_the_one_torchvision_makes(spec: InputSpec, size: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    image = drawn(*size)
    mode = transforms.InterpolationMode(spec.interpolation)
    theirs = transforms.Compose(
        [
            transforms.Resize(spec.resize_px, interpolation=mode),
            transforms.CenterCrop((spec.height, spec.width)),
        ]
    )

    ours = prepare(image, spec)

    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, np.asarray(theirs(image)))


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("side", [(224, 224), (192, 256)], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_fit_is_the_one_timm_makes(
    crop_mode: str, side: tuple[int, int], size: tuple[int, int]
) -> None:
    factory = pytest.importorskip("timm.data.transforms_factory")
    share = 1.0 if crop_mode != "center" or side[0] != side[1] else 0.875
    spec = InputSpec(
        height=side[0],
        width=side[1],
        crop_mode={"center": "crop", "squash": "squash", "border": "border"}[crop_mode],  # type: ignore[arg-type]
        resize_px=int(min(side) / share),
    )
    image = drawn(*size)
    theirs = factory.transforms_imagenet_eval(
        side, crop_pct=share, crop_mode=crop_mode, interpolation="bicubic", use_prefetcher=True
    )
    if crop_mode == "border" and size == (1, 1):
        assert prepare(image, spec).shape == (*side, 3)
        return

    np.testing.assert_array_equal(prepare(image, spec), theirs(image).numpy().transpose(1, 2, 0))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_squash_with_a_cut_is_the_one_timm_makes(size: tuple[int, int]) -> None:
    factory = pytest.importorskip("timm.data.transforms_factory")
    spec = InputSpec(crop_mode="squash", squash_px=(256, 256))
    theirs = factory.transforms_imagenet_eval(
        (224, 224), crop_pct=0.875, crop_mode="squash", interpolation="bicubic", use_prefetcher=True
    )

    assert wanted_px(spec) == 256
    np.testing.assert_array_equal(
        prepare(drawn(*size), spec), theirs(drawn(*size)).numpy().transpose(1, 2, 0)
    )


def test_a_network_that_sees_blue_first_gets_blue_first() -> None:
    spec = InputSpec(channel_order="BGR", mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0), crop_mode="border")
    orange = Image.new("RGB", (100, 50), (255, 128, 0))

    prepared = prepare(orange, spec)

    assert prepared[112, 112].tolist() == [255, 128, 0]
    blue, green, red = to_float(prepared[None], spec)[0, :, 112, 112]
    assert (blue, green, red) == pytest.approx((-0.1, 128 / 255 - 0.2, 0.7))
    assert np.abs(to_float(prepared[None], spec)[0, :, 0, 0]).max() < 0.01, "the border is the mean"


@pytest.mark.parametrize("spec", [InputSpec(), InputSpec(mean=(0.5,) * 3, std=(0.5,) * 3)], ids=str)
def test_the_numbers_are_the_ones_torchvision_gives(spec: InputSpec) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    prepared = prepare(drawn(640, 480), spec)
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)])

    ours = to_float(prepared[None], spec)

    assert ours.shape == (1, 3, spec.height, spec.width)
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    np.testing.assert_array_equal(ours[0], theirs(prepared.copy()).numpy())


def test_a_network_for_grey_images_gets_one_channel() -> None:
    spec = InputSpec(
        channels=1, height=28, width=28, resize_px=28, mean=(0.1,), std=(0.3,), crop_mode="border"
    )

    prepared = prepare(drawn(100, 50), spec)

    assert prepared.shape == (28, 28, 1)
    assert to_float(prepared[None], spec).shape == (1, 1, 28, 28)


def test_an_image_is_read_large_enough_for_its_resize() -> None:
    assert wanted_px(InputSpec()) == 256
    assert wanted_px(InputSpec(crop_mode="squash", height=300, width=200)) == 300
    assert wanted_px(InputSpec(height=192, width=256, resize_px=192)) == 256
