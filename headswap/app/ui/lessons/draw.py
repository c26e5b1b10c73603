"""Everything that /learn shows of one person at one moment.

Flow:  Service + LessonLocation --draw_lesson--> Drawn: every part, and whether it will soon change

Asks the service, holds nothing; no gradio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import htpy as h

from headswap.app.service.lessons.lessons import ORDER, LessonView, ProgressView
from headswap.app.service.service import Service
from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.lessons.beats import heading, predict, run, see, why
from headswap.app.ui.lessons.classroom import class_panel
from headswap.app.ui.lessons.shelf import card_body, card_heading, next_text, shelf
from headswap.app.ui.lessons.terms import ExplainedTerms, coded
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.pages import BRAND, page_links, project_name, steps_links
from headswap.app.ui.widgets.status import run_status
from headswap.app.ui.widgets.text import in_words
from headswap.lessons.expert_cards import CARDS, ExpertCard


# One page to print: what was guessed, what happened with one's own numbers, and the reason. web/learn.css
# lays it out for paper.
def summary_page(views: Sequence[LessonView]) -> h.Renderable:
    """All that was done, one row an experiment; the buttons are not printed."""
    heads = ("Experiment", "My guess", "What happened", "Why")
    return h.article(".summary")[
        h.div(".no-print.hs-row")[
            h.button(".btn.primary", type="button", data_print=True)["Print"],
            h.button(".btn", type="button", data_do="back")["Back to the experiments"],
        ],
        h.h1["What I broke, and why"],
        h.p(".score")[_score(views)],
        h.table[
            h.thead[h.tr[[h.th(scope="col")[title] for title in heads]]],
            h.tbody[[_row(view) for view in views]],
        ],
        h.p(".hs-note")["headswap, every number from a run on this machine."],
    ]


def _score(views: Sequence[LessonView]) -> str:
    right = sum(view.is_right for view in views)
    many = in_words(len(views)).capitalize()
    score = f"{many} of {len(ORDER)} experiments, {right} of {len(views)} guessed right."
    quizzed = next((view for view in views if view.lesson.quiz), None)
    if quizzed is not None:
        score += f" Heads found by eye: {quizzed.quiz_right} of {len(quizzed.lesson.quiz)}."
    return score


def _row(view: LessonView) -> h.Renderable:
    result, lesson = view.result, view.lesson
    guess = lesson.choices[view.guess] if view.guess is not None else ""
    said = " ".join(result.sentences[:2]) if result else ""
    origin = f"{result.data}, {result.model}" if result and view.is_own else ""
    return h.tr[
        h.th(scope="row")[lesson.title, h.span(".hs-note")[origin]],
        h.td[
            icon("good", "good") if view.is_right else icon("cross", "bad"),
            h.span(".hs-vh")["right: " if view.is_right else "wrong: "],
            guess,
        ],
        h.td[coded(said)],
        h.td[coded(lesson.why[0])],
    ]


@dataclass(frozen=True, kw_only=True)
class LessonLocation:
    """Where a person is on the page."""

    lesson: str  # or the name of a card
    here: str = ""  # where phones find the page
    summary: bool = False
    asking: bool = False  # whether to forget everything

    @property
    def card(self) -> ExpertCard | None:
        """The card that is open, if it is one."""
        return next((one for one in CARDS if one.name == self.lesson), None)

    @staticmethod
    def is_card(name: str) -> bool:
        return name in [one.name for one in CARDS]


@dataclass(frozen=True)
class Drawn:
    """The elements of every part."""

    parts: dict[str, h.Node]
    is_moving: bool = False


def draw_header(project: ProjectView | None, job: JobView | None) -> h.Renderable:
    """Mark, project, status, links, and the five steps below."""
    return h.fragment[
        h.div(".hs-bar.learn-bar")[
            BRAND,
            project_name(project),
            h.span(".grow"),
            h.span(".hs-chip")[run_status(project, job) if project else None],
            page_links("learn"),
        ],
        steps_links(project),
    ]


def draw_lesson(
    service: Service, owner: str, progress: str, project_id: str, location: LessonLocation
) -> Drawn:
    """All parts, as they are now."""
    seen = service.lessons.progress(owner, progress)
    around: dict[str, h.Node] = {
        "shelf": shelf(seen.done, location.lesson, location.asking),
        "next": None if location.summary else next_text(seen.done, location.lesson),
        "summary": summary_page(service.lessons.summary(owner, progress)) if location.summary else None,
    }
    if location.card is not None:
        return Drawn(around | _card(location.card))
    return _lesson(service, owner, seen, project_id, location, around)


def _card(card: ExpertCard) -> dict[str, h.Node]:
    empty: dict[str, h.Node] = dict.fromkeys(("predict", "klass", "run", "see"))
    return empty | {"heading": card_heading(card), "why": card_body(card)}


def _lesson(
    service: Service,
    owner: str,
    progress: ProgressView,
    project_id: str,
    location: LessonLocation,
    around: dict[str, h.Node],
) -> Drawn:
    view = service.lessons.view(owner, progress.id, location.lesson, project_id)
    vote = service.following.votes(owner, progress.id, location.lesson)
    key = service.following.share_key(owner, progress.id)
    terms = ExplainedTerms(view.lesson.terms)
    beats: dict[str, h.Node] = {
        "heading": heading(view),
        "predict": predict(view, terms),
        "klass": class_panel(view, vote, key, location.here),
        "run": run(view),
        "see": see(view),
        "why": why(view, terms),
    }
    return Drawn(around | beats, view.run.is_going or (vote is not None and vote.is_open))
