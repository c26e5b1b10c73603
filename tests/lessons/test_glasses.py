"""One head seen through other glasses; no loss is claimed within its noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.glasses import LESSON
from headswap.lessons.lesson import LessonResult

pytestmark = pytest.mark.slow  # several seeds

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def mean(results: tuple[LessonResult, ...], name: str) -> float:
    """Of one number over the seeds."""
    return sum(result[name] for result in results) / len(results)


def test_pixels_that_are_not_divided_cost_more_than_the_noise_on_every_seed(seen: Run) -> None:
    for result in seen("wrong-glasses", whole=True):
        lost = next(number for number in result.numbers if number.name == "lost_undivided")
        assert lost.low is not None
        assert lost.low > 0
        assert lost.value > 0.1


def test_no_loss_is_claimed_that_lies_within_its_noise(seen: Run) -> None:
    for result in seen("wrong-glasses", whole=True):
        low = {number.name: number.low for number in result.numbers}
        for name, words in (("unnormalised", "no mean"), ("swapped", "red and"), ("squashed", "squashed")):
            claimed = any(words in line for line in result.sentences if line.startswith("Clearly worse"))
            assert claimed == ((low[f"lost_{name}"] or 0) > 0)


def test_grain_costs_accuracy_is_noticed_and_is_mended_by_practising_on_it(seen: Run) -> None:
    results = seen("wrong-glasses", whole=True)

    assert mean(results, "lost_grainy") > 0.08
    assert mean(results, "noticed_grainy") > mean(results, "noticed_right") + 0.15
    assert mean(results, "exam_mended") > mean(results, "exam_grainy") + 0.08


def test_the_code_gives_numbers_over_a_thousand_or_below_three(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["largest"] > 1000
    assert ran(LESSON, 0, "right")["largest"] < 3
