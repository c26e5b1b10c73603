"""The quiz of the first experiment: where is the head of this network? Guessed first, then really found.

Flow:  LessonView --riddles--> rows to choose from;  after the run --riddles_seen--> found, and a score

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.lessons.lessons import LessonView
from headswap.app.ui.widgets.icons import icon
from headswap.lessons.lesson import Riddle


def riddles(view: LessonView) -> h.Renderable | None:
    """One row a network, with the layers that it really has to choose from; folded away."""
    if not view.lesson.riddles:
        return None
    return h.details(".riddles")[
        h.summary["For experts: find the head of six networks"],
        h.p(".hs-note")["Leave out what you do not know; the run looks for itself."],
        h.ul[[_riddle(view, number, riddle) for number, riddle in enumerate(view.lesson.riddles)]],
    ]


def riddles_seen(view: LessonView) -> h.Renderable | None:
    """Where each head was found in this run, next to the guess, and how many were guessed."""
    if view.result is None:
        return None
    found = dict(text.split(": ", 1) for text in view.result.texts if ": " in text)
    rows = [
        _seen(riddle, said, found.get(riddle.network, "–"))
        for riddle, said in zip(view.lesson.riddles, view.riddles, strict=False)
    ]
    return h.div(".riddles.seen")[
        h.h3[f"Heads guessed: {view.riddles_right} of {len(view.lesson.riddles)}"],
        h.table[
            h.thead[h.tr[[h.th(scope="col")[words] for words in ("network", "your guess", "found")]]],
            h.tbody[rows],
        ],
    ]


def _riddle(view: LessonView, number: int, riddle: Riddle) -> h.Renderable:
    said = view.riddles[number] if number < len(view.riddles) else -1
    options = [
        h.label[
            h.input(
                type="radio",
                name=f"riddle-{number}",
                value=index,
                checked=said == index,
                disabled=view.guess is not None,
            ),
            h.code[option],
        ]
        for index, option in enumerate(riddle.options)
    ]
    return h.li[h.fieldset[h.legend[h.code[riddle.network]], options]]


def _seen(riddle: Riddle, said: int, found: str) -> h.Renderable:
    if said < 0:
        mine: h.Node = h.span(".hs-note")["no guess"]
    else:
        is_right = riddle.options[said] == found
        mark = icon("check", "good") if is_right else icon("cross", "bad")
        word = h.span(".hs-vh")["right: " if is_right else "wrong: "]
        mine = (h.span(".tag")[mark, word], h.code[riddle.options[said]])
    return h.tr[h.th(scope="row")[h.code[riddle.network]], h.td[mine], h.td[h.code[found]]]
