"""The quiz of the first experiment: where is the head of this network? Guessed first, then really found.

Flow:  LessonView --quiz--> rows to choose from;  after the run --quiz_result--> found, and a score

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.lessons.lessons import LessonView
from headswap.app.ui.widgets.icons import icon
from headswap.lessons.lesson import QuizQuestion


def quiz(view: LessonView) -> h.Renderable | None:
    """One row a network, with the layers that it really has to choose from; folded away."""
    if not view.lesson.quiz:
        return None
    return h.details(".quiz")[
        h.summary["For experts: find the head of six networks"],
        h.p(".hs-note")["Leave out what you do not know; the run looks for itself."],
        h.ul[[_question(view, number, question) for number, question in enumerate(view.lesson.quiz)]],
    ]


def quiz_result(view: LessonView) -> h.Renderable | None:
    """Where each head was found in this run, next to the guess, and how many were guessed."""
    if view.result is None:
        return None
    found = dict(text.split(": ", 1) for text in view.result.texts if ": " in text)
    rows = [
        _seen(question, said, found.get(question.network, "–"))
        for question, said in zip(view.lesson.quiz, view.quiz_answers, strict=False)
    ]
    return h.div(".quiz.seen")[
        h.h3[f"Heads guessed: {view.quiz_right} of {len(view.lesson.quiz)}"],
        h.table[
            h.thead[h.tr[[h.th(scope="col")[heading] for heading in ("network", "your guess", "found")]]],
            h.tbody[rows],
        ],
    ]


def _question(view: LessonView, number: int, question: QuizQuestion) -> h.Renderable:
    said = view.quiz_answers[number] if number < len(view.quiz_answers) else -1
    options = [
        h.label[
            h.input(
                type="radio",
                name=f"quiz-{number}",
                value=index,
                checked=said == index,
                disabled=view.guess is not None,
            ),
            h.code[option],
        ]
        for index, option in enumerate(question.options)
    ]
    return h.li[h.fieldset[h.legend[h.code[question.network]], options]]


def _seen(question: QuizQuestion, said: int, found: str) -> h.Renderable:
    if said < 0:
        mine: h.Node = h.span(".hs-note")["no guess"]
    else:
        is_right = question.options[said] == found
        mark = icon("check", "good") if is_right else icon("cross", "bad")
        word = h.span(".hs-vh")["right: " if is_right else "wrong: "]
        mine = (h.span(".tag")[mark, word], h.code[question.options[said]])
    return h.tr[h.th(scope="row")[h.code[question.network]], h.td[mine], h.td[h.code[found]]]
