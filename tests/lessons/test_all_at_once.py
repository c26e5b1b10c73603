"""A random head and the whole body with large steps, against head first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.all_at_once import LESSON
from headswap.lessons.lesson import LessonResult

pytestmark = pytest.mark.slow  # several seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def mean(results: tuple[LessonResult, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_all_at_once_loses_what_the_body_knew_on_average(seen: Run) -> None:
    results = seen("all-at-once", whole=True)  # one seed may be lucky: large steps differ between processors

    assert mean(results, "exam_solved") - mean(results, "exam_all_at_once") > 0.1
    assert mean(results, "exam_head_first") - mean(results, "exam_all_at_once") > 0.1


def test_head_first_keeps_what_the_solved_head_reached_on_average(seen: Run) -> None:
    results = seen("all-at-once", whole=True)

    assert mean(results, "exam_head_first") >= mean(results, "exam_solved") - 0.05


def test_the_gap_is_named_as_train_less_test(seen: Run) -> None:
    for result in seen("all-at-once", whole=True):
        assert result["gap_head_first"] == result["practice_head_first"] - result["exam_head_first"]
        assert "gap" in result.sentences[2]


def test_the_code_has_one_rate_or_one_for_each_stage(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["rates"] == {0.1}
    assert len(ran(LESSON, 0, "right")["rates"]) == 5
