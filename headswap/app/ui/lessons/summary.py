"""One page to print: what was guessed, what happened with one's own numbers, and the reason.

Flow:  LessonViews --summary_page--> HTML;  web/learn.css lays it out for paper

Pure text: no gradio, no service.
"""

from __future__ import annotations

from collections.abc import Sequence

from headswap.app.service.lessons.lessons import ORDER, LessonView
from headswap.app.ui.lessons.terms import coded
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import in_words, safe


def summary_page(views: Sequence[LessonView]) -> str:
    """All that was done, one row an experiment; the buttons are not printed."""
    right = sum(view.is_right for view in views)
    rows = "".join(_row(view) for view in views)
    score = (
        f"{in_words(len(views)).capitalize()} of {len(ORDER)} experiments, {right} of {len(views)} "
        f"guessed right."
    )
    riddled = next((view for view in views if view.lesson.riddles), None)
    if riddled is not None:
        score += f" Heads found by eye: {riddled.riddles_right} of {len(riddled.lesson.riddles)}."
    return (
        '<article class="summary"><div class="no-print hs-row"><button class="btn primary" type="button" '
        'data-print>Print</button><button class="btn" type="button" data-do="back">Back to the experiments'
        f'</button></div><h1>What I broke, and why</h1><p class="score">{score}</p>'
        '<table><thead><tr><th scope="col">Experiment</th><th scope="col">My guess</th><th scope="col">What '
        f'happened</th><th scope="col">Why</th></tr></thead><tbody>{rows}</tbody></table>'
        '<p class="hs-note">headswap, every number from a run on this machine.</p></article>'
    )


def _row(view: LessonView) -> str:
    result, lesson = view.result, view.lesson
    guess = lesson.choices[view.guess] if view.guess is not None else ""
    mark = icon("good", "good") if view.is_right else icon("cross", "bad")
    word = "right" if view.is_right else "wrong"
    said = " ".join(result.sentences[:2]) if result else ""
    origin = f"{result.data}, {result.model}" if result and view.is_own else ""
    return (
        f'<tr><th scope="row">{safe(lesson.title)}<span class="hs-note">{safe(origin)}</span></th><td>{mark}'
        f'<span class="hs-vh">{word}: </span>{safe(guess)}</td><td>{coded(said)}</td>'
        f"<td>{coded(lesson.why[0])}</td></tr>"
    )
