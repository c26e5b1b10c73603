"""Six pictures it has never seen, and what it says of them now and said at first."""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import in_words, percent, safe
from headswap.events import Guess


def six_guesses(now: tuple[Guess, ...], first: tuple[Guess, ...], thumbnails: dict[str, str]) -> str:
    """Draw the guesses; `thumbnails` maps the picture's file to a data: URI."""
    if not now:
        return ""
    said_first = {guess.file: guess for guess in first}
    items = "".join(_item(guess, said_first.get(guess.file), thumbnails.get(guess.file, "")) for guess in now)
    how_many = in_words(len(now)).capitalize()
    return (
        f'<section class="hs-section"><h2>{how_many} pictures it has never seen, and what it says now</h2>'
        + (f'<ol class="six">{items}</ol></section>')
    )


def _item(guess: Guess, first: Guess | None, uri: str) -> str:
    right = guess.label == guess.truth
    mark = icon("check", "good") if right else icon("cross", "bad")
    verdict = "right" if right else f"wrong, it is {safe(guess.truth)}"
    past = f"{safe(guess.label)} from pass 1"
    if first is not None and first.label != guess.label:
        past = f"at first <s>{safe(first.label)}</s>"
    if not right:
        past += f"<br>it is {safe(guess.truth)}"
    return (
        f'<li>{plate(uri, guess.file) if uri else ""}<div class="now">{mark}<span>{safe(guess.label)}</span>'
        f'<span class="hs-vh">, {verdict}</span></div>'
        f'<div class="meter" aria-hidden="true"><i style="width:{100 * guess.sure:.0f}%"></i></div>'
        f'<div class="past"><span class="hs-num">{percent(guess.sure)} sure</span><br>{past}</div></li>'
    )
