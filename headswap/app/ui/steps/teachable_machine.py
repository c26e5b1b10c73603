"""In step 5: the run in the format that Scratch, ml5 and other programs of Teachable Machine read.

Flow:  a press --service.take_home.begin_teachable_machine--> TeachableMachineView
           --teachable_machine_panel--> HTML with how far their answers differ, one download
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
import htpy as h

from headswap.app.service.exports import TeachableMachineView
from headswap.app.ui.context import PageParts, Updates, owner_of
from headswap.app.ui.steps.file_panel import TICK_S, connect_panel, download, framed, show_progress
from headswap.app.ui.widgets.errors import error_html, errors_as_text
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.counted import counted
from headswap.exports.parity import Route

INTRODUCTION = h.fragment[
    h.h2["Or for Scratch, ml5 and PictoBlox"],
    h.p(".hs-soft.reading")[
        "Programs that load a model of Teachable Machine load this one too: put the files of the zip into a "
        "folder of a web host, and give its address. They prepare pictures in their own way, so their "
        "answers differ; how far is measured first."
    ],
]


@dataclass(frozen=True)
class TeachableMachineParts:
    """The components of the panel."""

    panel: gr.HTML
    file: gr.DownloadButton
    status: gr.HTML
    timer: gr.Timer

    @property
    def outputs(self) -> list[object]:
        return [self.panel, self.file, self.status, self.timer]


def build_teachable_machine() -> TeachableMachineParts:
    """Lay out the panel."""
    script = web_text("copy.js") + web_text("web_page.js")
    with gr.Column(elem_classes="hs-section web-page-part"):
        panel = fragment(name="hs-teachable-machine", script=script)
        file = gr.DownloadButton(
            "Download for Scratch and ml5", visible=False, elem_id="hs-teachable-machine-file"
        )
        status = fragment(classes="status")
    return TeachableMachineParts(panel, file, status, gr.Timer(TICK_S, active=False))


def show_teachable_machine(parts: TeachableMachineParts, view: TeachableMachineView | None) -> Updates:
    """How far it is, or what there is to take; None: no run has a result."""
    return {
        parts.panel: teachable_machine_panel(view) if view else None,
        **download(parts.file, view.zip_file if view else None),
        **show_progress(parts, view),
    }


def teachable_machine_panel(view: TeachableMachineView) -> h.Renderable:
    """What it is, the button that makes it, and then how far its readers differ."""
    if view.state == "packing":
        return framed(view.state)[
            INTRODUCTION,
            h.p(".live", role="status")["The network is being written and asked. It takes some seconds."],
        ]
    if view.route is not None:
        return framed(view.state)[INTRODUCTION, _difference(view.route)]
    problem = error_html(view.problem, view.remedy) if view.state == "failed" else None
    make = h.button(".btn", type="button", data_do="make")["Make it for Scratch and ml5"]
    return framed(view.state)[INTRODUCTION, problem, make]


def _difference(route: Route) -> h.Renderable:
    largest = route.largest_difference or 0.0
    return h.fragment[
        h.p(".live")[
            f"Of {counted(route.images, 'picture')} these programs name {route.same} as this page does; "
            f"the largest difference of a probability is {largest:.3f}."
        ],
        h.p(".hs-note")[route.note],
    ]


def on_teachable_machine(
    parts: TeachableMachineParts, page: PageParts, job: str, tab: str, request: gr.Request
) -> Updates:
    """Another run, or step 5 is opened: what there is of it."""
    if not job or tab != "home":
        return show_teachable_machine(parts, None)
    return on_teachable_machine_tick(parts, page, job, request)


def on_teachable_machine_press(
    parts: TeachableMachineParts, page: PageParts, job: str, request: gr.Request
) -> Updates:
    """The button was pressed: make the file."""
    view = page.service.take_home.begin_teachable_machine(owner_of(request), job)
    return show_teachable_machine(parts, view)


def on_teachable_machine_tick(
    parts: TeachableMachineParts, page: PageParts, job: str, request: gr.Request
) -> Updates:
    """While it is made: how far it is."""
    view = page.service.take_home.teachable_machine_view(owner_of(request), job)
    return show_teachable_machine(parts, view)


def connect_teachable_machine(
    parts: TeachableMachineParts, page: PageParts, done_job: gr.Textbox
) -> Callable[..., Updates]:
    """Connect the panel; gives what draws it when step 5 is opened or another run has a result."""
    press, tick = on_teachable_machine_press, on_teachable_machine_tick
    connect_panel(parts, page, done_job, press, tick, pressed=(parts.panel,))
    return errors_as_text(parts.status)(on_teachable_machine, parts, page)
