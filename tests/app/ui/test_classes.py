from __future__ import annotations

from dataclasses import replace

from headswap.app.service.datasets import DatasetEdit
from headswap.app.ui.steps.classes import class_rows, new_class, shown_images
from headswap.app.ui.widgets.html import rendered
from headswap.data.manifest import Manifest


def test_each_class_says_how_many_practise_and_how_many_are_locked_away(manifest: Manifest) -> None:
    drawn = rendered(class_rows(manifest, {}))

    assert "24 pictures in two classes" in drawn
    assert 'aria-label="mug: 12 pictures, 11 for practice, 1 for the exam"' in drawn
    assert "+ 3" in drawn  # nine of twelve are shown
    alone = [image for image in manifest.images if image.class_name == "mug"]
    assert "12 pictures in one class" in rendered(
        class_rows(replace(manifest, classes=("mug",), images=tuple(alone)), {})
    )


def test_the_thumbnails_asked_for_are_the_ones_drawn(manifest: Manifest) -> None:
    shown = shown_images(manifest)

    drawn = rendered(class_rows(manifest, {image.sha256: f"data:,{image.sha256}" for image in shown}))

    assert len(shown) == 18
    assert drawn.count("<img ") == drawn.count('data-edit="look"') == 18
    assert 'data-file="mug/1.png"' in drawn


def test_each_row_offers_more_images_the_camera_and_a_closer_look(manifest: Manifest) -> None:
    drawn = rendered(class_rows(manifest, {}))

    for button in ('data-add="mug"', 'data-camera="mug"', 'data-edit="open" data-name="mug"'):
        assert button in drawn
    assert 'aria-label="Rename, merge or leave out mug"' in drawn
    assert "Another class" in drawn
    assert 'placeholder="What is it called?"' in rendered(new_class("The first class"))


def test_the_last_change_is_said_with_its_undo(manifest: Manifest, hostile: str) -> None:
    change = DatasetEdit(sentence=f"{hostile} was left out.", before="data-1")

    drawn = rendered(class_rows(manifest, {}, change))

    assert 'data-edit="undo"' in drawn
    assert "was left out." in drawn
    assert hostile not in drawn
    assert 'data-edit="undo"' not in rendered(class_rows(manifest, {}))
