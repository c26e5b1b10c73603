from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headswap.data.manifest import Manifest
from headswap.exports.parity import (
    BOUND,
    MOST_IMAGES,
    ExpectedAnswer,
    check_of,
    choose_images,
    compare,
    run_script,
)

ONE = ExpectedAnswer(file="check/a.png", truth="mug", label="mug", probabilities={"mug": 0.6, "pen": 0.4})
TWO = ExpectedAnswer(file="check/b.png", truth=None, label="pen", probabilities={"pen": 0.9, "mug": 0.1})
NOT_SAID = [None, None]


def test_ten_images_are_chosen_test_first_and_classes_in_turn(few_images: Manifest) -> None:
    chosen = choose_images(few_images)

    assert len(chosen) == MOST_IMAGES
    test = [one for one in chosen if one.part == "test"]
    assert list(chosen[: len(test)]) == test
    assert len(test) == min(MOST_IMAGES, len(few_images.part("test")))
    assert {one.class_name for one in chosen[:3]} == {"bird", "fruit", "vehicle"}


def test_images_that_are_gone_are_not_chosen(few_images: Manifest) -> None:
    gone = Manifest(name="x", root="/nowhere", classes=few_images.classes, images=few_images.images)

    assert choose_images(gone) == ()


def test_the_largest_difference_of_any_probability_is_told() -> None:
    way = compare("page", [ONE, TWO], [{"mug": 0.55, "pen": 0.45}, {"pen": 0.9, "mug": 0.1}], NOT_SAID)

    assert way.largest_difference == pytest.approx(0.05)
    assert (way.images, way.same) == (2, 2)
    assert not way.agrees


def test_another_label_is_no_agreement_unless_the_two_tie() -> None:
    nearly = ExpectedAnswer(file="x", truth=None, label="mug", probabilities={"mug": 0.501, "pen": 0.499})

    tie = compare("page", [nearly], [{"mug": 0.5 - BOUND / 4, "pen": 0.5 + BOUND / 4}], [None])
    other = compare("page", [nearly], [{"mug": 0.5 - BOUND, "pen": 0.5 + BOUND}], [None])

    assert tie.same == 1
    assert other.same == 0
    assert not other.agrees


def test_another_warning_is_no_agreement_unless_it_is_on_the_brink() -> None:
    strange = replace(ONE, ood_score=1.2)

    def same(unlike: float | None) -> int:
        return compare("page", [strange], [ONE.probabilities], [unlike]).same

    assert (same(1.1), same(0.9), same(None)) == (1, 0, 0)
    assert compare("page", [replace(ONE, ood_score=1.0001)], [ONE.probabilities], [0.9999]).same == 1


def test_a_way_that_was_not_run_is_told_and_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("raise SystemExit('No luck today.')")

    way = run_script(tmp_path, "predict.py", [ONE], name="predict.py", hidden=("headswap",))
    check = check_of([way, compare("page", [ONE], [ONE.probabilities], [None])], [ONE, TWO])

    assert way.problem == "No luck today."
    assert way.largest_difference is None
    assert check.agree
    assert check.images == (ONE,)
    assert check.drawings == (TWO,)


def test_a_program_of_the_zip_is_run_without_headswap(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("import headswap")

    way = run_script(tmp_path, "predict.py", [ONE], name="predict.py", hidden=("headswap",))

    assert "headswap" in way.problem
    assert "None in sys.modules" in way.problem
