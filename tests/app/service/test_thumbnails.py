from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from headswap.app.service.thumbnails import LARGEST_PX, find_image, thumbnail

HASH = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Image.new("RGB", (900, 300), "red").save(tmp_path / f"{HASH}.png")
    return tmp_path


def test_an_image_is_found_by_its_hash_in_the_first_store_that_has_it(store: Path) -> None:
    assert find_image([store / "none", store], HASH) == store / f"{HASH}.png"
    assert find_image([store], "cd" * 32) is None


@pytest.mark.parametrize("wrong", ["", "../" * 22, HASH.upper(), HASH + "\n", f"{HASH}.png"])
def test_what_is_no_hash_is_never_looked_for(store: Path, wrong: str) -> None:
    assert find_image([store], wrong) is None


@pytest.mark.parametrize(("asked", "given"), [(96, 96), (1, 16), (5000, LARGEST_PX)])
def test_a_thumbnail_is_a_jpeg_within_the_limits(store: Path, asked: int, given: int) -> None:
    with Image.open(io.BytesIO(thumbnail(store / f"{HASH}.png", asked))) as image:
        assert image.format == "JPEG"
        assert max(image.size) == given
