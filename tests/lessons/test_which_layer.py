"""Four ways of giving a network a new head; one works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.lesson import LessonResult
from headswap.lessons.which_layer import LESSON

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_the_wrong_attribute_and_out_features_change_nothing_at_all(seen: Run) -> None:
    for result in seen("which-layer"):
        assert result["answers_wrong_attribute"] == result["answers_out_features"] == 1000
        assert result["change"] == 0.0


def test_the_wrong_width_is_an_error_at_the_first_image(seen: Run) -> None:
    (result,) = seen("which-layer", seeds=(0,))

    assert result["answers_wrong_width"] == 0
    assert "shapes cannot be multiplied" in result.texts[0]


def test_the_right_layer_gives_as_many_answers_as_classes(seen: Run) -> None:
    (result,) = seen("which-layer", seeds=(0,))

    assert result["answers_right"] == 4


@pytest.mark.parametrize("number", [0, 1])
def test_the_code_gives_a_thousand_answers_or_four(ran: Ran, number: int) -> None:
    assert ran(LESSON, number, "wrong")["answers"] == 1000
    assert ran(LESSON, number, "right")["answers"] == 4
