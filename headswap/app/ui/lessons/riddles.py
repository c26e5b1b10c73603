"""The riddles of the first experiment: where is the head of this network? Guessed first, then really found.

Flow:  LessonView --riddles--> rows to choose from;  after the run --riddles_seen--> found, and a score

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.lessons.lessons import LessonView
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import safe
from headswap.lessons.lesson import Riddle


def riddles(view: LessonView) -> str:
    """One row a network, with the layers that it really has to choose from."""
    if not view.lesson.riddles:
        return ""
    rows = "".join(_riddle(view, number, riddle) for number, riddle in enumerate(view.lesson.riddles))
    return (
        '<div class="riddles"><h3>Six riddles: which layer is the head?</h3><p class="hs-note">Six '
        "families of "
        "networks. Leave out what you do not know; the run looks for itself.</p>"
        f"<ul>{rows}</ul></div>"
    )


def riddles_seen(view: LessonView) -> str:
    """Where each head was found in this run, beside the guess, and how many were guessed."""
    if view.result is None:
        return ""
    found = dict(text.split(": ", 1) for text in view.result.texts if ": " in text)
    rows = "".join(
        _seen(riddle, said, found.get(riddle.network, "–"))
        for riddle, said in zip(view.lesson.riddles, view.riddles, strict=False)
    )
    return (
        f'<div class="riddles seen"><h3>The riddles: {view.riddles_right} of {len(view.lesson.riddles)}</h3>'
        '<table><thead><tr><th scope="col">network</th><th scope="col">your guess</th><th scope="col">found'
        f"</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _riddle(view: LessonView, number: int, riddle: Riddle) -> str:
    said = view.riddles[number] if number < len(view.riddles) else -1
    state = " disabled" if view.guess is not None else ""
    options = "".join(
        f'<label><input type="radio" name="riddle-{number}" value="{place}"'
        f"{' checked' if said == place else ''}{state}><code>{safe(option)}</code></label>"
        for place, option in enumerate(riddle.options)
    )
    return f"<li><fieldset><legend><code>{safe(riddle.network)}</code></legend>{options}</fieldset></li>"


def _seen(riddle: Riddle, said: int, found: str) -> str:
    if said < 0:
        mine = '<span class="hs-note">no guess</span>'
    else:
        is_right = riddle.options[said] == found
        mark = icon("check", "good") if is_right else icon("cross", "bad")
        word = "right" if is_right else "wrong"
        mine = (
            f'<span class="tag">{mark}<span class="hs-vh">{word}: '
            f"</span></span><code>{safe(riddle.options[said])}</code>"
        )
    return (
        f"<tr><th "
        f'scope="row"><code>{safe(riddle.network)}</code></th><td>{mine}</td><td><code>{safe(found)}</code></td></tr>'
    )
