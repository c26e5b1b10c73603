"""Folder names become classes and parts."""

from __future__ import annotations

import unicodedata

import pytest

from headswap.data.layout import FolderLayout, arrange, class_key, class_name, unsorted

# What people, systems and attackers call folders.
NAMES = [
    "cat", "Cats and Dogs", "  spaces  ", "tab\there", "new\nline", "größe",
    unicodedata.normalize("NFD", "größe"), "猫", "кошка", "قط", "🐈", "👩‍👧", "ﬁne", "İstanbul", "ẞ",
    "CON", "nul", "COM1", "aux.txt", "trailing.",
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "[link](javascript:alert(1))", "**bold**",
    "=cmd|' /C calc'!A0", "+1", "-1", "@sum", "'; DROP TABLE jobs; --", "$(reboot)", "`id`", "%00", "a&b",
    "\u202ecod.exe", "cat\u2066dog\u2069", "\u200b", "c:", "~", "0", "x" * 300,
]  # fmt: skip


def classes(layout: FolderLayout) -> dict[str, str]:
    return {placed.file: placed.class_name or "none" for placed in layout.placed}


def parts(layout: FolderLayout) -> dict[str, str | None]:
    return {placed.file: placed.given_part for placed in layout.placed}


def test_each_folder_is_a_class_in_any_order_of_the_files() -> None:
    names = ["cat/2.jpg", "dog/1.png", "cat/1.jpg", "dog/deep/er/3.webp"]

    assert arrange(names) == arrange(reversed(names))
    assert classes(arrange(names)) == {
        "cat/1.jpg": "cat", "cat/2.jpg": "cat", "dog/1.png": "dog", "dog/deep/er/3.webp": "dog",
    }  # fmt: skip


@pytest.mark.parametrize("wrapper", ["", "pets/", "a/b/c/", "train/", "My pets (1)/data/"])
def test_wrapper_folders_are_looked_through(wrapper: str) -> None:
    layout = arrange([f"{wrapper}cat/1.jpg", f"{wrapper}dog/1.jpg", f"{wrapper}README.md"])

    assert sorted(classes(layout).values()) == ["cat", "dog"]
    assert [left.reason for left in layout.left_out] == ["README.md is not a picture."]


@pytest.mark.parametrize("test", ["test", "Testing", "val", "valid", "Validation"])
@pytest.mark.parametrize("wrapper", ["", "set/"])
def test_given_parts_are_recognised(test: str, wrapper: str) -> None:
    layout = arrange([f"{wrapper}{part}/{name}/1.jpg" for part in ("Train", test) for name in ("cat", "dog")])

    given = "test" if test.casefold().startswith("test") else "validation"
    assert set(classes(layout).values()) == {"cat", "dog"}
    assert parts(layout) == {
        f"{wrapper}{part}/{name}/1.jpg": known
        for part, known in (("Train", "train"), (test, given))
        for name in ("cat", "dog")
    }


def test_parts_inside_class_folders_are_recognised() -> None:
    layout = arrange(["cat/train/1.jpg", "cat/test/2.jpg", "dog/train/1.jpg", "dog/test/2.jpg"])

    assert set(classes(layout).values()) == {"cat", "dog"}
    assert parts(layout)["dog/test/2.jpg"] == "test"


def test_a_class_may_be_called_train() -> None:
    layout = arrange(["train/1.jpg", "car/1.jpg", "plane/1.jpg"])

    assert set(classes(layout).values()) == {"train", "car", "plane"}


def test_unlabelled_test_images_are_left_out_by_name() -> None:
    layout = arrange(["train/cat/1.jpg", "train/dog/1.jpg", "test/7.jpg", "try/8.jpg"])

    assert [(left.file, left.reason) for left in layout.left_out] == [
        ("test/7.jpg", "7.jpg is not in a class folder."),
        ("try/8.jpg", "8.jpg is in try, next to the test and train folders."),
    ]


def test_litter_is_ignored_and_loose_files_are_named() -> None:
    layout = arrange(
        [
            "cat/1.jpg", "dog/1.jpg", "cat/Thumbs.db", "cat/.DS_Store", "__MACOSX/cat/._1.jpg", ".git/HEAD",
            "cat/desktop.ini", "loose.jpg", "notes.txt", "cat/notes.txt",
        ]
    )  # fmt: skip

    assert set(classes(layout)) == {"cat/1.jpg", "dog/1.jpg", "cat/notes.txt"}
    assert [left.reason for left in layout.left_out] == [
        "loose.jpg is not in a class folder.",
        "notes.txt is not a picture.",
    ]


def test_spellings_of_one_class_are_put_together_and_that_is_said() -> None:
    layout = arrange(["Cats/1.jpg", "cats/2.jpg", "cats/3.jpg", "dogs/1.jpg"])

    assert sorted(set(classes(layout).values())) == ["cats", "dogs"]
    assert [(finding.code, finding.sentence) for finding in layout.findings] == [
        ("merged-classes", '"Cats" and "cats" are the same class; they were put together as "cats".')
    ]


def test_composed_and_decomposed_letters_are_one_class() -> None:
    spelt = ["größe", "zebra"]
    layout = arrange(
        [f"{unicodedata.normalize(form, name)}/{form}.jpg" for name in spelt for form in ("NFC", "NFD")]
    )

    assert set(classes(layout).values()) == {"größe", "zebra"}
    assert layout.findings == ()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_folder_name_gives_a_class_name_that_can_be_shown(name: str) -> None:
    shown = class_name(name)

    assert shown.strip() == shown != ""
    assert not set(shown) & set("\n\t\r\x00\x1b\u202e\u2066\u2069")
    assert class_name(shown) == shown
    assert class_key(shown) == class_key(name) == class_key(unicodedata.normalize("NFD", name))
    if name.isprintable() and name == " ".join(name.split()):
        assert shown == unicodedata.normalize("NFC", name), "an ordinary name is kept as it is"


def test_forty_names_stay_apart() -> None:
    distinct = {class_key(name) for name in NAMES}

    assert len(NAMES) == 40
    assert len(distinct) == 39, "only the two forms of größe are one"


def test_what_nobody_has_sorted_is_taken_at_any_depth_and_of_no_class() -> None:
    laid_out = unsorted(["b.jpg", "day 1/a.jpg", "train/x/c.jpg", "__MACOSX/._b.jpg", ".hidden.png"])

    assert [placed.file for placed in laid_out.placed] == ["b.jpg", "day 1/a.jpg", "train/x/c.jpg"]
    assert {(placed.class_name, placed.given_part) for placed in laid_out.placed} == {("", None)}
