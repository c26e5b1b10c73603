"""/learn: eleven experiments that break it on purpose. Guess, run, see, why; alone or with a class.

Flow:  id of this browser --service.lessons--> shelf and beats;  a button --> one verb --> drawn again

A page of its own: it remembers its progress and which project is open, and looks at the server only while
something runs or a class votes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.service.service import Service
from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.context import Updates, owner_of
from headswap.app.ui.lessons.draw import LessonLocation, draw_header, draw_lesson
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
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
    """The components of the page, and the service behind it."""

    service: Service
    progress: gr.BrowserState
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
    progress = gr.BrowserState("", storage_key="headswap-course", secret=secret)
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
    known = LearnPage(service, progress, project, lesson, here, header, status, parts, timer)
    _connect(page, known)


@dataclass(frozen=True)
class Asked:
    """Who asks, with which progress, with which project open, and where on the page."""

    owner: str
    progress: str
    project: str
    location: LessonLocation


def _shown(page: LearnPage, asked: Asked) -> Updates:
    drawn = draw_lesson(page.service, asked.owner, asked.progress, asked.project, asked.location)
    project, job = _open_project(page.service, asked.owner, asked.project)
    is_teaching = job is not None and not job.is_over
    return {
        page.lesson: asked.location.lesson,
        page.here: asked.location.here,
        page.header: draw_header(project, job),
        page.timer: gr.Timer(active=drawn.is_moving or is_teaching),
        **{page.parts[name]: part for name, part in drawn.parts.items()},
    }


def on_load(page: LearnPage, progress: str, project_id: str, here: str, request: gr.Request) -> Updates:
    """The progress of this browser, at the experiment where it was left or that the address names."""
    owner, lessons = owner_of(request), page.service.lessons
    opened = lessons.open(owner, progress)
    lessons.warm()  # while the person reads
    wanted = str(request.query_params.get("lesson", "")) or opened.at
    location = _at_lesson(page.service, owner, opened.id, LessonLocation(lesson=opened.at, here=here), wanted)
    return {page.progress: opened.id} | _shown(page, Asked(owner, opened.id, project_id, location))


def on_tick(
    page: LearnPage, progress: str, project_id: str, lesson: str, here: str, request: gr.Request
) -> Updates:
    """While something runs or a class votes: how far it is."""
    owner = owner_of(request)
    drawn = _shown(page, Asked(owner, progress, project_id, LessonLocation(lesson=lesson, here=here)))
    return {} if page.service.lessons.was_left(owner, progress, lesson) else drawn


def on_action(
    page: LearnPage,
    progress: str,
    project_id: str,
    lesson: str,
    here: str,
    event: gr.EventData,
    request: gr.Request,
) -> Updates:
    """A button was pressed: it is done, and the page drawn again."""
    asked = Asked(owner_of(request), progress, project_id, LessonLocation(lesson=lesson, here=here))
    return _shown(page, replace(asked, location=_do(page.service, asked, event)))


def _do(service: Service, asked: Asked, event: gr.EventData) -> LessonLocation:
    """One action; gives the place where the page is afterwards."""
    owner, progress, location = asked.owner, asked.progress, asked.location
    action, _, what = str(event.chosen).partition(":")
    lessons, following = service.lessons, service.following
    match action:
        case "open":
            return _at_lesson(service, owner, progress, location, what)
        case "run":
            on = asked.project if event.material == "own" else ""
            guessed = _number(event.guess), _numbers(event.quiz)
            lessons.run(owner, progress, location.lesson, *guessed, project=on)
        case "stop":
            lessons.stop(owner, progress, location.lesson)
        case "vote" if what == "open":
            following.share(owner, progress)
            following.open_vote(owner, progress, location.lesson)
        case "vote":
            following.close_vote(owner, progress, location.lesson)
        case "share":
            following.share(owner, progress)
        case "unshare":
            following.unshare(owner, progress)
        case "reset" if what == "yes":
            following.unshare(owner, progress)
            return replace(location, lesson=lessons.reset(owner, progress).at)
        case "reset":
            return replace(location, asking=what == "ask")
        case "summary":
            return replace(location, summary=True)
    return location


def _connect(blocks: gr.Blocks, page: LearnPage) -> None:
    told, in_passing = errors_as_text(page.status), errors_as_text(page.status, clears=False)
    ids: list[Any] = [page.progress, page.project, page.lesson, page.here]
    begun: list[Any] = [page.progress, page.project, page.here]
    blocks.load(told(on_load, page), begun, [page.progress, *page.drawn], js=HERE, **QUIET)
    page.timer.tick(in_passing(on_tick, page), ids, page.drawn, queue=False, **QUIET)
    actions = told(on_action, page)
    for one in page.parts.values():
        one.click(actions, ids, page.drawn, queue=False, trigger_mode="always_last", **QUIET)


def _at_lesson(
    service: Service, owner: str, progress: str, location: LessonLocation, wanted: str
) -> LessonLocation:
    """Another experiment or card; what is none leaves the page where it was."""
    if location.is_card(wanted):
        return LessonLocation(lesson=wanted, here=location.here)
    try:
        return LessonLocation(lesson=service.lessons.go_to(owner, progress, wanted).at, here=location.here)
    except HeadswapError:
        service.lessons.progress(owner, progress)  # someone else's still reads like none
        return location


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
