"""The optimizer made before the swap never moves the new head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headswap.lessons.lesson import LessonResult
from headswap.lessons.old_optimizer import LESSON

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_the_new_head_moves_by_exactly_nothing_when_the_optimizer_came_first(seen: Run) -> None:
    for result in seen("old-optimizer"):
        assert result["moved_optimizer_first"] == 0.0
        assert result["moved_head_first"] > 0.01


def test_the_loss_stays_flat_or_falls(seen: Run) -> None:
    for result in seen("old-optimizer"):
        flat, falling = result.figure.curves
        losses = [loss for _, loss in flat.points]
        assert max(losses) - min(losses) < 1e-4  # the order of adding up differs from pass to pass
        assert falling.points[-1][1] < 0.5 * falling.points[0][1]


def test_headswap_refuses_to_teach_with_the_old_optimizer(seen: Run) -> None:
    for result in seen("old-optimizer"):
        assert len(result.texts) == 1
        assert "does not hold every learning parameter exactly once" in result.texts[0]


def test_the_code_moves_nothing_or_something(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["moved"] == 0.0
    assert ran(LESSON, 0, "right")["moved"] > 0.0
