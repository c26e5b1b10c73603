"""The page: header, five steps, and the one timer that runs only while something is taught.

Flow:  Service --build_page--> gr.Blocks, ready to launch

The browser remembers the ids of its projects and nothing else; opening, reloading or a second tab
asks the service and draws what is true now. Each step lays itself out (`build_*`), says
how it looks (`show_*`) and connects itself to the service (`connect_*`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr

from headswap.app.service.service import Service
from headswap.app.ui.context import PageContext, PageParts, Updates, open_project, owner_of
from headswap.app.ui.header import Header, build_header, build_notices, connect_header, show_header
from headswap.app.ui.lessons.page import build_learn_page
from headswap.app.ui.projects import remembered
from headswap.app.ui.quick_blocks import QuickBlocks
from headswap.app.ui.runs.page import build_runs_page
from headswap.app.ui.steps.dataset import (
    DatasetStep,
    build_dataset_step,
    connect_dataset_step,
    show_dataset,
)
from headswap.app.ui.steps.dataset import intro_text as images_intro
from headswap.app.ui.steps.export import ExportStep, build_take_home_step, connect_take_home_step
from headswap.app.ui.steps.model import ModelStep, build_model_step, connect_model_step, show_network
from headswap.app.ui.steps.report import ReportStep, build_test_step, connect_test_step
from headswap.app.ui.steps.train import (
    TrainStep,
    build_train_step,
    connect_train_step,
    show_plan,
    show_training,
)
from headswap.app.ui.steps.train import intro_text as train_intro
from headswap.app.ui.steps.try_many import connect_names
from headswap.app.ui.widgets.cards import model_cards
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET

TO_TOP = "() => { window.scrollTo({top: 0}); return []; }"
# Told by the page itself: two answers of a server may come in the other order than their tabs were pressed.
OPEN_STEP = "(project, where) => [project, new URL(location.href).searchParams.get('step') || where]"
STEPS = ("model", "pictures", "teach", "test", "home")
TICK_S = 1.0
THUMBNAILS_KEPT = 4096


@dataclass(frozen=True)
class Steps:
    """The header and the five steps, laid out."""

    header: Header
    model: ModelStep
    images: DatasetStep
    train: TrainStep
    test: ReportStep
    home: ExportStep


@dataclass(frozen=True)
class Keys:
    """Short texts that the page keeps: what listens to them draws when they change."""

    network: gr.Textbox  # network, path and classes of the head view
    done_job: gr.Textbox  # the run whose result is shown
    names: gr.Textbox  # what the pictures are called


def build_page(service: Service, *, secret: str) -> gr.Blocks:
    """Lay out and connect the whole page.

    Args:
        service: answers every question and does every action.
        secret: locks what the browser remembers; the same after a restart, or projects are forgotten.
    """
    with QuickBlocks(
        title="headswap", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as page:
        project_id = gr.BrowserState("", storage_key="headswap-project", secret=secret)
        known = gr.BrowserState([], storage_key="headswap-known", secret=secret)
        keys, open_tab = Keys(_kept(""), _kept(""), _kept("")), _kept("model")
        timer = gr.Timer(TICK_S, active=False)
        header = build_header()
        build_notices(service.settings)
        tabs, steps = _lay_out(header)

        def show(context: PageContext) -> Updates:
            return _drawn(steps, keys, context, parts) | {timer: gr.Timer(active=context.is_teaching)}

        parts = PageParts(
            service, lru_cache(THUMBNAILS_KEPT)(service.images.thumbnail), project_id, tabs, open_tab,
            [
                *header.outputs, *steps.images.outputs, *steps.train.outputs, keys.network, keys.done_job,
                keys.names, timer,
            ],
            show, known,
        )  # fmt: skip
        _connect(page, steps, keys, timer, parts)
    with page.route("Runs", "/runs", show_in_navbar=False):
        build_runs_page(page, service, secret=secret)
    with page.route("Learn", "/learn", show_in_navbar=False):
        build_learn_page(page, service, secret=secret)
    return page


def _lay_out(header: Header) -> tuple[gr.Tabs, Steps]:
    with gr.Tabs(elem_classes="hs-steps", overflow_behavior="wrap", elem_id="hs-steps") as tabs:
        with gr.Tab("Network", id="model", elem_id="hs-model"):
            model = build_model_step()
        with gr.Tab("Pictures", id="pictures", elem_id="hs-pictures"):
            images = build_dataset_step()
        with gr.Tab("Teach", id="teach", elem_id="hs-teaching"):
            train = build_train_step()
        with gr.Tab("Test", id="test", elem_id="hs-test"):
            test = build_test_step()
        with gr.Tab("Take it home", id="home", elem_id="hs-home"):
            home = build_take_home_step()
    return tabs, Steps(header, model, images, train, test, home)


def _drawn(steps: Steps, keys: Keys, context: PageContext, parts: PageParts) -> Updates:
    """Header, pictures and run as they are now; what listens to the keys draws the rest."""
    drawn = show_header(steps.header, context) | show_training(steps.train, context, parts)
    drawn |= show_plan(steps.train, context, parts) | show_dataset(steps.images, context, parts)
    return drawn | {
        keys.network: _network_key(context),
        keys.done_job: context.project.done_job or "",
        keys.names: context.names_key,
    }


def _connect(page: gr.Blocks, steps: Steps, keys: Keys, timer: gr.Timer, parts: PageParts) -> None:
    connect_header(steps.header, parts, steps.train.stop)
    connect_dataset_step(steps.images, parts, steps.header.run_status, steps.model.sample, keys.done_job)
    connect_train_step(steps.train, parts)
    connect_test_step(steps.test, parts, keys.done_job, steps.train)
    connect_names(steps.test.many, parts, keys.names)
    connect_take_home_step(steps.home, parts, keys.done_job)
    _connect_load(page, parts, steps)
    _connect_timer(timer, parts, steps)
    connect_model_step(steps.model, parts, _connect_network(keys.network, steps, parts))
    for button, to in (
        (steps.model.onward, "pictures"), (steps.images.onward, "teach"), (steps.train.onward, "test"),
        (steps.test.many.again, "teach"), (steps.test.footer.again, "teach"),
        (steps.test.footer.onward, "home"),
    ):  # fmt: skip
        _connect_move(button, to, parts)
    parts.tabs.select(_on_tab, None, parts.open_tab, queue=False, **QUIET)


def _kept(value: str) -> gr.Textbox:
    """A short text that the page itself keeps.

    Unlike `gr.State` it outlives a restarted server, and its change is heard when a listener outside the
    queue sets it.
    """
    return gr.Textbox(value, visible="hidden", container=False)


def _network_key(context: PageContext) -> str:
    """Changes when the head view has to be drawn again: another network, path or set of classes."""
    project = context.project
    weights = "own" if project.has_own_weights else "pretrained"
    return "\n".join((project.model, project.head_path or "", weights, *context.classes))


def _on_tab(event: gr.SelectData) -> str:
    return STEPS[event.index]


def _connect_move(button: gr.Button, to: str, parts: PageParts) -> None:
    """A next button opens its tab at the top."""
    button.click(
        lambda: (gr.Tabs(selected=to), to),
        None,
        [parts.tabs, parts.open_tab],
        js=TO_TOP,
        queue=False,
        **QUIET,
    )


def on_load(steps: Steps, parts: PageParts, project_id: str, ids: object, request: gr.Request) -> Updates:
    """Opening or reloading the page: the project this browser remembers, as it is now."""
    project = open_project(parts.service, owner_of(request), project_id)
    cards = model_cards(parts.service.to_start_with(), (), project.model)  # their facts come later
    drawn: Updates = {
        parts.project_id: project.id,
        parts.known: remembered(ids, project.id),
        steps.model.cards: cards,
    }
    step = str(request.query_params.get("step", ""))
    if step in STEPS:
        drawn |= {parts.tabs: gr.Tabs(selected=step), parts.open_tab: step}
    parts.service.warm()  # while the person looks around
    return drawn | parts.show(parts.context_of(project.id, request))


def _connect_load(page: gr.Blocks, parts: PageParts, steps: Steps) -> None:
    status = steps.header.status
    page.load(
        errors_as_text(status)(on_load, steps, parts), [parts.project_id, parts.known],
        [
            parts.project_id, parts.known, steps.model.cards, *parts.redrawn, parts.tabs, parts.open_tab,
            status,
        ],
        **QUIET,
    )  # fmt: skip


def on_tick(steps: Steps, parts: PageParts, project_id: str, tab: str, request: gr.Request) -> Updates:
    """While something is taught: look once a second; at the end open the result and fall silent."""
    context = parts.context_of(project_id, request)
    if context.is_teaching:
        return show_header(steps.header, context) | show_training(steps.train, context, parts)
    drawn = parts.show(context)
    if tab == "teach" and context.project.done_job == context.project.job:
        drawn |= {parts.tabs: gr.Tabs(selected="test"), parts.open_tab: "test"}
    return drawn


def _connect_timer(timer: gr.Timer, parts: PageParts, steps: Steps) -> None:
    status = steps.train.status
    timer.tick(
        errors_as_text(status)(on_tick, steps, parts), [parts.project_id, parts.open_tab],
        [*parts.redrawn, status, parts.tabs, parts.open_tab], js=OPEN_STEP, queue=False, **QUIET,
    )  # fmt: skip


def on_network(steps: Steps, parts: PageParts, project_id: str, request: gr.Request) -> Updates:
    """A new network or new classes: open it up, draw the head view, say how much is to be learned."""
    context = parts.context_of(project_id, request)
    inspection = parts.service.opened(context.owner, project_id)
    return show_network(steps.model, inspection, context, parts) | {
        steps.images.intro: images_intro(inspection, context.classes),
        steps.train.intro: train_intro(inspection, context.classes),
        **show_plan(steps.train, context, parts),
    }


def _connect_network(key: gr.Textbox, steps: Steps, parts: PageParts) -> Any:
    model, emptied = steps.model, {steps.model.drawing: None, steps.model.evidence: None}
    return key.change(
        errors_as_text(model.status, emptied, clears=False)(on_network, steps, parts), parts.project_id,
        [
            model.intro, model.drawing, model.evidence, model.own_path, model.status,
            steps.images.intro, steps.train.intro, steps.train.plan.depth,
        ],
        concurrency_limit=4, concurrency_id="inspect", **QUIET,
    )  # fmt: skip
