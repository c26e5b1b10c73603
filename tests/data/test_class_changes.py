"""What becomes of class names and of recorded images, before anything is solved."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from headswap.data.class_changes import (
    ClassChanges,
    new_names,
    with_classes,
    with_images,
    with_labels,
    without,
)
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BadSetting

CLASSES = ("bird", "heron", "owl", "pen")


def image(name: str, number: int, **other: Any) -> ImageRecord:
    sha256 = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    look = hashlib.sha256(f"look of {name} {number}".encode()).hexdigest()
    file = f"{name}/{number}.png"
    record = ImageRecord(
        file=file, source=file, class_name=name, sha256=sha256, width=9, height=9, fingerprint=look,
        brightness=0.5, group=number,
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
    near_test = image("cat", 1, fingerprint=RECORDED.images[0].fingerprint)

    manifest, given, left_out = with_images(
        RECORDED, [RECORDED.images[4], near_test, image("cat", 2)], test_share=0.2, seed=0
    )

    assert len(given) == 1
    assert len(manifest.images) == len(RECORDED.images) + 1
    assert [one.reason for one in left_out] == [
        "1.png is among the pictures that it was taught on, as heron.",
        "1.png is a near duplicate of a picture of the exam.",
    ]


def labelled(number: int, *labels: str, unknown: tuple[str, ...] = (), **other: Any) -> ImageRecord:
    return image(" + ".join(labels), number, labels=labels, unknown=unknown, **other)


SEVERAL = Manifest(
    name="set", root="", classes=("bird", "pen"),
    images=(labelled(0, "bird", part="test"), labelled(1, "bird", "pen"), labelled(2), labelled(3, "pen")),
)  # fmt: skip


def test_of_a_label_that_came_later_nothing_is_known_of_the_old_images_unless_it_is_said() -> None:
    folder = replace(SEVERAL, classes=("Ink",), images=tuple(image("Ink", 10 + one) for one in range(5)))
    table = replace(
        SEVERAL,
        classes=("PEN", "ink"),
        images=(labelled(20, "PEN", "ink"), labelled(21, "PEN"), labelled(22)),
    )

    first, _, _ = with_images(SEVERAL, with_labels(folder, SEVERAL.classes), test_share=0.2, seed=0)
    both, given, _ = with_images(first, with_labels(table, first.classes), test_share=0.2, seed=0)

    assert both.classes == ("Ink", "bird", "pen")
    assert [one.unknown for one in both.images] == [("Ink",)] * 4 + [("bird", "pen")] * 5 + [("bird",)] * 3
    assert [one.labels for one in given] == [("Ink", "pen"), ("pen",), ()]
    assert [one.part for one in both.images[4:9]].count("test") == 1, "a new label has a test of its own"
    assert {one.part for one in both.images[9:]} == {"train"}, "one that is there keeps its test"
    assert [one.unknown for one in without(both, ["INK"], 4).images[:5]] == [()] * 4 + [("bird", "pen")]
    for absent in ("pen", "cat"):
        with pytest.raises(BadSetting, match=f"{absent} is not a new label"):
            without(both, [absent], 4)


def test_of_labels_that_are_put_together_one_is_enough_and_what_is_not_known_stays_so() -> None:
    manifest = replace(
        SEVERAL,
        classes=("bird", "ink", "pen"),
        images=(
            labelled(0, "bird", "pen"), labelled(1, "ink"), labelled(2), labelled(3, "ink", unknown=("pen",)),
            labelled(4, unknown=("pen",)), labelled(5, "bird", unknown=("ink", "pen")),
        ),
    )  # fmt: skip

    merged, rows = with_classes(manifest, {"bird": "bird", "ink": "write", "pen": "write"})
    alone, kept = with_classes(manifest, {"bird": None, "ink": "ink", "pen": "pen"})

    assert [(one.labels, one.unknown) for one in merged.images] == [
        (("bird", "write"), ()), (("write",), ()), ((), ()), (("write",), ()), ((), ("write",)),
        (("bird",), ("write",)),
    ]  # fmt: skip
    assert merged.images[0].class_name == "bird + write"
    assert (rows, kept) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4]), "nothing is known of the last one any more"
    assert alone.images[0].labels == ("pen",)
