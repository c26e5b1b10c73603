"""Altered copies can be laid on their picture; pictures of the same kind cannot."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from headswap.data import alignment
from headswap.data.alignment import NearPairs, ThumbnailArray, near_pairs
from headswap.data.fingerprint import fingerprint_of, thumbnail_arrays

Alter = Callable[[Image.Image], Image.Image]


def scene(seed: int) -> Image.Image:
    """A smooth random scene in colours, 200 x 150."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((200, 150), Image.Resampling.BICUBIC)


def blob(colour: str, at: int) -> Image.Image:
    """One thing in the middle of a white table."""
    image = Image.new("RGB", (200, 150), "white")
    ImageDraw.Draw(image).ellipse((70 + at, 45, 130 + at, 105), fill=colour)
    return image


def pairs_of(*images: Image.Image) -> NearPairs:
    return near_pairs(
        ThumbnailArray(*thumbnail_arrays([fingerprint_of(image).thumbnail for image in images]))
    )


def moved(image: Image.Image) -> Image.Image:
    """As a camera sees it a moment later: shifted, a little nearer, a little darker, with noise."""
    seen = image.transform(
        image.size, Image.Transform.AFFINE, (0.98, 0.01, 4, -0.01, 0.98, -3), Image.Resampling.BICUBIC
    )
    noise = np.random.default_rng(0).normal(0, 5, (150, 200, 3))
    return Image.fromarray((np.asarray(seen) * 0.95 + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "alter",
    [
        lambda image: image.crop((10, 7, 190, 143)),
        lambda image: image.crop((0, 0, 180, 135)),
        ImageOps.mirror,
        lambda image: image.rotate(3, Image.Resampling.BICUBIC),
        lambda image: ImageOps.mirror(image.rotate(-3, Image.Resampling.BICUBIC)),
        moved,
    ],
    ids=["crop on every side", "crop at a corner", "mirror", "turn", "mirror and turn", "a moment later"],
)
def test_an_altered_copy_fits_its_image_and_no_other(alter: Alter) -> None:
    images = [scene(seed) for seed in range(8)]

    found = pairs_of(*images, *map(alter, images))

    good = found.correlation > 0.9
    pairs = {tuple(sorted(pair)) for pair in zip(found.first[good], found.second[good], strict=True)}
    assert pairs == {(number, number + 8) for number in range(8)}


def test_things_of_another_colour_are_not_one_image() -> None:
    same, other = pairs_of(blob("green", 0), blob("green", 6)), pairs_of(blob("green", 0), blob("purple", 6))

    assert len(same.first) == 1
    assert len(other.first) == 0


def test_a_lone_stroke_has_less_detail_than_a_scene() -> None:
    strokes = [blob("black", 0), blob("black", 3)]
    scenes = [scene(0), moved(scene(0))]

    assert pairs_of(*strokes).detail[0] < 0.3 < pairs_of(*scenes).detail[0]


def test_blank_images_and_a_single_one_give_no_pairs() -> None:
    blank = [Image.new("RGB", (64, 64), (level, level, level)) for level in (0, 90, 255)]

    assert len(pairs_of(*blank).first) == 0
    assert len(pairs_of(scene(0)).first) == 0


def test_memory_does_not_grow_with_the_square_of_the_images() -> None:
    def peak(count: int) -> int:
        grey = np.random.default_rng(0).random((count, 32, 32), np.float32)
        thumbnails = ThumbnailArray(grey, np.zeros((count, 2, 8, 8), np.float32))
        tracemalloc.start()
        near_pairs(thumbnails)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)  # what is made once

    assert peak(1600) < 5 * peak(400)


def test_candidates_are_those_that_a_table_of_all_pairs_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "ROWS_AT_ONCE", 9)
    monkeypatch.setattr(alignment, "_COLUMNS_AT_ONCE", 13)  # of 50: the last tiles are smaller
    random = np.random.default_rng(0)
    grey = random.random((50, 8, 8), np.float32).repeat(4, 1).repeat(4, 2)
    grey[:10] = grey[0] + 0.3 * grey[:10]  # ten that are much alike, in one tile
    grey[20:40] = random.random((20, 2, 2), np.float32).repeat(16, 1).repeat(16, 2)
    base = alignment._rough_numbers(grey)
    scores = np.max([alignment._described(grey, one) @ base.T for one in alignment._rough_matrices()], axis=0)
    np.fill_diagonal(scores, -1.0)
    ranked = np.argsort(-scores, axis=1)[:, : alignment._CLOSEST]
    wanted = {(row, int(column)) for row in range(50) for column in ranked[row] if scores[row, column] >= 0.8}
    alike = (scores >= 0.8).sum(axis=1)

    found = list(alignment._search(grey, base))

    assert alike[:10].min() > alignment._CLOSEST, "more than are kept, also of one tile"
    assert alike.min() == 0
    first, second = (np.concatenate(column) for column in zip(*found, strict=True))
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == wanted
