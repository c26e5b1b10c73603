from __future__ import annotations

from dataclasses import replace

import htpy as h

from headswap.app.ui.steps.gallery import (
    MOST_SHOWN,
    class_dialog,
    image_dialog,
    several_dialog,
    sure_dialog,
)
from headswap.app.ui.widgets.html import rendered
from headswap.data.manifest import Manifest


def uris(manifest: Manifest) -> dict[str, str]:
    return {image.sha256: f"data:,{image.sha256}" for image in manifest.images}


def test_a_class_is_shown_with_every_image_and_what_can_be_done(manifest: Manifest, hostile: str) -> None:
    drawn = rendered(class_dialog(manifest, "mug", uris(manifest)))

    assert drawn.count('data-edit="look"') == 12
    for edit in ("rename", "merge", "drop-class"):
        assert f'data-edit="{edit}" data-name="mug"' in drawn
    assert "12 pictures" in drawn
    assert hostile not in drawn  # the class it could be merged into
    assert "<option>mug" not in drawn


def test_one_class_alone_can_only_be_renamed(manifest: Manifest) -> None:
    drawn = rendered(class_dialog(replace(manifest, classes=("mug",)), "mug", {}))

    assert 'data-edit="rename"' in drawn
    assert "merge" not in drawn
    assert "drop-class" not in drawn


def test_very_many_images_are_counted_beyond_the_first(manifest: Manifest) -> None:
    mugs = [image for image in manifest.images if image.class_name == "mug"] * 11

    drawn = rendered(class_dialog(replace(manifest, images=tuple(mugs)), "mug", uris(manifest)))

    assert drawn.count('data-edit="look"') == MOST_SHOWN
    assert "And 12 more pictures." in drawn


def test_an_image_is_shown_large_with_its_class_and_its_part(manifest: Manifest, hostile: str) -> None:
    image = replace(manifest.images[0], file=f"{hostile}.png")

    drawn = rendered(image_dialog(manifest, image, "data:,large", mistake=h.p["No."]))

    assert 'src="data:,large"' in drawn
    assert "Locked away for the exam." in drawn
    assert "<option selected>" in drawn
    assert drawn.count('data-edit="relabel"') == 2
    assert 'data-edit="drop"' in drawn
    assert "<p>No.</p>" in drawn
    assert hostile not in drawn


def test_images_of_several_classes_carry_their_names(manifest: Manifest, hostile: str) -> None:
    drawn = rendered(several_dialog(manifest.images, uris(manifest), "24 pictures"))

    assert drawn.count(">mug</span>") == 12
    assert hostile not in drawn


def test_before_everything_goes_it_asks(hostile: str) -> None:
    drawn = rendered(sure_dialog(f"Take {hostile} out?", "start-over", "Start over"))

    assert 'data-edit="start-over">Start over' in drawn
    assert "Undo brings them back." in drawn
    assert hostile not in drawn
