"""Everything that /learn shows of one person at one moment.

Flow:  Service + LessonPlace --draw_lesson--> Drawn: the HTML of every part, and whether it will soon change

Asks the service, holds nothing; no gradio.
"""

from __future__ import annotations

from dataclasses import dataclass

from headswap.app.service.lessons.lessons import ProgressView
from headswap.app.service.service import Service
from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.lessons.beats import heading, predict, run, see, why
from headswap.app.ui.lessons.card import card_body, card_heading
from headswap.app.ui.lessons.classroom import class_panel
from headswap.app.ui.lessons.shelf import next_text, shelf
from headswap.app.ui.lessons.summary import summary_page
from headswap.app.ui.lessons.terms import ExplainedTerms
from headswap.app.ui.widgets.pages import BRAND, page_links, project_name, steps_links
from headswap.app.ui.widgets.status import chip
from headswap.lessons.expert_cards import CARDS, ExpertCard


@dataclass(frozen=True, kw_only=True)
class LessonPlace:
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
    """The HTML of every part."""

    parts: dict[str, str]
    is_moving: bool = False


def draw_header(project: ProjectView | None, job: JobView | None) -> str:
    """Mark, project, status chip, links, and the five steps below."""
    state = chip(project, job) if project else ""
    return (
        f'<div class="hs-bar learn-bar">{BRAND}{project_name(project)}<span class="grow"></span>'
        f'<span class="hs-chip">{state}</span>{page_links("learn")}</div>{steps_links(project)}'
    )


def draw_lesson(service: Service, owner: str, course: str, project_id: str, place: LessonPlace) -> Drawn:
    """All parts, as they are now."""
    seen = service.lessons.course(owner, course)
    around = {
        "shelf": shelf(seen.done, place.lesson, place.asking),
        "next": "" if place.summary else next_text(seen.done, place.lesson),
        "summary": summary_page(service.lessons.summary(owner, course)) if place.summary else "",
    }
    if place.card is not None:
        return Drawn(around | _card(place.card))
    return _lesson(service, owner, seen, project_id, place, around)


def _card(card: ExpertCard) -> dict[str, str]:
    empty = dict.fromkeys(("predict", "klass", "run", "see"), "")
    return empty | {"heading": card_heading(card), "why": card_body(card)}


def _lesson(
    service: Service,
    owner: str,
    course: ProgressView,
    project_id: str,
    place: LessonPlace,
    around: dict[str, str],
) -> Drawn:
    view = service.lessons.look(owner, course.id, place.lesson, project_id)
    vote = service.following.votes(owner, course.id, place.lesson)
    key = service.following.shared(owner, course.id)
    words = ExplainedTerms(view.lesson.terms)
    beats = {
        "heading": heading(view),
        "predict": predict(view, words),
        "klass": class_panel(view, vote, key, place.here),
        "run": run(view),
        "see": see(view),
        "why": why(view, words),
    }
    return Drawn(around | beats, view.run.is_going or (vote is not None and vote.is_open))
