"""A change gives a new set, grouped, checked and drawn again, and never touches the old one."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from headswap.data.edit import (
    drop_class,
    drop_images,
    finished,
    join,
    label_images,
    merge_classes,
    relabel,
    rename_class,
    valid_name,
)
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile
from headswap.errors import BadSetting, NotFound, TooFewImages


def images(class_name: str, count: int, *, tag: str = "") -> tuple[ImageRecord, ...]:
    def look(number: int) -> str:
        return random.Random(f"{class_name}{number}{tag}").randbytes(32).hex()

    return tuple(
        ImageRecord(
            file=f"{class_name}/{number}.jpg", source="x.jpg", class_name=class_name,
            sha256=hashlib.sha256(f"{class_name}{number}{tag}".encode()).hexdigest(),
            width=100, height=100, fingerprint=look(number), brightness=0.5,
        )
        for number in range(count)
    )  # fmt: skip


@pytest.fixture
def manifest() -> Manifest:
    everything = (*images("cup", 20), *images("mug", 12), *images("pen", 20))
    return finished(Manifest(name="desk", root="/images", classes=(), images=everything))


def test_a_renamed_class_keeps_its_images_and_its_test(manifest: Manifest) -> None:
    renamed = rename_class(manifest, "pen", "  blue\u202e pe\u0301n ")

    assert renamed.classes == ("blue p\u00e9n", "cup", "mug")
    assert renamed.counts == {"blue p\u00e9n": 20, "cup": 20, "mug": 12}
    assert {p.sha256 for p in renamed.part("test")} == {p.sha256 for p in manifest.part("test")}
    assert rename_class(manifest, "pen", "Pen").classes == ("Pen", "cup", "mug")


def test_a_name_that_is_taken_or_cannot_be_one_is_refused_in_a_sentence(manifest: Manifest) -> None:
    with pytest.raises(BadSetting, match=r"There is a class called mug already. Choose another name"):
        rename_class(manifest, "pen", "MUG")
    for nothing in ("", " \t ", "\u202e"):
        with pytest.raises(BadSetting, match=r"The class has no name. Type the word"):
            rename_class(manifest, "pen", nothing)
    for unusable in ("a/b", "a\\b", ".hidden", "Thumbs.db"):
        with pytest.raises(BadSetting, match="A class cannot be called"):
            valid_name(unusable)
    with pytest.raises(BadSetting, match=r"The name has 81 letters. Use at most 80"):
        valid_name("x" * 81)
    with pytest.raises(NotFound, match="There is no class called fork"):
        rename_class(manifest, "fork", "spoon")


def test_two_classes_become_one(manifest: Manifest) -> None:
    merged = merge_classes(manifest, "mug", "cup")

    assert merged.counts == {"cup": 32, "pen": 20}
    assert manifest.counts == {"cup": 20, "mug": 12, "pen": 20}
    with pytest.raises(BadSetting, match="cup is one class already"):
        merge_classes(manifest, "cup", "cup")
    with pytest.raises(NotFound, match="There is no class called fork"):
        merge_classes(manifest, "cup", "fork")


def test_a_class_left_out_may_leave_one_but_not_none(manifest: Manifest) -> None:
    one = drop_class(drop_class(manifest, "mug"), "pen")

    assert one.counts == {"cup": 20}
    with pytest.raises(TooFewImages, match=r"These are the last pictures. Add others first"):
        drop_class(one, "cup")


def test_an_image_gets_another_class_known_or_new(manifest: Manifest) -> None:
    known = relabel(manifest, ["mug/0.jpg"], "CUP")
    new = relabel(manifest, ["mug/0.jpg", "pen/3.jpg"], "spoon")

    assert known.counts == {"cup": 21, "mug": 11, "pen": 20}
    assert new.counts == {"cup": 20, "mug": 11, "pen": 19, "spoon": 2}
    with pytest.raises(NotFound, match="no such picture"):
        relabel(manifest, ["mug/99.jpg"], "cup")
    with pytest.raises(NotFound, match="no such picture"):
        relabel(manifest, [], "cup")


def test_dropped_images_go_and_their_class_with_the_last(manifest: Manifest) -> None:
    fewer = drop_images(manifest, ["mug/0.jpg", "mug/1.jpg"])
    none = drop_images(manifest, [p.file for p in manifest.images if p.class_name == "mug"])

    assert fewer.counts["mug"] == 10
    assert none.classes == ("cup", "pen")
    with pytest.raises(TooFewImages, match="last pictures"):
        drop_images(manifest, [p.file for p in manifest.images])


def test_findings_and_parts_follow_every_change(manifest: Manifest) -> None:
    few = drop_images(manifest, [f"mug/{number}.jpg" for number in range(9)])

    assert [finding.code for finding in manifest.findings] == []
    assert [(finding.code, finding.classes) for finding in few.findings] == [
        ("few", ("mug",)),
        ("unbalanced", ("mug",)),
    ]
    for name in few.classes:
        assert any(p.class_name == name for p in few.part("test"))
        assert any(p.class_name == name for p in few.part("train"))


def test_what_comes_is_added_once_and_under_the_known_spelling(manifest: Manifest) -> None:
    note = SkippedFile(file="notes.txt", reason="notes.txt is not a picture.")
    shouted = [replace(p, class_name="MUG") for p in images("mug", 14)]  # twelve of them are there
    others = images("mug", 3, tag="other camera")  # other pictures, the same file names
    more = Manifest(
        name="more", root="/images", classes=("MUG", "box", "mug"),
        images=(*shouted, *others, *images("box", 2)), left_out=(note, note),
    )  # fmt: skip

    joined = join(manifest, more)

    assert joined.counts == {"box": 2, "cup": 20, "mug": 17, "pen": 20}
    assert joined.name == "desk"
    assert joined.left_out == (note,)
    files = [image.file for image in joined.images]
    assert len(set(files)) == len(files)
    assert "mug/0 (2).jpg" in files
    assert join(joined, more) == joined


def test_a_label_that_comes_with_a_second_table_says_what_becomes_of_the_pictures_before() -> None:
    def labelled(name: str, *labels: str) -> Manifest:
        records = tuple(
            replace(one, class_name=" + ".join(labels), labels=labels) for one in images(name, 12)
        )
        return Manifest(name=name, root="/images", classes=labels, images=records)

    joined = join(labelled("mug", "mug", "red"), labelled("pen", "long", "red"))

    told = [one.sentence for one in joined.findings if one.code == "table"]
    assert told == ["A label came later: the 12 pictures that came before count as not showing long."]
    assert joined.counts == {"long": 12, "mug": 12, "red": 24}
    again = join(joined, labelled("cup", "mug", "red"))
    assert [one.sentence for one in again.findings if one.code == "table"] == told


def test_folders_that_decide_the_test_go_on_deciding(manifest: Manifest) -> None:
    given = finished(
        replace(
            manifest,
            images=tuple(
                replace(p, given_part="test" if p.file.endswith("5.jpg") else "train")
                for p in manifest.images
            ),
        )
    )

    renamed = rename_class(given, "pen", "pencil")

    assert {p.file for p in renamed.part("test")} == {p.file for p in given.part("test")}
    assert all(p.file.endswith("5.jpg") for p in renamed.part("test"))


def test_what_a_person_names_is_added_to_train_on_or_gets_its_right_class(manifest: Manifest) -> None:
    new, there = images("", 2, tag="tried"), manifest.images[0]
    exam = {one.sha256 for one in manifest.part("test")}

    named = label_images(manifest, (*new, there), " MUG ")

    assert named.counts == {"cup": 19, "mug": 15, "pen": 20}
    assert {one.part for one in named.images if one.sha256 in {each.sha256 for each in new}} == {"train"}
    assert {one.sha256 for one in named.part("test") if one.sha256 != there.sha256} == exam - {there.sha256}
    assert len({one.file for one in named.images}) == len(named.images)
    assert label_images(named, new, "bowl").counts == {"bowl": 2, "cup": 19, "mug": 13, "pen": 20}


def test_beside_folders_for_an_exam_what_is_named_gets_no_part_of_its_own(manifest: Manifest) -> None:
    given = [replace(one, given_part="test" if i < 5 else "train") for i, one in enumerate(manifest.images)]

    named = label_images(replace(manifest, images=tuple(given)), images("", 1, tag="tried"), "cup")

    assert [(one.given_part, one.part) for one in named.images[-1:]] == [(None, "train")]
