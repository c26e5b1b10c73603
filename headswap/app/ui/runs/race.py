"""Find the right network: the panel of /runs with its limits, its button, and what comes of it.

Flow:  limits --Races.begin--> a race in the background --timer--> drawn again
       *Take this one* --Service.take_winner--> a run of the winner
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.service.races import RaceView
from headswap.app.service.service import Service
from headswap.app.ui.context import Updates, owner_of
from headswap.app.ui.runs.race_table import race_panel
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, sends
from headswap.zoos.candidates import NetworkLimits

TICK_S = 1.5
INTRO = h.fragment[
    h.h2["Find the right network"],
    h.p(".hs-soft.reading")[
        "The networks on this machine race on the pictures of the project that is open: over some of the "
        "practice pictures first, the better half over all of them. The exam is locked away; only the winner "
        "takes it, once. A limit of 0, or none at all, lets everyone in. You may close this page."
    ],
]
FETCH = "Download good ones too"
FETCH_INFO = "A short list, at most 390 MB, from the internet; once."
TAKEN = h.p(".hs-soft", role="status")["It is the network of this project now, and is taught: see the table."]


@dataclass(frozen=True)
class RacePanel:
    """The components of the panel, and the service behind it."""

    service: Service
    project_id: gr.BrowserState
    most_ms: gr.Number
    most_mb: gr.Number
    any_use: gr.Checkbox
    fetch: gr.Checkbox
    start: gr.Button
    said: gr.HTML
    shown: gr.HTML
    timer: gr.Timer

    @property
    def drawn(self) -> list[Any]:
        return [self.shown, self.start, self.timer]


def build_race_panel(service: Service, project_id: gr.BrowserState) -> RacePanel:
    """Lay out the panel where it stands."""
    with gr.Column(elem_classes="hs-panel runs-race"):
        fragment(INTRO)
        with gr.Row(elem_classes="race-limits"):
            most_ms = gr.Number(
                None, label="Longest time for one answer here, in ms", minimum=0, elem_id="hs-race-ms"
            )
            most_mb = gr.Number(None, label="Largest size, in MB", minimum=0, elem_id="hs-race-mb")
        any_use = gr.Checkbox(
            False,
            label="Licence for any use",
            info="Only those whose library states one.",
            elem_id="hs-race-use",
        )
        fetch = gr.Checkbox(
            False, label=FETCH, info=FETCH_INFO, visible=bool(service.races.fetchable()),
            elem_id="hs-race-fetch",
        )  # fmt: skip
        said = fragment(classes="status", name="hs-race-status")
        start = gr.Button(
            "Find the right network", variant="primary", size="lg", elem_id="hs-race", elem_classes="big"
        )
        shown = fragment(name="hs-race-panel", script=sends("race"))
    timer = gr.Timer(TICK_S, active=False)
    return RacePanel(service, project_id, most_ms, most_mb, any_use, fetch, start, said, shown, timer)


def show_race(parts: RacePanel, view: RaceView) -> Updates:
    """As it is now."""
    return {
        parts.shown: race_panel(view),
        parts.start: gr.Button(interactive=not view.is_busy),
        parts.timer: gr.Timer(active=view.is_busy),
    }


def on_refresh_race(parts: RacePanel, project_id: str, request: gr.Request) -> Updates:
    """How far it is; nothing where no project is open, or one that has gone."""
    found = parts.service.races.views(owner_of(request), (project_id,))
    return show_race(parts, found[0] if found else RaceView())


def on_race(
    parts: RacePanel,
    project_id: str,
    most_ms: float | None,
    most_mb: float | None,
    any_use: bool,
    fetch: bool,
    request: gr.Request,
) -> Updates:
    """Begin."""
    limits = NetworkLimits(
        most_ms=most_ms or None, most_mb=most_mb or None, any_use=bool(any_use), fetch=bool(fetch)
    )
    return show_race(parts, parts.service.races.begin(owner_of(request), project_id, limits))


def on_race_action(parts: RacePanel, project_id: str, event: gr.EventData, request: gr.Request) -> Updates:
    """Stop it, or take its winner."""
    owner, said = owner_of(request), {}
    if event.chosen == "stop":
        parts.service.races.stop(owner, project_id)
    elif event.chosen == "take":
        parts.service.take_winner(owner, project_id)
        said = {parts.said: TAKEN}
    return show_race(parts, parts.service.races.view(owner, project_id)) | said


def connect_race(page: gr.Blocks, parts: RacePanel, refresh: Any, ids: list[Any], drawn: list[Any]) -> None:
    """Connect the panel; after a winner was taken, `refresh` draws the runs again."""
    told = errors_as_text(parts.said)
    refresh_race = errors_as_text(parts.said, clears=False)(on_refresh_race, parts)
    page.load(refresh_race, parts.project_id, [*parts.drawn, parts.said], **QUIET)
    parts.timer.tick(refresh_race, parts.project_id, [*parts.drawn, parts.said], queue=False, **QUIET)
    parts.start.click(
        told(on_race, parts),
        [parts.project_id, parts.most_ms, parts.most_mb, parts.any_use, parts.fetch],
        [*parts.drawn, parts.said], trigger_mode="once", **QUIET,
    )  # fmt: skip
    parts.shown.click(
        told(on_race_action, parts),
        parts.project_id,
        [*parts.drawn, parts.said],
        trigger_mode="once",
        **QUIET,
    ).then(refresh, ids, drawn, **QUIET)
