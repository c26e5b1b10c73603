"""What a head cannot see, and what it learns by heart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.lesson import LessonResult
from headswap.lessons.no_magic import LESSON

pytestmark = pytest.mark.slow  # three seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


GUESS = 0.25


def mean(results: tuple[LessonResult, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_shuffled_labels_are_learned_by_heart_and_understood_not_at_all(seen: Run) -> None:
    results = seen("no-magic")

    assert all(result["practice_shuffled"] > 0.95 for result in results)
    assert abs(mean(results, "exam_shuffled") - GUESS) < 0.12


def test_noise_says_nothing(seen: Run) -> None:
    assert abs(mean(seen("no-magic"), "exam_noise") - GUESS) < 0.12


def test_pixels_in_another_order_cost_the_head_most_of_what_it_had(seen: Run) -> None:
    for result in seen("no-magic"):
        assert result["exam_pictures"] - result["exam_scrambled"] > 0.25


def test_the_code_judges_by_heart_or_honestly(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["share"] == 1.0
    assert 0.2 < ran(LESSON, 0, "right")["share"] < 0.8
