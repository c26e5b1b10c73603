"""From one picture of each class to twenty: where the curve bends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.how_many import LESSON, _bend, _bent_words
from headswap.lessons.lesson import Result

pytestmark = pytest.mark.slow  # three seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[Result, ...]]


def mean(results: tuple[Result, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_ten_pictures_of_each_class_are_clearly_better_than_one_on_every_seed(seen: Run) -> None:
    for result in seen("how-many"):
        numbers = {number.name: number for number in result.numbers}
        assert (numbers["exam_10"].low or 0) > (numbers["exam_1"].high or 1)


def test_from_one_to_ten_brings_more_than_thrice_what_ten_more_bring(seen: Run) -> None:
    results = seen("how-many", whole=True)

    early = mean(results, "exam_10") - mean(results, "exam_1")
    late = mean(results, "exam_20") - mean(results, "exam_10")
    assert late > 0
    assert early > 3 * late


def test_what_is_said_of_the_bend_follows_from_the_numbers() -> None:
    sizes = [1, 2, 5, 10, 20]

    assert "bends at 10 of each" in words_for(sizes, [0.3, 0.45, 0.65, 0.8, 0.82])
    beginning = words_for(sizes, [0.31, 0.42, 0.6, 0.74, 0.82])
    assert "The first 10 bring 43 points; twice as many bring 8 more, less than the 14" in beginning
    assert "not bent yet" in words_for(sizes, [0.3, 0.35, 0.45, 0.55, 0.7])


def words_for(sizes: list[int], means: list[float]) -> str:
    return _bent_words(_bend(sizes, means), sizes, means)


def test_every_size_has_an_interval_around_its_mean(seen: Run) -> None:
    for result in seen("how-many"):
        for number in result.numbers:
            if number.name.startswith("exam_"):
                assert (number.low or 0) < number.value < (number.high or 0)


def test_the_code_draws_the_first_ones_or_from_each_class(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["counts"].tolist() == [20, 0, 0, 0]
    assert ran(LESSON, 0, "right")["counts"].tolist() == [5, 5, 5, 5]
