"""The header: mark, project name, the status and Stop; New, Open, Save and the other pages."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import htpy as h
from markupsafe import Markup

from headswap.app.service.settings import Settings
from headswap.app.ui.context import PageContext, PageParts, Updates, owner_of
from headswap.app.ui.projects import (
    ProjectMenu,
    build_project_buttons,
    build_project_menu,
    connect_project_menu,
)
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.app.ui.widgets.icons import MARK, icon
from headswap.app.ui.widgets.status import run_status, stale_text

# What stands above the steps where a class leans on this machine: in clear or not, and the way out. Without
# TLS everything can be read on the way, codes too, and a browser gives no camera to such a page: what would
# open one is hidden, wherever it stands.

EDGE = ".notice{margin:12px var(--hs-edge) 0 !important}"
NO_CAMERA = (
    ".tile:has(.open-camera),.open-camera,[data-camera],.livecam,#hs-live-camera{display:none!important}"
)
IN_CLEAR = h.fragment[
    h.div(".callout.warn.notice", role="note")[
        icon("warn"),
        h.p[
            h.b["This page is not protected on its way to you."],
            " Others in this network can read codes and pictures, and the camera is off. The person who runs "
            "it can add a certificate.",
        ],
    ],
    h.style[Markup(EDGE + NO_CAMERA)],
]
LOG_OUT = h.fragment[
    h.p(".hs-note.notice")[h.a(href="logout")["Log out"], " when others use this computer too."],
    h.style[Markup(EDGE)],
]


def build_notices(settings: Settings) -> None:
    """Lay out what has to be said, if anything."""
    if not settings.protected:
        fragment(IN_CLEAR, classes="hs-wrap", name="hs-in-clear")
    if settings.has_codes:
        fragment(LOG_OUT, classes="hs-wrap", name="hs-logout")


LIVE = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"


@dataclass(frozen=True)
class Header:
    """The components that change."""

    name: gr.Textbox
    run_status: gr.HTML
    stop: gr.Button
    status: gr.HTML
    stale: gr.HTML
    menu: ProjectMenu

    @property
    def outputs(self) -> list[object]:
        return [self.name, self.run_status, self.stop, self.status, self.stale]


def build_header() -> Header:
    """Lay out the header."""
    with gr.Row(elem_classes="hs-bar"):
        fragment(
            h.a(".hs-brand", href="", aria_label="headswap")[MARK, h.span["headswap"]],
            classes="brand", script=web_text("steps.js"),
        )  # fmt: skip
        name = gr.Textbox(
            label="Project name", show_label=False, container=False, max_lines=1, max_length=60,
            elem_id="hs-name", elem_classes="hs-project", scale=0,
        )  # fmt: skip
        fragment(classes="grow")
        state = fragment(classes="hs-chip", name="hs-chip", script=LIVE)
        stop = gr.Button("Stop", elem_id="hs-stop", elem_classes="hs-stop", visible=False, scale=0)
        buttons = build_project_buttons()
    menu = build_project_menu(buttons)
    status = fragment(classes="hs-wrap")
    stale = fragment(classes="hs-wrap", name="hs-stale")
    return Header(name, state, stop, status, stale, menu)


def show_header(header: Header, context: PageContext) -> Updates:
    """The header as it is now."""
    return {
        header.name: context.project.name,
        header.run_status: run_status(context.project, context.job),
        header.stop: gr.Button(visible=context.is_teaching),
        header.stale: stale_text(context.project),
    }


def on_stop(page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Stop what is taught."""
    context = page.context_of(project_id, request)
    page.service.cancel(context.owner, context.project.job or "")
    return page.show(page.context_of(project_id, request))


def on_rename(header: Header, page: PageParts, project_id: str, name: str, request: gr.Request) -> Updates:
    """The project's name was changed."""
    return {header.name: page.service.rename_project(owner_of(request), project_id, name).name}


def connect_header(header: Header, page: PageParts, stop_too: gr.Button) -> None:
    """Connect Stop, here and in step 3, the project's name, New, Open and Save to the service."""
    connect_project_menu(header.menu, page, header.status, header.run_status)
    told = errors_as_text(header.status)
    gr.on(
        [header.stop.click, stop_too.click], told(on_stop, page), page.project_id,
        [*page.redrawn, header.status], queue=False, **QUIET,
    )  # fmt: skip
    gr.on(
        [header.name.submit, header.name.blur], told(on_rename, header, page),
        [page.project_id, header.name], [header.name, header.status], queue=False,
        **QUIET,
    )  # fmt: skip
