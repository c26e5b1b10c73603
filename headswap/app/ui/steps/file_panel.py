"""The panels of step 5 that make a file at a press: their frame, their download, and how far they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import gradio as gr
import htpy as h

from headswap.app.ui.context import PageParts, Updates
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import served

TICK_S = 1.0


class FilePanel(Protocol):
    """The components that each of them has."""

    @property
    def panel(self) -> gr.HTML: ...
    @property
    def status(self) -> gr.HTML: ...
    @property
    def timer(self) -> gr.Timer: ...
    @property
    def outputs(self) -> list[object]: ...


class FileState(Protocol):
    """What is known of the file."""

    @property
    def state(self) -> str: ...


def framed(state: str) -> h.Element:
    """The frame of a panel, which scripts and tests know by its state."""
    return h.div(".hs-panel.web-page", data_state=state.replace(" ", "-"))


def show_progress(panel: FilePanel, view: FileState | None) -> Updates:
    """Ask again while the file is made."""
    return {panel.timer: gr.Timer(active=view is not None and view.state == "packing")}


def download(button: gr.DownloadButton, file: Path | None) -> Updates:
    """Offer a file; None: there is none, and nothing of another project may stay to be downloaded."""
    return {button: gr.DownloadButton(visible=file is not None, value=served(file) if file else None)}


def connect_panel(
    panel: FilePanel,
    page: PageParts,
    done_job: gr.Textbox,
    press: Callable[..., Updates],
    tick: Callable[..., Updates],
    *,
    pressed: tuple[gr.HTML, ...],
) -> None:
    """Let presses on `pressed` and the timer be answered, errors as text below.

    Args:
        panel: with a status line and a timer.
        page: what handlers know of it.
        done_job: the run whose file it is.
        press: answers a press, given panel, page and job.
        tick: answers the timer, given the same.
        pressed: the components with buttons.
    """
    quiet = QUIET | {"queue": False}
    stops = {panel.timer: gr.update(active=False)}
    for source in pressed:
        source.click(
            errors_as_text(panel.status)(press, panel, page),
            done_job,
            panel.outputs,
            trigger_mode="once",
            **quiet,
        )
    panel.timer.tick(errors_as_text(panel.status, stops)(tick, panel, page), done_job, panel.outputs, **quiet)
