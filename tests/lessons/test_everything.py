"""The head alone against everything, and everything from nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.everything import LESSON
from headswap.lessons.lesson import LessonResult

pytestmark = pytest.mark.slow  # three seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_the_head_alone_is_far_better_than_everything_from_nothing_on_every_seed(seen: Run) -> None:
    for result in seen("everything"):
        assert result["exam_head"] - result["exam_from_nothing"] > 0.25


def test_one_number_in_a_thousand_is_taught(seen: Run) -> None:
    for result in seen("everything"):
        assert result["taught_head"] < 0.002 * result["taught_everything"]


def test_the_body_is_the_same_to_the_bit_only_where_it_was_frozen(seen: Run) -> None:
    for result in seen("everything"):
        assert result["body_same_head"] == result["body_same_head_small"] == 1.0
        assert result["body_same_everything"] == result["body_same_from_nothing"] == 0.0


def test_the_code_teaches_millions_or_thousands(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["taught"] == 11_178_564
    assert ran(LESSON, 0, "right")["taught"] == 2_052
