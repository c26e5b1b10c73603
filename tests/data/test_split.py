"""The exam is drawn fairly, by class and look alone, and never holds what was practised."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord, Manifest, Part
from headswap.data.split import crossing, split, split_as
from headswap.errors import BadSetting

SHARED = Path(__file__).parents[2].parent / "shared"


def image(
    number: int, class_name: str, *, group: int | None = None, given: Part | None = None
) -> ImageRecord:
    return ImageRecord(
        file=f"{class_name}/{number}.jpg", source=f"{class_name}/{number}.jpg", class_name=class_name,
        sha256=f"{number:064x}", width=10, height=10, brightness=0.5,
        fingerprint=np.random.default_rng(number).bytes(32).hex(),
        group=number if group is None else group, given_part=given,
    )  # fmt: skip


def manifest(*images: ImageRecord) -> Manifest:
    classes = tuple(sorted({each.class_name for each in images}))
    return Manifest(name="set", root="/", classes=classes, images=images)


def many(**counts: int) -> Manifest:
    numbers = iter(range(10_000))
    return manifest(*(image(next(numbers), name) for name, count in counts.items() for _ in range(count)))


def sizes(result: Manifest, part: Part) -> dict[str, int]:
    return dict(Counter(each.class_name for each in result.part(part)))


def test_each_class_gives_its_share() -> None:
    result = split(many(cat=50, dog=20, bird=5), test_share=0.2)

    assert sizes(result, "test") == {"cat": 10, "dog": 4, "bird": 1}
    assert sizes(result, "train") == {"cat": 40, "dog": 16, "bird": 4}


def test_tiny_classes_keep_something_to_practise_on() -> None:
    result = split(many(cat=1, dog=2, bird=3))

    assert sizes(result, "train") == {"cat": 1, "dog": 1, "bird": 2}
    assert sizes(result, "test") == {"dog": 1, "bird": 1}


def test_two_classes_of_one_image_have_no_test() -> None:
    assert split(many(cat=1, dog=1)).part("test") == ()


def test_one_to_a_hundred_and_two_hundred_classes_are_split() -> None:
    assert sizes(split(many(cat=200, dog=2)), "test") == {"cat": 40, "dog": 1}
    assert len(sizes(split(many(**{f"class{number}": 4 for number in range(200)})), "test")) == 200


def test_no_share_means_no_test() -> None:
    assert split(many(cat=10, dog=10), test_share=0).part("test") == ()


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_files() -> None:
    given = many(cat=30, dog=30)
    shuffled = replace(given, images=given.images[::-1])

    def test(result: Manifest) -> set[str]:
        return {each.sha256 for each in result.part("test")}

    assert test(split(given, seed=1)) == test(split(given, seed=1)) == test(split(shuffled, seed=1))
    assert test(split(given, seed=1)) != test(split(given, seed=2))


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_even_across_classes(seed: int) -> None:
    dice = np.random.default_rng(seed)
    images = [image(n, "abc"[int(dice.integers(3))], group=int(dice.integers(40))) for n in range(150)]

    result = split(manifest(*images), seed=seed)

    sides: dict[int, set[str]] = {}
    for each in result.images:
        sides.setdefault(each.group, set()).add(each.part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert set(sizes(result, "train")) == set(sizes(result, "test")) == {"a", "b", "c"}
    assert 0.1 <= len(result.part("test")) / 150 <= 0.3


def test_a_class_of_two_large_groups_still_gets_a_test() -> None:
    images = [image(n, "cat", group=n // 10) for n in range(20)] + [image(n, "dog") for n in range(30, 50)]

    assert sizes(split(manifest(*images)), "test") == {"cat": 10, "dog": 4}


@pytest.mark.parametrize(
    ("given", "test"),
    [(("train", "test"), "test"), (("train", "validation"), "validation"),
     (("train", "validation", "test"), "test")],
)  # fmt: skip
def test_given_parts_are_respected(given: tuple[Part, ...], test: Part) -> None:
    images = [
        image(number * 10 + place, name, given=part)
        for number, part in enumerate(given)
        for place, name in enumerate(("cat", "cat", "dog"))
    ]

    result = split(manifest(*images), test_share=0.5)

    assert {each.given_part for each in result.part("test")} == {test}
    assert {each.given_part for each in result.part("train")} == {"train"}
    assert len(result.images) == len(images)


def test_a_test_image_is_not_trained_even_if_it_lies_in_both_folders() -> None:
    kept = [
        image(1, "cat", given="train"),
        image(2, "dog", given="train"),
        image(3, "dog", given="test"),
    ]
    both = [
        replace(image(3, "dog", given="train"), file="train/dog/3.jpg"),
        image(4, "cat", given="test"),
    ]

    result = split(manifest(*kept, *both))

    assert [(left.file, left.reason) for left in result.left_out] == [
        ("train/dog/3.jpg", "3.jpg is also in the test folder.")
    ]
    assert sizes(result, "train") == {"cat": 1, "dog": 1}


def test_a_class_without_training_images_is_left_out() -> None:
    images = [image(n, name, given="train") for n, name in enumerate(("cat", "dog"))]
    test = [image(n, name, given="test") for n, name in ((5, "cat"), (6, "dog"), (7, "unknown"))]

    result = split(manifest(*images, *test))

    assert result.classes == ("cat", "dog")
    assert result.left_out[0].reason == "7.jpg is of a class that has no practice pictures."


def test_parts_without_train_are_ignored() -> None:
    images = [image(n, "cat" if n % 2 else "dog", given="test") for n in range(20)]

    assert sizes(split(manifest(*images)), "test") == {"cat": 2, "dog": 2}


@pytest.mark.parametrize("test_share", [-0.1, 0.95, 1.0, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(test_share: float) -> None:
    with pytest.raises(BadSetting, match=r"The test share is .*\. Choose 0 to 0\.9, such as 0\.2"):
        split(many(cat=4, dog=4), test_share=test_share)


def test_near_duplicate_tiles_never_fall_on_both_sides() -> None:
    tiles = SHARED / "data" / "magnetic_tile6"
    if not tiles.is_dir():
        pytest.skip("the sets are not next to this clone")

    result = split(ingest(tiles, threads=2).manifest)

    trained = {each.group for each in result.part("train")}
    assert trained.isdisjoint(each.group for each in result.part("test"))
    assert 60 <= len(result.part("test")) <= 70
    assert set(sizes(result, "test")) == set(result.classes)


def test_a_recorded_split_is_taken_as_it_was_whatever_is_near_today() -> None:
    given = many(cat=20, dog=20)
    recorded = split(given, seed=3)
    recorded = replace(
        recorded,
        images=tuple(replace(each, group=each.group + 7) for each in recorded.images),
        classes=("cat", "dog"),
    )
    regrouped = replace(given, images=tuple(replace(each, group=0) for each in given.images))

    again = split_as(regrouped, recorded)

    assert again is not None
    assert [(each.group, each.part) for each in again.images] == [
        (each.group, each.part) for each in recorded.images
    ]


def test_a_recorded_split_says_nothing_of_other_images() -> None:
    recorded = split(many(cat=20, dog=20))

    assert split_as(many(cat=20, dog=19), recorded) is None
    assert split_as(many(cat=21, dog=20), recorded) is None


def test_near_duplicates_across_given_folders_are_found() -> None:
    near = [image(1, "cat", group=5, given="train"), image(2, "cat", group=5, given="test")]
    others = [image(3, "dog", given="train"), image(4, "dog", given="test")]

    assert crossing(manifest(*near, *others)) == (near[1],)


def test_what_a_person_adds_to_train_on_moves_nothing_of_the_exam() -> None:
    before = split(many(cat=30, dog=30))
    added = [
        image(1000 + number, name, given="train") for number, name in enumerate(["cat"] * 9 + ["dog"] * 5)
    ]
    new = [image(2000 + number, "cow", given="train") for number in range(5)]

    after = split(replace(before, classes=("cat", "cow", "dog"), images=(*before.images, *added, *new)))

    kept = {each.sha256 for each in after.part("test") if each.class_name != "cow"}
    assert kept == {each.sha256 for each in before.part("test")}
    assert sizes(after, "test")["cow"] == 1, "a class that has nothing else is examined too"


def test_what_is_added_stays_on_the_side_of_its_near_duplicates() -> None:
    before = split(many(cat=30, dog=30))
    twin = next(each for each in before.part("test") if each.class_name == "cat")
    added = image(1000, "cat", given="train", group=twin.group)

    after = split(replace(before, images=(*before.images, added)))

    assert next(each.part for each in after.images if each.sha256 == added.sha256) == "test"
    assert {each.sha256 for each in before.part("test")} < {each.sha256 for each in after.part("test")}
