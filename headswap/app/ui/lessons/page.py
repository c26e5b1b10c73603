"""/learn: ten experiments that break it on purpose. Guess, run, see, why; alone or with a class.

Flow:  course id of this browser --service.lessons--> shelf and beats;  a button --> one verb --> drawn again

A page of its own: it remembers its course and which project is open, and looks at the server only while
something runs or a class votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.service.service import Service
from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.context import Updates, owner_of
from headswap.app.ui.lessons.draw import LessonPlace, draw_header, draw_lesson
from headswap.app.ui.projects import QUIET
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.errors import HeadswapError

TICK_S = 0.7
INTRO = h.div(".hs-intro")[
    h.h1["Break it on purpose"],
    h.p["Short experiments about what goes wrong when a head is swapped. Guess first, then run it and see."],
]
HERE = "(...given) => [...given.slice(0, -1), new URL('follow', window.location.href).href]"


@dataclass(frozen=True)
class LearnPage:
    """The components of the page."""

    course: gr.BrowserState
    project: gr.BrowserState
    lesson: gr.Textbox
    here: gr.Textbox  # where phones find this page, as the browser says
    header: gr.HTML
    status: gr.HTML
    parts: dict[str, gr.HTML]
    timer: gr.Timer

    @property
    def drawn(self) -> list[Any]:
        return [self.lesson, self.here, self.header, *self.parts.values(), self.timer, self.status]


def build_learn_page(page: gr.Blocks, service: Service, *, secret: str) -> None:
    """Lay out and connect the page, inside its route."""
    course = gr.BrowserState("", storage_key="headswap-course", secret=secret)
    project = gr.BrowserState("", storage_key="headswap-project", secret=secret)
    lesson, here = (gr.Textbox("", visible="hidden", container=False) for _ in range(2))
    timer = gr.Timer(TICK_S, active=False)
    header = fragment(draw_header(None, None), name="hs-learn-header")
    parts: dict[str, gr.HTML] = {}
    script = web_text("copy.js") + web_text("learn.js")

    def piece(name: str, classes: str = "") -> None:
        parts[name] = fragment(name=f"hs-learn-{name}", classes=classes, script=script)

    with gr.Column(elem_classes="tabitem learn-page", elem_id="hs-learn"):
        fragment(INTRO, classes="learn-intro")
        status = fragment(classes="status", name="hs-learn-status")
        with gr.Row(elem_classes="hs-two shelfed live-first"):
            piece("shelf")
            with gr.Column(elem_classes="hs-panel article"):
                for name in ("heading", "predict", "klass", "run", "see", "why"):
                    piece(name)
        piece("summary")
        piece("next", "hs-next learn-next")
    known = LearnPage(course, project, lesson, here, header, status, parts, timer)
    _connect(page, known, service)


def _connect(page: gr.Blocks, parts: LearnPage, service: Service) -> None:
    ids: list[Any] = [parts.course, parts.project, parts.lesson, parts.here]

    def shown(owner: str, course: str, project_id: str, place: LessonPlace) -> Updates:
        drawn = draw_lesson(service, owner, course, project_id, place)
        project, job = _open_project(service, owner, project_id)
        is_teaching = job is not None and not job.is_over
        return {
            parts.lesson: place.lesson,
            parts.here: place.here,
            parts.header: draw_header(project, job),
            parts.timer: gr.Timer(active=drawn.is_moving or is_teaching),
            **{parts.parts[name]: drawn_part for name, drawn_part in drawn.parts.items()},
        }

    @errors_as_text(parts.status)
    def on_load(course: str, project_id: str, here: str, request: gr.Request) -> Updates:
        owner = owner_of(request)
        opened = service.lessons.open(owner, course)
        service.lessons.warm()  # while the person reads
        wanted = str(request.query_params.get("lesson", "")) or opened.at
        place = _turned(service, owner, opened.id, LessonPlace(lesson=opened.at, here=here), wanted)
        return {parts.course: opened.id} | shown(owner, opened.id, project_id, place)

    @errors_as_text(parts.status, clears=False)
    def on_tick(course: str, project_id: str, lesson: str, here: str, request: gr.Request) -> Updates:
        owner = owner_of(request)
        drawn = shown(owner, course, project_id, LessonPlace(lesson=lesson, here=here))
        return {} if service.lessons.was_left(owner, course, lesson) else drawn

    @errors_as_text(parts.status)
    def on_deed(
        course: str, project_id: str, lesson: str, here: str, event: gr.EventData, request: gr.Request
    ) -> Updates:
        owner, place = owner_of(request), LessonPlace(lesson=lesson, here=here)
        deed, _, what = str(event.chosen).partition(":")
        lessons, following = service.lessons, service.following
        match deed:
            case "open":
                place = _turned(service, owner, course, place, what)
            case "run":
                on = project_id if event.where == "own" else ""
                lessons.run(owner, course, lesson, _number(event.guess), _numbers(event.riddles), project=on)
            case "stop":
                lessons.stop(owner, course, lesson)
            case "vote" if what == "open":
                following.share(owner, course)
                following.open_vote(owner, course, lesson)
            case "vote":
                following.close_vote(owner, course, lesson)
            case "share":
                following.share(owner, course)
            case "unshare":
                following.unshare(owner, course)
            case "reset" if what == "yes":
                following.unshare(owner, course)
                place = LessonPlace(lesson=lessons.reset(owner, course).at, here=here)
            case "reset":
                place = LessonPlace(lesson=lesson, here=here, asking=what == "ask")
            case "summary":
                place = LessonPlace(lesson=lesson, here=here, summary=True)
        return shown(owner, course, project_id, place)

    page.load(
        on_load, [parts.course, parts.project, parts.here], [parts.course, *parts.drawn], js=HERE, **QUIET
    )
    parts.timer.tick(on_tick, ids, parts.drawn, queue=False, **QUIET)
    for one in parts.parts.values():
        one.click(on_deed, ids, parts.drawn, queue=False, trigger_mode="always_last", **QUIET)


def _turned(service: Service, owner: str, course: str, place: LessonPlace, wanted: str) -> LessonPlace:
    """Another experiment or card; what is none leaves the page where it was."""
    if place.is_card(wanted):
        return LessonPlace(lesson=wanted, here=place.here)
    try:
        return LessonPlace(lesson=service.lessons.turn_to(owner, course, wanted).at, here=place.here)
    except HeadswapError:
        service.lessons.course(owner, course)  # a course of someone else still reads like none
        return place


def _open_project(service: Service, owner: str, project_id: str) -> tuple[ProjectView | None, JobView | None]:
    """The project that is open, and its run; nothing when the browser remembers none that exists."""
    try:
        project = service.project(owner, project_id)
        return project, service.job(owner, project.job) if project.job else None
    except HeadswapError:
        return None, None


def _number(said: object) -> int:
    """What a browser says is a place in a list; -1 when it is none."""
    return int(said) if isinstance(said, int | str) and str(said).isdecimal() and len(str(said)) < 4 else -1


def _numbers(said: object) -> tuple[int, ...]:
    return tuple(_number(one) for one in said[:20]) if isinstance(said, list) else ()
