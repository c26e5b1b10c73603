"""Everything that /learn shows of one person at one moment.

Flow:  Service + Place --draw_lesson--> Drawn: the HTML of every part, and whether it will soon change

Asks the service, holds nothing; no gradio.
"""

from __future__ import annotations

from dataclasses import dataclass

from headswap.lessons.corner import CARDS, Card
from headswap.service.facade import Service
from headswap.service.lessons import CourseView
from headswap.service.views import JobView, ProjectView
from headswap.ui.chip import chip
from headswap.ui.learn_beats import heading, predict, run, see, why
from headswap.ui.learn_card import card_body, card_heading
from headswap.ui.learn_class import class_panel
from headswap.ui.learn_shelf import next_words, shelf
from headswap.ui.learn_summary import summary_page
from headswap.ui.learn_terms import Explained
from headswap.ui.pages import BRAND, page_links, project_name, steps_links


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a person is on the page."""

    lesson: str  # or the name of a card
    here: str = ""  # where phones find the page
    summary: bool = False
    asking: bool = False  # whether to forget everything

    @property
    def card(self) -> Card | None:
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


def draw_lesson(service: Service, owner: str, course: str, project_id: str, place: Place) -> Drawn:
    """All parts, as they are now."""
    seen = service.lessons.course(owner, course)
    around = {
        "shelf": shelf(seen.done, place.lesson, place.asking),
        "next": "" if place.summary else next_words(seen.done, place.lesson),
        "summary": summary_page(service.lessons.summary(owner, course)) if place.summary else "",
    }
    if place.card is not None:
        return Drawn(around | _card(place.card))
    return _lesson(service, owner, seen, project_id, place, around)


def _card(card: Card) -> dict[str, str]:
    empty = dict.fromkeys(("predict", "klass", "run", "see"), "")
    return empty | {"heading": card_heading(card), "why": card_body(card)}


def _lesson(
    service: Service,
    owner: str,
    course: CourseView,
    project_id: str,
    place: Place,
    around: dict[str, str],
) -> Drawn:
    view = service.lessons.look(owner, course.id, place.lesson, project_id)
    vote = service.following.votes(owner, course.id, place.lesson)
    key = service.following.shared(owner, course.id)
    words = Explained(view.lesson.terms)
    beats = {
        "heading": heading(view),
        "predict": predict(view, words),
        "klass": class_panel(view, vote, key, place.here),
        "run": run(view),
        "see": see(view),
        "why": why(view, words),
    }
    return Drawn(around | beats, view.run.is_going or (vote is not None and vote.is_open))
