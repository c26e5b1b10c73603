from __future__ import annotations

from dataclasses import replace

from headswap.data.manifest import LeftOut, Manifest
from headswap.ui.classes import checks, class_rows, pair_pictures, shown_pictures


def test_each_class_says_how_many_practise_and_how_many_are_locked_away(manifest: Manifest) -> None:
    drawn = class_rows(manifest, {})

    assert "24 pictures in two classes" in drawn
    assert 'aria-label="mug: 12 pictures, 11 for practice, 1 for the exam"' in drawn
    assert "+ 3" in drawn  # nine of twelve are shown


def test_the_thumbnails_asked_for_are_the_ones_drawn(manifest: Manifest) -> None:
    shown = shown_pictures(manifest)

    drawn = class_rows(manifest, {picture.sha256: f"data:,{picture.sha256}" for picture in shown})

    assert len(shown) == 18
    assert drawn.count("<img ") == 18


def test_every_file_left_out_is_named_with_its_reason(manifest: Manifest) -> None:
    many = tuple(LeftOut(file=f"{i}.txt", reason="It is not a picture.") for i in range(30))

    words = checks(replace(manifest, left_out=many), {})

    assert "30 files were left out." in words
    assert all(f"{i}.txt" in words for i in range(30))


def test_a_finding_shows_the_pictures_it_is_about_and_survives_missing_ones(manifest: Manifest) -> None:
    assert [picture.file for picture in pair_pictures(manifest)] == ["mug/1.png"]
    assert "data:,one" in checks(manifest, {"3-1": "data:,one"})


def test_without_findings_there_is_good_news(manifest: Manifest) -> None:
    assert "Nothing to mend." in checks(replace(manifest, findings=(), left_out=()), {})


def test_class_and_file_names_stay_text(manifest: Manifest, hostile: str) -> None:
    drawn = class_rows(manifest, {}) + checks(manifest, {})

    assert hostile not in drawn
    assert "notes&lt;b&gt;.txt" in drawn
