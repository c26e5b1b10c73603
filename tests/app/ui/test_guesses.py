from __future__ import annotations

from headswap.app.ui.steps.guesses import six_guesses
from headswap.app.ui.widgets.html import rendered
from headswap.events import Guess


def test_a_guess_tells_what_it_said_first_and_whether_it_is_right_now(hostile: str) -> None:
    now = (Guess("a", "bug", "bug", 0.88), Guess("b", "bug", hostile, 0.47))
    first = (Guess("a", "bug", "fruit", 0.3), Guess("b", "bug", hostile, 0.4))

    drawn = rendered(six_guesses(now, first, {"a": "data:,a"}))

    assert "Two pictures it has never seen" in drawn
    assert "at first <s>fruit</s>" in drawn
    assert ", right</span>" in drawn
    assert ", wrong, it is bug</span>" in drawn
    assert hostile not in drawn


def test_before_the_first_guess_nothing_is_drawn() -> None:
    assert rendered(six_guesses((), (), {})) == ""
