"""What becomes of class names and of recorded images, before anything is solved."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from headswap.data.class_changes import ClassChanges, new_names, with_classes, with_images
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BadSetting

CLASSES = ("bird", "heron", "owl", "pen")


def image(name: str, number: int, **other: Any) -> ImageRecord:
    sha256 = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    look = hashlib.sha256(f"look of {name} {number}".encode()).hexdigest()
    file = f"{name}/{number}.png"
    record = ImageRecord(
        file=file, source=file, class_name=name, sha256=sha256, width=9, height=9, look=look, brightness=0.5,
        group=number,
    )  # fmt: skip
    return replace(record, **other)


RECORDED = Manifest(
    name="set", root="", classes=CLASSES,
    images=tuple(image(name, number, part="test" if number == 0 else "train", group=4 * number + at)
                 for at, name in enumerate(CLASSES) for number in range(3)),
)  # fmt: skip


def test_classes_are_removed_put_together_and_renamed_by_any_spelling() -> None:
    changes = ClassChanges(remove=("PEN",), merge=(("wader", ("Owl", "heron")),), rename=(("bird", "tit"),))

    assert new_names(CLASSES, changes) == {"bird": "tit", "heron": "wader", "owl": "wader", "pen": None}


def test_a_class_is_put_into_one_that_is_there_and_names_can_change_places() -> None:
    into = new_names(CLASSES, ClassChanges(merge=(("Bird", ("owl",)),)))
    swapped = new_names(CLASSES, ClassChanges(rename=(("owl", "pen"), ("pen", "owl"))))

    assert into == {"bird": "bird", "heron": "heron", "owl": "bird", "pen": "pen"}
    assert swapped == {"bird": "bird", "heron": "heron", "owl": "pen", "pen": "owl"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (ClassChanges(remove=("cat",)), "There is no class cat. The classes are bird, heron, owl, pen."),
        (ClassChanges(remove=("pen",), rename=(("pen", "ink"),)), "pen is named twice"),
        (ClassChanges(merge=(("owls", ("owl",)),)), "Only one class would become owls"),
        (ClassChanges(rename=(("owl", "Bird"),)), "Two classes would be called"),
        (ClassChanges(rename=(("owl", "a/b"),)), "A class cannot be called"),
        (ClassChanges(merge=(("pen", ("owl", "heron")),), remove=("pen",)), "pen is named twice"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(changes: ClassChanges, sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        new_names(CLASSES, changes)


def test_recorded_images_keep_their_parts_and_groups() -> None:
    names = new_names(CLASSES, ClassChanges(remove=("bird",), merge=(("wader", ("owl", "heron")),)))

    manifest, rows = with_classes(RECORDED, names)

    assert manifest.classes == ("pen", "wader")
    assert rows == list(range(3, 12))
    assert [(one.part, one.group) for one in manifest.images] == [
        (RECORDED.images[row].part, RECORDED.images[row].group) for row in rows
    ]


def test_a_new_class_has_a_test_and_one_that_is_there_keeps_its_own() -> None:
    more = [*(image("cat", number) for number in range(5)), image("Owl", 7, group=5)]

    manifest, given, left_out = with_images(RECORDED, more, test_share=0.2, seed=0)
    added = manifest.images[len(RECORDED.images) :]

    assert manifest.images[: len(RECORDED.images)] == RECORDED.images
    assert [one.sha256 for one in given] == [one.sha256 for one in added]
    assert [one.class_name for one in added] == ["cat"] * 5 + ["owl"]
    assert [one.part for one in added].count("test") == 1
    assert added[-1].part == "train"
    assert not {one.group for one in added} & {one.group for one in RECORDED.images}
    assert left_out == ()


def test_what_was_trained_or_tested_on_is_left_out_by_name() -> None:
    near_test = image("cat", 1, look=RECORDED.images[0].look)

    manifest, given, left_out = with_images(
        RECORDED, [RECORDED.images[4], near_test, image("cat", 2)], test_share=0.2, seed=0
    )

    assert len(given) == 1
    assert len(manifest.images) == len(RECORDED.images) + 1
    assert [one.reason for one in left_out] == [
        "1.png is among the pictures that it was taught on, as heron.",
        "1.png is a near duplicate of a picture of the exam.",
    ]
