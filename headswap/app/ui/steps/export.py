"""Step 5, Take it home: one zip, packed and checked when someone comes for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
import htpy as h

from headswap.app.service.exports import ExportView
from headswap.app.ui.context import PageParts, Updates, owner_of
from headswap.app.ui.steps.export_panel import agreement, example, zip_panel
from headswap.app.ui.steps.teachable_machine import (
    TeachableMachineParts,
    build_teachable_machine,
    connect_teachable_machine,
)
from headswap.app.ui.steps.web_page import WebPageParts, build_web_page, connect_web_page
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, said, served
from headswap.counted import counted

INTRO = h.div(".hs-intro")[
    h.h1["It is yours. Take it home"],
    h.p[
        "One zip with everything the network needs to give the same answers on any machine, with or without "
        "a connection."
    ],
]
SAVE_INSTEAD = h.fragment[
    h.h2["Save the project instead"],
    h.p(".hs-soft")[
        "Pictures, choices and result in one file, to go on later or elsewhere: press Save at the top. It is "
        "separate from the zip."
    ],
]
NOT_BEGUN = ExportView(state="not begun")
LIVE = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"
TICK_S = 1.0


@dataclass(frozen=True)
class ExportStep:
    """The components of step 5."""

    contents: gr.HTML
    agreed: gr.HTML
    use: gr.HTML
    say: gr.HTML
    download: gr.DownloadButton
    status: gr.HTML
    timer: gr.Timer
    web_page: WebPageParts
    teachable_machine: TeachableMachineParts

    @property
    def outputs(self) -> list[object]:
        return [self.contents, self.agreed, self.use, self.say, self.download, self.status, self.timer]


def build_take_home_step() -> ExportStep:
    """Lay out step 5."""
    fragment(INTRO)
    status = fragment(classes="status")
    with gr.Row(elem_classes="hs-two rev take-home"):
        contents = fragment(zip_panel(NOT_BEGUN), name="hs-contents", script=LIVE)
        with gr.Column(elem_classes="stack"):
            agreed = fragment(name="hs-agreement")
            fragment(SAVE_INSTEAD, classes="instead")
    use = fragment(example(NOT_BEGUN), classes="hs-section", name="hs-use")
    web_page, teachable_machine = build_web_page(), build_teachable_machine()
    with gr.Row(elem_classes="hs-next"):
        say = fragment(_say(NOT_BEGUN), classes="grow")
        download = gr.DownloadButton(
            "Download the zip", variant="primary", size="lg", interactive=False,
            elem_id="hs-download", elem_classes="big",
        )  # fmt: skip
    timer = gr.Timer(TICK_S, active=False)  # on while the zip is packed
    return ExportStep(contents, agreed, use, say, download, status, timer, web_page, teachable_machine)


def show_take_home(step: ExportStep, view: ExportView) -> Updates:
    """How far it is, or what there is to take."""
    seen: Updates = {
        step.contents: zip_panel(view),
        step.agreed: agreement(view.check),
        step.say: _say(view),
        step.timer: gr.Timer(active=view.state == "packing"),
    }
    if view.zip_file is None:
        return seen | {step.download: gr.DownloadButton(value=None, interactive=False)}
    return seen | {
        step.use: example(view),
        step.download: gr.DownloadButton(value=served(view.zip_file), interactive=True),
    }


def _say(view: ExportView) -> h.Renderable:
    images = len(view.check.images) if view.check else 0
    inside = f" It holds {counted(images, 'picture')} of yours, to check it with." if images else ""
    sentence = {
        "ready": f"Packed and checked.{inside}",
        "packing": "Packing and checking.",
        "failed": "It could not be packed.",
        "not begun": "It is packed when there is something to take.",
    }[view.state]
    return said(sentence)


def on_refresh(step: ExportStep, page: PageParts, job: str, tab: str, request: gr.Request) -> Updates:
    """How far it is; it is packed when this step is opened."""
    if not job:
        return show_take_home(step, NOT_BEGUN)
    packs, owner = page.service.take_home, owner_of(request)
    return show_take_home(step, packs.begin(owner, job) if tab == "home" else packs.view(owner, job))


def on_tick(step: ExportStep, page: PageParts, job: str, request: gr.Request) -> Updates:
    """While it is packed: how far it is."""
    return show_take_home(step, page.service.take_home.view(owner_of(request), job))


def connect_take_home_step(step: ExportStep, page: PageParts, done_job: gr.Textbox) -> None:
    """Connect step 5: it is packed when this step is opened, and the page looks how far it is."""
    tick = errors_as_text(step.status, {step.timer: gr.update(active=False)})(on_tick, step, page)
    quiet = QUIET | {"queue": False}
    step.timer.tick(tick, done_job, step.outputs, **quiet)
    web_page, machine = step.web_page, step.teachable_machine
    refreshes = (
        errors_as_text(step.status)(on_refresh, step, page),
        connect_web_page(web_page, page, done_job),
        connect_teachable_machine(machine, page, done_job),
    )
    # In one answer: several at once, each of which changes much, made the page set its step to and fro.
    gr.on(
        [page.open_tab.change, done_job.change], _all_of(*refreshes), [done_job, page.open_tab],
        [*step.outputs, *web_page.outputs, *machine.outputs], **quiet,
    )  # fmt: skip


def _all_of(*refreshes: Callable[..., Updates]) -> Callable[..., Updates]:
    """One handler that draws what several draw."""

    def on_open(job: str, tab: str, request: gr.Request) -> Updates:
        drawn: Updates = {}
        for refresh in refreshes:
            drawn |= refresh(job, tab, request)
        return drawn

    return on_open
