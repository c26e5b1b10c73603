"""Six pictures it has never seen, and what it says of them now and said at first."""

from __future__ import annotations

import htpy as h

from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import counted_in_words, percent
from headswap.events import Guess


def six_guesses(
    now: tuple[Guess, ...], first: tuple[Guess, ...], thumbnails: dict[str, str]
) -> h.Renderable | None:
    """Draw the guesses; `thumbnails` maps the picture's file to a data: URI."""
    if not now:
        return None
    said_first = {guess.file: guess for guess in first}
    how_many = counted_in_words(len(now), "picture").capitalize()
    return h.section(".hs-section")[
        h.h2[f"{how_many} it has never seen, and what it says now"],
        h.ol(".six")[[_item(one, said_first.get(one.file), thumbnails.get(one.file, "")) for one in now]],
    ]


def _item(guess: Guess, first: Guess | None, uri: str) -> h.Renderable:
    right = guess.label == guess.truth
    past: h.Node = f"{guess.label} from pass 1"
    if first is not None and first.label != guess.label:
        past = ("at first ", h.s[first.label])
    return h.li[
        plate(uri, guess.file) if uri else None,
        h.div(".now")[
            icon("check", "good") if right else icon("cross", "bad"),
            h.span[guess.label],
            h.span(".hs-vh")[", ", "right" if right else f"wrong, it is {guess.truth}"],
        ],
        h.div(".meter", aria_hidden="true")[h.i(style=f"width:{100 * guess.sure:.0f}%")],
        h.div(".past")[
            h.span(".hs-num")[f"{percent(guess.sure)} sure"],
            h.br,
            past,
            None if right else (h.br, f"it is {guess.truth}"),
        ],
    ]
