"""/runs: every run of this browser's projects, compared, opened again, deleted; and several networks at once.

Flow:  known project ids --service.history--> table and plot;  a pressed button --> one verb --> drawn again

A page of its own: it remembers what the five steps remember, and looks at the server only
while something is taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.service.history import RunView
from headswap.app.service.service import Service
from headswap.app.ui.context import Updates, owner_of
from headswap.app.ui.projects import remembered
from headswap.app.ui.runs.race import RacePanel, build_race_panel, connect_race
from headswap.app.ui.runs.table import FIRST, next_sort, runs_plot, runs_table
from headswap.app.ui.widgets.cards import MARKS_TEXT
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, sends, web_text
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.network_search import every_network, has_ended, narrowed, waits
from headswap.app.ui.widgets.pages import BRAND, page_links

TICK_S = 1.5
HEADER = h.div(".hs-bar.runs-bar")[
    BRAND, h.span(".grow"), h.a(".btn.quiet", href="./")["The five steps"], page_links("runs")
]
INTRO = h.div(".hs-intro")[
    h.h1["Every run, side by side"],
    h.p[
        "Each time a head was taught: what moved ",
        term("what may move"),
        ", and what it cost. Which network "
        "is worth its time? Look at how often it is right, and how sure that figure is.",
    ],
]
EMPTY = h.div(".hs-empty")[
    h.p(".live")["No run yet."],
    h.p(".hs-soft")[
        "Teach a head in ",
        h.a(href="./")["the five steps"],
        "; it appears here with its accuracy, its size and its speed, and stays.",
    ],
]
COMPARE = h.fragment[
    h.h2["Compare networks"],
    h.p(".hs-soft.reading")[
        "Choose two or more. Each gets a new head, taught on the pictures of the project that is open, and "
        "takes the same exam. They wait in the queue like other runs; you may close this page."
    ],
]
HELD = h.p(".hs-soft", role="status")[
    "This run is deleted. Another program holds some of its files; they go as soon as it lets go."
]
GO = "(where) => { if (where) window.location.assign(where); }"


@dataclass(frozen=True)
class RunsPage:
    """The components of the page, and the service behind it."""

    service: Service
    project_id: gr.BrowserState
    known: gr.BrowserState
    sort: gr.Textbox
    asking: gr.Textbox
    go: gr.Textbox  # where to go next
    status: gr.HTML
    table: gr.HTML
    plotted: gr.Column
    plot: gr.HTML
    models: gr.Dropdown
    compare: gr.Button
    said: gr.HTML
    timer: gr.Timer

    @property
    def drawn(self) -> list[Any]:
        return [self.sort, self.asking, self.table, self.plotted, self.plot, self.timer]


def build_runs_page(page: gr.Blocks, service: Service, *, secret: str) -> None:
    """Lay out and connect the page, inside its route."""
    project_id = gr.BrowserState("", storage_key="headswap-project", secret=secret)
    known = gr.BrowserState([], storage_key="headswap-known", secret=secret)
    sort, asking, go = (gr.Textbox(value, visible="hidden", container=False) for value in (FIRST, "", ""))
    timer = gr.Timer(TICK_S, active=False)
    fragment(HEADER)
    with gr.Column(elem_classes="tabitem runs-page", elem_id="hs-runs-page"):
        fragment(INTRO)
        status = fragment(classes="status")
        table = fragment(name="hs-runs", script=sends("run") + web_text("times.js"))
        with gr.Column(elem_classes="hs-panel runs-plot", visible=False) as plotted:
            plot = fragment(name="hs-runs-plot")
        race = build_race_panel(service, project_id)
        with gr.Column(elem_classes="hs-panel runs-compare"):
            fragment(COMPARE)
            models = gr.Dropdown(
                [], multiselect=True, label="Networks", info=MARKS_TEXT,
                elem_id="hs-compare-models",
            )  # fmt: skip
            said = fragment(classes="status", name="hs-compare-status")
            compare = gr.Button(
                "Compare networks", variant="primary", size="lg", elem_id="hs-compare", elem_classes="big"
            )
    parts = RunsPage(
        service, project_id, known, sort, asking, go, status, table, plotted, plot, models, compare, said,
        timer,
    )  # fmt: skip
    _connect(page, parts, race)


def show_runs(parts: RunsPage, runs: tuple[RunView, ...], sort: str, asking: str = "") -> Updates:
    """Table, plot and clock as they are now."""
    drawing = runs_plot(runs)
    return {
        parts.sort: sort,
        parts.asking: asking,
        parts.table: runs_table(runs, sort, asking) if runs else EMPTY,
        parts.plotted: gr.Column(visible=drawing is not None),
        parts.plot: drawing,
        parts.timer: gr.Timer(active=any(not run.is_over for run in runs)),
    }


def _drawn(
    parts: RunsPage, owner: str, project_id: str, known: object, sort: str, asking: str = ""
) -> Updates:
    runs = parts.service.history.rows(owner, remembered(known, project_id))
    return show_runs(parts, runs, sort, asking)


def on_refresh(
    parts: RunsPage, project_id: str, known: object, sort: str, asking: str, request: gr.Request
) -> Updates:
    """The table as it is now."""
    return _drawn(parts, owner_of(request), project_id, known, sort, asking)


def on_networks(parts: RunsPage, listed: gr.State, is_listed: bool) -> Updates:
    """Every network that can be compared, when someone begins to search."""
    return {} if is_listed else {parts.models: every_network(parts.service), listed: True}


def on_action(
    parts: RunsPage, project_id: str, known: object, sort: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A button of the table."""
    action, _, what = str(event.chosen).partition(":")
    owner, asking, history = owner_of(request), "", parts.service.history
    more: Updates = {}
    match action:
        case "sort":
            sort = next_sort(sort, what)
        case "ask":
            asking = what
        case "delete":
            if not history.delete(owner, what):
                more = {parts.said: HELD}
        case "stop":
            parts.service.cancel(owner, what)
        case "open":
            shown = history.show(owner, what)
            more = {parts.project_id: shown, parts.known: remembered(known, shown)}
            more[parts.go] = "./?step=test"
    return _drawn(parts, owner, project_id, known, sort, asking) | more


