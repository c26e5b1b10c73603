"""A film becomes its sharpest frames, upright, and stays on one side of the split."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from headswap.data import film
from headswap.data.film import MOST_FRAMES, frames_of
from headswap.data.ingest import ReadPolicy, ingest
from headswap.data.layout import arrange, unsorted
from headswap.data.split import split
from headswap.data.store import reread
from headswap.data.upload import store_for
from headswap.errors import TooMuch, UnreadableImage
from tests.data.films import FPS, class_folders_of_films, disc, encoded, scene


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "avi"])
def test_half_a_second_gives_one_frame(ending: str) -> None:
    frames = frames_of(disc(seconds=2.0, ending=ending), name=f"disc.{ending}")

    assert len(frames) == 4
    assert [int(frame.at_s / 0.5) for frame in frames] == [0, 1, 2, 3]
    assert {frame.image.size for frame in frames} == {(160, 120)}


def test_the_sharpest_frame_stands_for_its_half_second() -> None:
    sharp = {2, 8}
    images = [scene(0, "red", 0) for _ in range(FPS)]
    blurred = [
        image if n in sharp else image.filter(ImageFilter.GaussianBlur(4)) for n, image in enumerate(images)
    ]

    frames = frames_of(encoded([np.asarray(image) for image in blurred]), name="x.mp4")

    assert [round(frame.at_s * FPS) for frame in frames] == sorted(sharp)


def test_a_long_film_gives_no_more_frames_but_longer_windows() -> None:
    still = [np.full((32, 32, 3), 5 * n % 250, np.uint8) for n in range(MOST_FRAMES * FPS)]

    frames = frames_of(encoded(still), name="long.mp4")

    assert MOST_FRAMES / 2 <= len(frames) <= MOST_FRAMES
    assert frames[-1].at_s > MOST_FRAMES - 2


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_phone_that_was_held_otherwise_gives_upright_frames(turned: int) -> None:
    upright = Image.new("RGB", (96, 64), "black")
    upright.paste("red", (0, 0, 96, 16))  # the top is red
    stored = upright.rotate(-turned, expand=True)

    shown = frames_of(encoded([np.asarray(stored)] * 3, rotation=turned), name="x.mp4")[0].image

    assert shown.size == upright.size
    red = np.asarray(shown)[:, 48, 0]
    assert red[6] > 150 > red[50]


def test_large_frames_are_made_smaller() -> None:
    assert frames_of(disc(), name="x.mp4", shorter_px=60)[0].image.size == (80, 60)


@pytest.mark.parametrize("data", [b"", b"not a film", disc()[:400]])
def test_what_is_no_film_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(UnreadableImage) as told:
        frames_of(data, name="x.mp4")

    assert told.value.problem == "x.mp4 cannot be read as a film."


def test_of_a_film_that_was_cut_short_the_beginning_is_read() -> None:
    whole = disc(seconds=4.0, ending="mkv")

    assert 0 < len(frames_of(whole[: len(whole) // 2], name="x.mkv")) < len(frames_of(whole, name="x.mkv"))


def test_a_film_that_lasts_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "LONGEST_S", 1.0)

    with pytest.raises(UnreadableImage, match="longer than"):
        frames_of(disc(seconds=2.0), name="x.mp4")


def test_without_the_package_it_says_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "can_read_films", lambda: False)

    with pytest.raises(UnreadableImage) as told:
        frames_of(disc(), name="x.mp4")

    assert told.value.remedy == 'Install it with: pip install "headswap[film]"'


def test_a_folder_of_films_is_a_set_of_images_and_no_film_is_cut_by_the_split(tmp_path: Path) -> None:
    folder = class_folders_of_films(tmp_path / "discs", films=4)
    store = store_for(folder, tmp_path)

    manifest = split(ingest(folder, store=store).manifest, test_share=0.25)

    parts: dict[str | None, set[str | None]] = {image.film: set() for image in manifest.images}
    for image in manifest.images:
        parts[image.film].add(image.part)
    assert manifest.counts == {"blue": 16, "red": 16}
    assert (len(parts), {len(sides) for sides in parts.values()}) == (8, {1})
    assert {image.class_name for image in manifest.part("test")} == {"blue", "red"}
    assert re.fullmatch(r"blue/film 0\.mp4 000\.[5-9]s\.jpg", manifest.images[1].file)
    assert reread(manifest, manifest.images[0]).size == (160, 120)
    assert [finding.code for finding in manifest.findings if "film" in finding.code] == ["films"]


def test_the_same_film_gives_the_same_images_from_folder_and_zip(tmp_path: Path) -> None:
    folder = class_folders_of_films(tmp_path / "discs", films=1)
    packed = Path(shutil.make_archive(str(folder), "zip", folder))

    one, other = (ingest(source, store=tmp_path / "store").manifest for source in (folder, packed))

    assert [image.sha256 for image in one.images] == [image.sha256 for image in other.images]
    codes = {finding.code: finding for finding in one.findings}
    assert codes["one-film"].classes == ("blue", "red")


def test_a_folder_without_films_is_still_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").touch()

    assert store_for(tmp_path, tmp_path / "workspace") is None


def test_a_broken_film_is_left_out_by_name_and_the_rest_is_taken(tmp_path: Path) -> None:
    folder = class_folders_of_films(tmp_path / "discs", films=1)
    (folder / "red" / "broken.mp4").write_bytes(b"nothing")

    manifest = ingest(folder, store=tmp_path / "store").manifest

    assert [left.reason for left in manifest.left_out] == ["broken.mp4 cannot be read as a film."]
    assert len(manifest.images) == 8


def test_frames_count_among_the_images_that_are_allowed(tmp_path: Path) -> None:
    folder = class_folders_of_films(tmp_path / "discs", films=1)

    with pytest.raises(TooMuch, match="7 are allowed"):
        ingest(folder, store=tmp_path / "store", policy=ReadPolicy(most_images=7))


def test_the_moving_part_of_a_live_photo_is_left_out() -> None:
    names = ("cat/IMG_1.HEIC", "cat/IMG_1.MOV", "cat/play.mov", "dog/IMG_1.MOV")

    layout = arrange(names)

    assert [placed.file for placed in layout.placed] == ["cat/IMG_1.HEIC", "cat/play.mov", "dog/IMG_1.MOV"]
    assert [left.reason for left in layout.left_out] == ["IMG_1.MOV is the moving part of IMG_1.HEIC."]
    assert [placed.file for placed in unsorted(names).placed] == [placed.file for placed in layout.placed]
