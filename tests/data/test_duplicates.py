"""Near duplicates are found, different drawings are not, and no group swallows everything."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from headswap.data.duplicates import group_alike
from headswap.data.fingerprint import fingerprint_of
from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord

SHARED = Path(__file__).parents[2].parent / "shared"


def pictured(image: Image.Image, name: str, class_name: str = "a", sha256: str = "") -> ImageRecord:
    look = fingerprint_of(image)
    sha256 = sha256 or hashlib.sha256(image.tobytes()).hexdigest()
    return ImageRecord(
        file=name, source=name, class_name=class_name, sha256=sha256,
        width=image.width, height=image.height, fingerprint=look.bits, brightness=look.brightness,
        thumbnail=look.thumbnail,
    )  # fmt: skip


def scene(seed: int) -> Image.Image:
    """A smooth random scene of 200 x 150."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((200, 150), Image.Resampling.BICUBIC)


def resaved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.resize((160, 120)).save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def test_smaller_and_resaved_copies_join_their_image() -> None:
    scenes = [scene(seed) for seed in range(6)]
    images = [pictured(image, f"{number}.png") for number, image in enumerate(scenes)]
    copies = [pictured(resaved(image), f"{number}.jpg") for number, image in enumerate(scenes)]

    assert group_alike([*images, *copies]) == (0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5)


def test_cropped_mirrored_and_turned_copies_join_their_image() -> None:
    scenes = [scene(seed) for seed in range(6)]
    images = [pictured(image, f"{number}.png") for number, image in enumerate(scenes)]
    cropped = [pictured(image.crop((10, 7, 190, 143)), f"c{n}.png") for n, image in enumerate(scenes)]
    mirrored = [pictured(ImageOps.mirror(image), f"m{n}.png") for n, image in enumerate(scenes)]
    turned = [pictured(image.rotate(3), f"t{n}.png") for n, image in enumerate(scenes)]

    assert group_alike([*images, *cropped, *mirrored, *turned]) == (0, 1, 2, 3, 4, 5) * 4


def test_things_of_one_kind_are_not_chained_into_one_group() -> None:
    dice = np.random.default_rng(0)
    images = []
    for number in range(60):  # the same kind of thing on the same table, each a little other
        image = Image.new("RGB", (160, 120), (200, 190, 180))
        x, y, wide, high = dice.integers(-8, 9, 4).tolist()
        corners = [40 + x - wide, 30 + y - high, 120 + x + wide, 90 + y + high]
        ImageDraw.Draw(image).ellipse(corners, fill=(60, 90, 40), outline="black", width=3)
        ImageDraw.Draw(image).line(dice.integers(45, 100, 4).tolist(), fill="white", width=6)
        images.append(pictured(image, f"{number}.png", "ab"[number % 2]))

    assert max(Counter(group_alike(images)).values()) <= 6


@pytest.mark.parametrize("thumbnail", ["", "no thumbnail", "AAAA", "\u00e9" * 1536])
def test_a_thumbnail_that_is_none_is_passed_over(thumbnail: str) -> None:
    images = [replace(pictured(scene(seed), str(seed)), thumbnail=thumbnail) for seed in range(3)]

    assert group_alike(images) == (0, 1, 2)


def test_the_same_bytes_are_one_group_whatever_they_look_like() -> None:
    images = [pictured(scene(seed), str(seed), sha256="0" * 64) for seed in range(2)]

    assert group_alike([*images, pictured(scene(3), "3")]) == (0, 0, 1)


def test_thin_drawings_and_blank_images_are_not_alike() -> None:
    images = []
    for number in range(40):
        drawing = Image.new("RGB", (105, 105), "white")
        points = np.random.default_rng(number).integers(10, 95, (4, 2))
        ImageDraw.Draw(drawing).line([tuple(point) for point in points.tolist()], fill="black", width=2)
        images.append(pictured(drawing, str(number)))
    images += [pictured(Image.new("RGB", (64, 64), (level, 0, 0)), f"blank{level}") for level in range(10)]

    assert len(set(group_alike(images))) == 50


def test_a_class_of_one_scene_is_taken_apart_so_that_a_test_is_possible() -> None:
    base = np.asarray(scene(1), np.int16)
    images = [pictured(scene(seed), f"other{seed}", "other") for seed in range(2, 12)]
    for number in range(10):
        noise = np.random.default_rng(number).integers(-40, 41, (9, 12, 1)).repeat(17, 0).repeat(17, 1)
        frame = Image.fromarray((base + noise[:150, :200]).clip(0, 255).astype(np.uint8))
        images.append(pictured(frame, f"frame{number}", "burst"))

    groups = group_alike(images)

    assert len(set(groups[10:])) > 1


def test_the_order_of_the_files_changes_nothing() -> None:
    images = [pictured(scene(seed % 7), str(seed), sha256=f"{seed:064x}") for seed in range(20)]
    forward, backward = group_alike(images), group_alike(images[::-1])[::-1]

    assert len(set(zip(forward, backward, strict=True))) == len(set(forward)) == 7


def test_ten_thousand_images_that_are_not_alike_stay_apart() -> None:
    dice = np.random.default_rng(0)
    images = [
        ImageRecord(
            file=str(number), source="", class_name=str(number % 5), sha256=f"{number:064x}", width=1,
            height=1, fingerprint=dice.bytes(32).hex(), brightness=0.5,
        )
        for number in range(10_000)
    ]  # fmt: skip

    groups = group_alike(images)

    assert len(set(groups)) == 10_000


@pytest.mark.parametrize(
    ("name", "largest", "at_least"),
    [("data/magnetic_tile6", 20, 140), ("data/omniglot_greek_latin", 4, 440), ("data/cats_dogs", 1, 120),
     pytest.param("data/sign_digits", 4, 460, marks=pytest.mark.thorough), ("sample/train", 1, 96)],
)  # fmt: skip
def test_real_sets_are_grouped_as_they_look(name: str, largest: int, at_least: int) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip("the sets are not next to this clone")

    sizes = Counter(image.group for image in ingest(SHARED / name, threads=2).manifest.images)

    assert max(sizes.values()) <= largest
    assert len(sizes) >= at_least
    if name.endswith("magnetic_tile6"):
        assert len(sizes) < 200, "the exposures of one tile belong together"
