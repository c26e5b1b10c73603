"""A frozen body in training mode drifts; in eval mode it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.lesson import LessonResult
from headswap.lessons.norms import LESSON

pytestmark = pytest.mark.slow  # several seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def mean(results: tuple[LessonResult, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_no_statistic_moves_in_eval_mode_and_the_test_is_the_same(seen: Run) -> None:
    for result in seen("norms", whole=True):
        assert result["drift_eval"] == 0.0
        assert result["exam_eval"] == result["exam_before"]


def test_statistics_move_in_training_mode_though_everything_is_frozen(seen: Run) -> None:
    for result in seen("norms", whole=True):
        assert result["drift_train"] > 0.1


def test_the_test_gets_worse_by_drifting_on_every_seed(seen: Run) -> None:
    results = seen("norms", whole=True)

    assert all(result["exam_drifted"] < result["exam_before"] for result in results)
    assert mean(results, "exam_before") - mean(results, "exam_drifted") > 0.1


def test_a_head_solved_on_the_drifted_body_fits_again(seen: Run) -> None:
    results = seen("norms", whole=True)

    assert mean(results, "exam_again") > mean(results, "exam_drifted") + 0.1


def test_answers_in_training_mode_depend_on_the_other_images_of_the_batch(seen: Run) -> None:
    for result in seen("norms", whole=True):
        assert result["mixed"] < result["exam_before"] - 0.1
        assert result["one_class"] < result["mixed"]


def test_the_code_drifts_or_stands_still(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["drift"] > 0.0
    assert ran(LESSON, 0, "right")["drift"] == 0.0
