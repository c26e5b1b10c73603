"""What a head is: the scores by hand, and six heads where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headswap.lessons.lesson import LessonResult
from headswap.lessons.what_is_a_head import LESSON

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_the_votes_are_one_multiplication_of_the_features(seen: Run) -> None:
    for result in seen("what-is-a-head"):
        assert result["difference"] < 1e-4
        assert (result["width"], result["votes"]) == (1280, 1000)


def test_the_new_head_is_a_few_thousand_of_millions_of_numbers(seen: Run) -> None:
    (result,) = seen("what-is-a-head", seeds=(0,))

    assert result["new_head"] == 1281 * 4
    assert result["new_head"] < 0.002 * result["body"]


def test_every_quiz_question_names_the_head_that_is_found(seen: Run) -> None:
    (result,) = seen("what-is-a-head", seeds=(0,))

    assert result["heads_found"] == len(LESSON.quiz) == 6


def test_the_code_computes_the_votes_by_hand(ran: Ran) -> None:
    right = ran(LESSON, 0, "right")

    assert right["scores"].shape == (1, 1000)
    assert (right["scores"] - right["answer"]).abs().max() < 1e-5
    assert ran(LESSON, 0, "wrong")["scores"] is None
