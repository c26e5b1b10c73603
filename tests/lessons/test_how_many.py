"""From one picture of each class to twenty: where the curve bends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.how_many import LESSON
from headswap.lessons.lesson import LessonResult

pytestmark = pytest.mark.slow  # three seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def mean(results: tuple[LessonResult, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_ten_images_of_each_class_are_clearly_better_than_one_on_every_seed(seen: Run) -> None:
    for result in seen("how-many", whole=True):
        numbers = {number.name: number for number in result.numbers}
        assert (numbers["exam_10"].low or 0) > (numbers["exam_1"].high or 1)


def test_from_one_to_ten_brings_more_than_thrice_what_ten_more_bring(seen: Run) -> None:
    results = seen("how-many", whole=True)

    early = mean(results, "exam_10") - mean(results, "exam_1")
    late = mean(results, "exam_20") - mean(results, "exam_10")
    assert late > 0
    assert early > 3 * late


def test_every_size_has_an_interval_around_its_mean(seen: Run) -> None:
    for result in seen("how-many", whole=True):
        for number in result.numbers:
            if number.name.startswith("exam_"):
                assert (number.low or 0) < number.value < (number.high or 0)


def test_the_code_draws_the_first_ones_or_from_each_class(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["counts"].tolist() == [20, 0, 0, 0]
    assert ran(LESSON, 0, "right")["counts"].tolist() == [5, 5, 5, 5]
