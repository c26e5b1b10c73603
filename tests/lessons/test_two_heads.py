"""GoogLeNet answers three times while it is taught and once when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headswap.lessons.lesson import LessonResult
from headswap.lessons.two_heads import LESSON

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_helping_heads_keep_their_old_answers_when_only_the_main_head_is_replaced(seen: Run) -> None:
    for result in seen("two-heads"):
        assert result["heads"] == 3
        assert result["aux_answers_main_only"] == 1000


def test_all_heads_are_replaced_and_one_answers_in_use(seen: Run) -> None:
    (result,) = seen("two-heads", seeds=(0,))

    assert result["aux_answers"] == result["answers_in_use"] == 4


def test_the_loss_is_the_main_heads_and_three_tenths_of_the_helping_ones(seen: Run) -> None:
    (result,) = seen("two-heads", seeds=(0,))

    assert result["loss_whole"] == pytest.approx(result["loss_main"] + 0.3 * result["loss_helping"])
    assert "must be Tensor, not GoogLeNetOutputs" in result.texts[0]


def test_the_code_leaves_the_helping_heads_or_replaces_them(ran: Ran) -> None:
    wrong, right = ran(LESSON, 0, "wrong"), ran(LESSON, 0, "right")

    assert "must be Tensor" in wrong["problem"]
    assert (wrong["helping"], right["helping"]) == (1000, 4)
    assert right["loss"].ndim == 0