def on_compare(
    parts: RunsPage, project_id: str, known: object, sort: str, models: list[str], request: gr.Request
) -> Updates:
    """Teach a head on each of several networks, one after the other."""
    owner = owner_of(request)
    started = parts.service.history.compare(owner, project_id, models or [])
    sentence = "They were taught on these pictures already: see the table."
    told = {} if started else {parts.said: h.p(".hs-soft", role="status")[sentence]}
    return _drawn(parts, owner, project_id, known, sort) | told


def _connect(page: gr.Blocks, parts: RunsPage, race: RacePanel) -> None:
    told, said = errors_as_text(parts.status), errors_as_text(parts.said)
    ids: list[Any] = [parts.project_id, parts.known, parts.sort, parts.asking]
    refresh = told(on_refresh, parts)
    listed = gr.State(False)
    networks = errors_as_text(parts.said, clears=False)(on_networks, parts, listed)
    page.load(refresh, ids, [*parts.drawn, parts.status], **QUIET)
    parts.models.focus(None, None, None, js=waits("#hs-compare-models"), **QUIET)
    parts.models.focus(networks, listed, [parts.models, listed, parts.said], **QUIET).then(
        None, None, None, js=has_ended("#hs-compare-models"), **QUIET
    )
    listed.change(None, None, None, js=narrowed("#hs-compare-models"), **QUIET)
    parts.timer.tick(refresh, ids, [*parts.drawn, parts.status], queue=False, **QUIET)
    parts.table.click(
        told(on_action, parts), ids[:3],
        [*parts.drawn, parts.project_id, parts.known, parts.go, parts.said, parts.status],
        trigger_mode="once", **QUIET,
    ).then(None, parts.go, None, js=GO, **QUIET)  # fmt: skip
    parts.compare.click(
        said(on_compare, parts), [*ids[:3], parts.models], [*parts.drawn, parts.said], trigger_mode="once",
        **QUIET,
    )  # fmt: skip
    connect_race(page, race, refresh, ids, [*parts.drawn, parts.status])
