"""The page: header, five steps, and the one timer that runs only while something is taught.

Flow:  Service --build_page--> gr.Blocks, ready to launch

The browser remembers the ids of its projects and nothing else; opening, reloading or a second tab
asks the service and draws what is true now. Each step lays itself out (`build_*`), says
how it looks (`show_*`) and connects itself to the service (`connect_*`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import gradio as gr

from headswap.app.service.service import Service
from headswap.app.ui.context import PageContext, PageParts, Updates, open_project, owner_of
from headswap.app.ui.header import build_header, build_notices, connect_header, show_header
from headswap.app.ui.lessons.page import build_learn_page
from headswap.app.ui.projects import remembered
from headswap.app.ui.runs.page import build_runs_page
from headswap.app.ui.steps.dataset import (
    DatasetStep,
    build_dataset_step,
    connect_dataset_step,
    show_dataset,
)
from headswap.app.ui.steps.dataset import intro_text as pictures_intro
from headswap.app.ui.steps.export import build_take_home_step, connect_take_home_step
from headswap.app.ui.steps.model import ModelStep, build_model_step, connect_model_step, show_network
from headswap.app.ui.steps.report import build_test_step, connect_test_step
from headswap.app.ui.steps.train import (
    TrainStep,
    build_train_step,
    connect_train_step,
    show_plan,
    show_training,
)
from headswap.app.ui.steps.train import intro_text as teach_intro
from headswap.app.ui.widgets.cards import model_cards
from headswap.app.ui.widgets.errors import errors_as_text

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
TO_TOP = "() => { window.scrollTo({top: 0}); return []; }"
STEPS = ("model", "pictures", "teach", "test", "home")
TICK_S = 1.0
THUMBNAILS_KEPT = 4096


def build_page(service: Service, *, secret: str) -> gr.Blocks:
    """Lay out and connect the whole page.

    Args:
        service: answers every question and does every deed.
        secret: locks what the browser remembers; the same after a restart, or projects are forgotten.
    """
    with gr.Blocks(
        title="headswap", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as page:
        project_id = gr.BrowserState("", storage_key="headswap-project", secret=secret)
        known = gr.BrowserState([], storage_key="headswap-known", secret=secret)
        network_key, done_job, where = _kept(""), _kept(""), _kept("model")
        timer = gr.Timer(TICK_S, active=False)
        header = build_header()
        build_notices(service.settings)
        with gr.Tabs(elem_classes="hs-steps", overflow_behavior="wrap", elem_id="hs-steps") as tabs:
            with gr.Tab("Model", id="model", elem_id="hs-model"):
                model = build_model_step()
            with gr.Tab("Pictures", id="pictures", elem_id="hs-pictures"):
                pictures = build_dataset_step()
            with gr.Tab("Teach", id="teach", elem_id="hs-teaching"):
                teach = build_train_step()
            with gr.Tab("Test", id="test", elem_id="hs-test"):
                test = build_test_step()
            with gr.Tab("Take it home", id="home", elem_id="hs-home"):
                take_home = build_take_home_step()

        def show(scene: PageContext) -> Updates:
            drawn = show_header(header, scene) | show_training(teach, scene, shared)
            drawn |= show_plan(teach, scene, shared)
            return (
                drawn
                | show_dataset(pictures, scene, shared)
                | {
                    network_key: _network_key(scene),
                    done_job: scene.project.done_job or "",
                    timer: gr.Timer(active=scene.is_teaching),
                }
            )

        shared = PageParts(
            service, lru_cache(THUMBNAILS_KEPT)(service.thumbnail), project_id, tabs, where,
            [*header.outputs, *pictures.outputs, *teach.outputs, network_key, done_job, timer], show, known,
        )  # fmt: skip
        connect_header(header, shared, teach.stop)
        connect_dataset_step(pictures, shared, header.chip, model.sample)
        connect_train_step(teach, shared)
        connect_test_step(test, shared, done_job, teach.plan.depth)
        connect_take_home_step(take_home, shared, done_job)
        _connect_load(page, shared, header.status, model)
        _connect_timer(timer, shared, header, teach)
        drawn_first = _connect_network(network_key, model, pictures, teach, shared)
        connect_model_step(model, shared, drawn_first)
        for button, to in (
            (model.onward, "pictures"), (pictures.onward, "teach"), (teach.onward, "test"),
            (test.foot.again, "teach"), (test.foot.onward, "home"),
        ):  # fmt: skip
            _connect_move(button, to, shared)
        tabs.select(_on_tab, None, where, queue=False, **QUIET)
    with page.route("Runs", "/runs", show_in_navbar=False):
        build_runs_page(page, service, secret=secret)
    with page.route("Learn", "/learn", show_in_navbar=False):
        build_learn_page(page, service, secret=secret)
    return page


def _kept(value: str) -> gr.Textbox:
    """A short text that the page itself keeps.

    Unlike `gr.State` it outlives a restarted server, and its change is heard when a listener beside the queue
    sets it.
    """
    return gr.Textbox(value, visible="hidden", container=False)


def _network_key(scene: PageContext) -> str:
    """Changes when the head view has to be drawn again: another network, path or set of classes."""
    project = scene.project
    weights = "own" if project.has_own_weights else "pretrained"
    return "\n".join((project.model, project.head_path or "", weights, *scene.classes))


def _on_tab(event: gr.SelectData) -> str:
    return STEPS[event.index]


def _connect_move(button: gr.Button, to: str, shared: PageParts) -> None:
    """A next button opens its tab at the top."""
    button.click(
        lambda: (gr.Tabs(selected=to), to), None, [shared.tabs, shared.where], js=TO_TOP, queue=False, **QUIET
    )


def _connect_load(page: gr.Blocks, shared: PageParts, status: gr.HTML, model: ModelStep) -> None:
    """Opening or reloading the page: the project this browser remembers, as it is now."""

    @errors_as_text(status)
    def on_load(project_id: str, ids: object, request: gr.Request) -> Updates:
        project = open_project(shared.service, owner_of(request), project_id)
        cards = model_cards(shared.service.three_to_start(), (), project.model)  # their facts come later
        drawn = {shared.project_id: project.id, shared.known: remembered(ids, project.id), model.cards: cards}
        step = str(request.query_params.get("step", ""))
        if step in STEPS:
            drawn |= {shared.tabs: gr.Tabs(selected=step), shared.where: step}
        shared.service.warm()  # while the person looks around
        return drawn | shared.show(shared.look(project.id, request))

    page.load(
        on_load, [shared.project_id, shared.known],
        [shared.project_id, shared.known, model.cards, *shared.redrawn, shared.tabs, shared.where, status],
        **QUIET,
    )  # fmt: skip


def _connect_timer(timer: gr.Timer, shared: PageParts, header: Any, teach: TrainStep) -> None:
    """While something is taught: look once a second; at the end open the result and fall silent."""

    @errors_as_text(teach.status)
    def on_tick(project_id: str, where: str, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        if scene.is_teaching:
            return show_header(header, scene) | show_training(teach, scene, shared)
        drawn = shared.show(scene)
        if where == "teach" and scene.project.done_job == scene.project.job:
            drawn |= {shared.tabs: gr.Tabs(selected="test"), shared.where: "test"}
        return drawn

    timer.tick(
        on_tick, [shared.project_id, shared.where],
        [*shared.redrawn, teach.status, shared.tabs, shared.where], queue=False, **QUIET,
    )  # fmt: skip


def _connect_network(
    key: gr.Textbox, model: ModelStep, pictures: DatasetStep, teach: TrainStep, shared: PageParts
) -> Any:
    """A new network or new classes: open it up, draw the head view, say how much is to be learned."""

    @errors_as_text(model.status, {model.drawing: "", model.evidence: ""}, clears=False)
    def on_network(project_id: str, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        inspection = shared.service.opened(scene.owner, project_id)
        return show_network(model, inspection, scene, shared) | {
            pictures.intro: pictures_intro(inspection, scene.classes),
            teach.intro: teach_intro(inspection, scene.classes),
            **show_plan(teach, scene, shared),
        }

    return key.change(
        on_network, shared.project_id,
        [
            model.intro, model.drawing, model.evidence, model.own_path, model.status,
            pictures.intro, teach.intro, teach.plan.depth,
        ],
        concurrency_limit=4, concurrency_id="inspect", **QUIET,
    )  # fmt: skip
