"""Step 2, a link to a film: fetched by the server, watched by a timer, then pictures like any others.

Flow:  link + class name --on_film--> service.film_links --on_film_tick--> how far it is, then step 2
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import htpy as h

from headswap.app.service.film_links import FilmView
from headswap.app.ui.context import PageContext, PageParts, Updates, owner_of
from headswap.app.ui.widgets.errors import error_html, errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment
from headswap.counted import counted

TICK_S = 0.7


@dataclass(frozen=True)
class FilmLink:
    """The components."""

    link: gr.Textbox
    name: gr.Textbox
    fetch: gr.Button
    cancel: gr.Button
    status: gr.HTML
    timer: gr.Timer

    @property
    def outputs(self) -> list[object]:
        return [self.link, self.fetch, self.cancel, self.status, self.timer]


def build_film_link() -> FilmLink:
    """Lay it out: folded away, since most people have a file."""
    with gr.Accordion("A link to a film", open=False, elem_classes="hs-fold", elem_id="hs-film-link"):
        link = gr.Textbox(
            label="Where the film is",
            placeholder="https://…/film.mp4",
            max_lines=1,
            elem_id="hs-film-address",
        )
        name = gr.Textbox(label="What it shows: the name of the class", max_lines=1, elem_id="hs-film-class")
        with gr.Row():
            fetch = gr.Button("Download the film", elem_id="hs-film-fetch", elem_classes="fit")
            cancel = gr.Button("Cancel", visible=False, elem_id="hs-film-cancel", elem_classes="fit")
        status = fragment(classes="status", name="hs-film-status")
    timer = gr.Timer(TICK_S, active=False)  # on while a film comes
    return FilmLink(link, name, fetch, cancel, status, timer)


def show_film_link(part: FilmLink, context: PageContext, page: PageParts) -> Updates:
    """Where the fetch stands."""
    view = page.service.film_links.view(context.owner, context.project.id)
    busy = view.is_busy
    return {
        part.status: film_text(view),
        part.fetch: gr.Button(interactive=not busy),
        part.cancel: gr.Button(visible=busy),
        part.timer: gr.Timer(active=busy),
    }


def film_text(view: FilmView) -> h.Renderable | None:
    """How far it is, or what came of it; None: nothing to say."""
    match view.state:
        case "failed":
            return error_html(view.problem, view.remedy)
        case "done":
            sentence = f"The film is here and gave {counted(view.frames, 'picture')}."
            return h.p(".hs-note", role="status")[sentence]
        case "fetching":
            of = f" of {view.total / 1e6:.1f}" if view.total else ""
            return h.p(".hs-note", role="status")[f"{view.done / 1e6:.1f}{of} MB have come."]
        case "waiting" | "reading":
            sentence = "Asking for the film." if view.state == "waiting" else "Reading the film."
            return h.p(".hs-note", role="status")[sentence]
        case _:
            return None


def on_film(
    part: FilmLink, page: PageParts, project_id: str, link: str, name: str, request: gr.Request
) -> Updates:
    """A link was given."""
    page.service.film_links.begin(owner_of(request), project_id, link, name)
    return show_film_link(part, page.context_of(project_id, request), page)


def on_film_tick(part: FilmLink, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """While it comes: how far it is; once it is here, the pictures of step 2."""
    context = page.context_of(project_id, request)
    shown = show_film_link(part, context, page)
    if page.service.film_links.view(context.owner, project_id).state != "done":
        return shown
    return page.show(context) | {part.link: ""}


def on_film_cancel(part: FilmLink, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Stop the fetch."""
    page.service.film_links.stop(owner_of(request), project_id)
    return show_film_link(part, page.context_of(project_id, request), page)


def connect_film_link(part: FilmLink, page: PageParts) -> None:
    """Connect it to the service."""
    told = errors_as_text(part.status)
    for listen in (part.fetch.click, part.link.submit, part.name.submit):
        listen(
            told(on_film, part, page), [page.project_id, part.link, part.name], part.outputs,
            concurrency_limit=4, **QUIET,
        )  # fmt: skip
    part.cancel.click(told(on_film_cancel, part, page), page.project_id, part.outputs, queue=False, **QUIET)
    tick = errors_as_text(part.status, {part.timer: gr.update(active=False)})(on_film_tick, part, page)
    part.timer.tick(tick, page.project_id, page.redrawn, queue=False, **QUIET)
