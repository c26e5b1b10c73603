"""What a person should know before teaching is said in words, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np

from headswap.data.checks import check
from headswap.data.manifest import Finding, ImageRecord, Manifest, Part, SkippedFile


def images(
    class_name: str, count: int, *, first: int = 0, brightness: float = 0.5, side: int = 100
) -> list[ImageRecord]:
    dice = np.random.default_rng(first + len(class_name))
    return [
        ImageRecord(
            file=f"{class_name}/{number}.jpg", source="", class_name=class_name,
            sha256=f"{class_name}{number}", width=side + int(dice.integers(-20, 20)),
            height=side + int(dice.integers(-20, 20)), fingerprint="0" * 64,
            brightness=brightness + float(dice.normal(0, 0.05)),
            group=crc32(f"{class_name}{number}".encode()),
        )
        for number in range(first, first + count)
    ]  # fmt: skip


def said(*groups: list[ImageRecord], left_out: tuple[SkippedFile, ...] = ()) -> dict[str, str]:
    everything = tuple(image for group in groups for image in group)
    classes = tuple(sorted({image.class_name for image in everything}))
    manifest = Manifest(name="set", root="/", classes=classes, images=everything, left_out=left_out)
    return {finding.code: finding.sentence for finding in check(manifest).findings}


def test_an_ordinary_set_needs_no_words() -> None:
    assert said(images("cat", 30), images("dog", 25)) == {}


def test_few_images_are_counted() -> None:
    assert said(images("cat", 4), images("dog", 9)) == {
        "few": "Few pictures of cat (4) and dog (9): with 10 or more of each, the result can be trusted."
    }


def test_an_unbalanced_set_names_the_class_that_needs_more() -> None:
    assert said(images("cat", 50), images("dog", 12)) == {
        "unbalanced": "cat has 50 pictures, dog only 12: more of dog would help most."
    }


def test_copies_are_told_from_contradictions() -> None:
    cats, dogs = images("cat", 20), images("dog", 20)
    copy = replace(cats[0], file="cat/copy.jpg")
    stray = replace(cats[1], file="dog/stray.jpg", class_name="dog")

    words = said([*cats, copy], [*dogs, stray])

    assert (
        words["duplicates"].startswith("1 file is exact copies of another picture of the same class") is False
    )
    assert words["duplicates"].startswith("1 file is an exact copy of another picture of the same class")
    assert words["two-classes"] == (
        "1 picture is in two classes at once, such as cat/1.jpg and dog/stray.jpg: "
        "keep the right one of each."
    )


def test_groups_that_look_alike_are_counted() -> None:
    cats, dogs = images("cat", 20), images("dog", 20)
    cats[1] = replace(cats[1], group=cats[0].group)
    dogs[0] = replace(dogs[0], group=cats[0].group)

    words = said(cats, dogs)

    assert words["near-duplicates"] == (
        "3 pictures look almost like another (1 group); each group stays together, for practice "
        "or in the exam."
    )
    assert words["two-labels"] == (
        "1 group of near duplicates with more than one class, such as cat/0.jpg and dog/0.jpg: "
        "check which class is right."
    )


def test_a_dark_class_is_named() -> None:
    words = said(images("pen", 20, brightness=0.2), images("cup", 20, brightness=0.7))

    assert words == {
        "brightness": "Almost all pictures of cup are brighter than the others: "
        "the network may learn brightness instead."
    }
    assert said(
        images("pen", 20, brightness=0.2),
        images("cup", 20, brightness=0.7),
        images("box", 20, brightness=0.6),
    ) == {
        "brightness": "Almost all pictures of pen are darker than the others: "
        "the network may learn darkness instead."
    }


def test_a_class_of_small_images_is_named() -> None:
    words = said(images("pen", 20, side=100), images("cup", 20, side=400))

    assert list(words) == ["size"]
    assert "are larger than the others: the network may learn sharpness instead" in words["size"]


def test_lost_images_are_listed_and_notes_are_not() -> None:
    lost = SkippedFile(file="cat/a.jpg", reason="a.jpg is cut short.")
    note = SkippedFile(file="README.md", reason="README.md is not a picture.")

    words = said(images("cat", 20), images("dog", 20), left_out=(lost, note))

    assert words == {"left-out": "1 file is left out: a.jpg is cut short."}


def test_given_folders_and_their_leaks_are_explained() -> None:
    def given(group: list[ImageRecord], part: Part) -> list[ImageRecord]:
        return [replace(image, given_part=part) for image in group]

    train = given(images("cat", 20) + images("dog", 20), "train")
    test = given(images("cat", 10, first=50) + images("dog", 10, first=50), "test")
    test[0] = replace(test[0], group=train[0].group)

    words = said(train, test)

    assert (
        words["given-parts"] == "Your own folders decide: 40 pictures to practise on, 20 (test) for the exam."
    )
    assert words["leak"] == (
        "1 picture of the exam is almost the same as one in the practice folder: the result will look "
        "better than it is. "
        "Leave it out, or move it to the practice folder: cat/50.jpg."
    )


def findings(*groups: list[ImageRecord]) -> dict[str, Finding]:
    everything = tuple(image for group in groups for image in group)
    classes = tuple(sorted({image.class_name for image in everything}))
    manifest = Manifest(name="set", root="/", classes=classes, images=everything)
    return {finding.code: finding for finding in check(manifest).findings}


def test_a_finding_carries_what_would_mend_it() -> None:
    cats, dogs = images("cat", 20), images("dog", 4)
    cats.append(replace(cats[0], file="cat/copy.jpg"))

    found = findings(cats, dogs)

    assert found["few"].classes == found["unbalanced"].classes == ("dog",)
    assert found["duplicates"].spare == ("cat/copy.jpg",)
    assert found["duplicates"].classes == ()


def test_one_of_each_alike_is_kept_unless_too_few_would_be_left() -> None:
    cats, burst = images("cat", 20), images("dog", 20)
    cats[1] = replace(cats[1], group=cats[0].group)
    burst = [replace(image, group=burst[i // 10].group) for i, image in enumerate(burst)]

    assert findings(cats, burst)["near-duplicates"].spare == ("cat/1.jpg",)


def test_one_class_alone_is_not_unbalanced() -> None:
    assert said(images("cat", 30)) == {}
