"""Step 4, many pictures at once: tried in the background, looked through, named, and taken home.

Flow:  zip of `many.js` --on_zip--> service.batches, watched by a timer --> grid (`batch_grid`)
       a press on a picture or a name --on_edit--> a closer look, or the pictures of step 2 change
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import htpy as h

from headswap.app.service.batch_files import BatchView
from headswap.app.service.batches import BatchAnswers, TriedImage
from headswap.app.service.thumbnails import LARGEST_PX
from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.steps.batch_grid import (
    ALL,
    GridChoice,
    GridContext,
    choice_of,
    filtered,
    grid,
    id_of,
    large_dialog,
    progress,
    resume_row,
    sections_of,
)
from headswap.app.ui.steps.edits import Edit, edit_of
from headswap.app.ui.steps.try_it import answered
from headswap.app.ui.widgets.errors import error_html, errors_as_text, kinds_of
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, packing, rendered, served, web_text
from headswap.app.ui.widgets.text import image_uri
from headswap.data.decode import ENDINGS
from headswap.data.film import FILM_ENDINGS
from headswap.errors import HeadswapError, NotFound

TICK_S = 0.7
DOWNLOAD = "() => setTimeout(() => document.querySelector('#hs-many-file').click(), 100)"
CHOOSER = h.div(".stack.tight")[
    h.p(".hs-soft")[
        "Pictures that no one has sorted. It says what it sees in each, and you look where it is not sure. "
        "Large pictures are made smaller on your machine before they travel."
    ],
    h.div(".hs-row", data_endings=",".join((*ENDINGS, *FILM_ENDINGS)))[
        h.button(".btn", type="button", data_choose=True)["Choose pictures or a zip"],
        h.input(type="file", multiple=True, hidden=True, aria_label="Pictures or a zip to try"),
        h.button(".btn", type="button", data_choose=True)["Choose a folder"],
        h.input(type="file", webkitdirectory=True, multiple=True, hidden=True, aria_label="A folder to try"),
    ],
    h.p(".hs-note", role="status", aria_live="polite"),
]


@dataclass(frozen=True)
class TryMany:
    """The components."""

    zip: gr.UploadButton
    status: gr.HTML
    live: gr.HTML
    batch: gr.HTML
    view: gr.HTML
    chosen: gr.Textbox  # which filter and page are looked at
    actions: gr.Row
    table: gr.Button
    folders: gr.Button
    again: gr.Button
    away: gr.Button
    file: gr.DownloadButton  # never seen: the buttons press it
    timer: gr.Timer

    @property
    def outputs(self) -> list[object]:
        return [
            self.status, self.live, self.batch, self.view, self.chosen, self.actions, self.folders,
            self.again, self.timer,
        ]  # fmt: skip

    @property
    def empty(self) -> Updates:
        """Nothing is tried."""
        return {
            self.live: None,
            self.batch: None,
            self.view: None,
            self.actions: gr.Row(visible=False),
            self.timer: gr.Timer(active=False),
        }


def build_try_many() -> TryMany:
    """Lay it out."""
    fragment(h.h2(".hs-title")["Try many at once"], classes="hs-section")
    with gr.Column(elem_classes="hs-panel many"):
        gr.HTML(
            html_template=rendered(CHOOSER), js_on_load=packing("many.js"), apply_default_css=False,
            elem_id="hs-many-choose",
        )  # fmt: skip
        upload = gr.UploadButton("A zip", file_types=[".zip"], elem_id="hs-many-zip")  # many.js fills it in
        status = fragment(classes="status", name="hs-many-status")
        live = fragment(name="hs-many-live", script=web_text("edits.js"))
        batch = fragment(name="hs-many", script=f"{web_text('edits.js')}\n{web_text('batch.js')}")
        with gr.Row(visible=False, elem_classes="hs-row many-actions") as actions:
            table = gr.Button("Save as a table (CSV)", elem_id="hs-many-table", elem_classes="fit")
            folders = gr.Button("Sorted into folders (zip)", elem_id="hs-many-sorted", elem_classes="fit")
            again = gr.Button(
                "Teach again", visible=False, variant="primary", elem_id="hs-many-teach", elem_classes="fit"
            )
            away = gr.Button("Put them away", elem_id="hs-many-away", elem_classes="fit quiet")
        view = fragment(name="hs-many-view", script=web_text("edits.js"))
    # A column that is shown later shows what is hidden in it, too: many.css hides these.
    file = gr.DownloadButton("Download", elem_id="hs-many-file")
    chosen = gr.Textbox(GridChoice().text, container=False, elem_id="hs-many-chosen")
    timer = gr.Timer(TICK_S, active=False)  # on while pictures are tried
    return TryMany(
        upload, status, live, batch, view, chosen, actions, table, folders, again, away, file, timer
    )


def show_many(part: TryMany, page: PageParts, context: PageContext, choice: GridChoice) -> Updates:
    """What was tried, as it is now."""
    owner, project, batches = context.owner, context.project.id, page.service.batches
    view = batches.view(owner, project)
    if view.state == "none" or not context.project.done_job:
        return part.empty
    if view.is_busy:
        return part.empty | {part.live: progress(view), part.timer: gr.Timer(active=True)}
    if view.state == "failed":
        return part.empty | {part.status: error_html(view.problem, view.remedy), part.live: resume_row(view)}
    answers, drawn = batches.answers(owner, project), _context(page, context, view)
    shown = [one.image.sha256 for each in sections_of(answers, choice, drawn.sections) for one in each.shown]
    small = {key: image_uri(data) for key, data in batches.thumbnails(owner, project, shown).items()}
    return part.empty | {
        part.batch: grid(answers, choice, drawn, small),
        part.chosen: choice.text,
        part.actions: gr.Row(visible=bool(answers.tried)),
        part.again: gr.Button(visible=bool(drawn.named) and context.project.is_stale),
    }


def _context(page: PageParts, context: PageContext, view: BatchView) -> GridContext:
    """What a batch is drawn with: the classes of its run, and what its pictures are called by now."""
    service = page.service
    tried = {one.sha256 for one in service.batches.answers(context.owner, context.project.id).manifest.images}
    images = context.manifest.images if context.manifest else ()
    named = {one.sha256: one.class_name for one in images if one.sha256 in tried}
    report = service.results.report(context.owner, view.job)
    return GridContext(
        view=view,
        classes=report.classes,
        names=context.classes or report.classes,
        named=named,
        is_old=view.job != context.project.done_job,
        change=service.images.last_change(context.owner, context.project.id) if named else None,
        is_multi_label=report.is_multi_label,
    )


def on_zip(
    part: TryMany, page: PageParts, project_id: str, job: str, upload: str, request: gr.Request
) -> Updates:
    """A zip came; it is read and answered in the background."""
    context = page.context_of(project_id, request)
    page.service.batches.begin(context.owner, project_id, job, Path(upload))
    return show_many(part, page, context, GridChoice())


def on_tick(part: TryMany, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """While they are tried: how far it is; at the end, the grid."""
    return show_many(part, page, page.context_of(project_id, request), GridChoice())


def on_edit(
    part: TryMany, page: PageParts, project_id: str, job: str, chosen: str, event: gr.EventData,
    request: gr.Request,
) -> Updates:  # fmt: skip
    """A button of the grid, of one large picture or next to the bar."""
    edit, context, choice = edit_of(event), page.context_of(project_id, request), choice_of(chosen)
    batches = page.service.batches
    match edit.verb:
        case "look-tried":
            return {part.view: _large(page, context, choice, edit.file)}
        case "show-tried":
            return show_many(part, page, context, choice_of(f"{edit.name} {edit.file}"))
        case "stop-tried":
            batches.stop(context.owner, project_id)
        case "try-again":
            batches.again(context.owner, project_id, job)
        case "go-on-tried":
            batches.resume(context.owner, project_id)
        case "undo":
            page.service.images.undo(context.owner, project_id)
        case "name-one" | "name-them":
            if dialog := _name(page, context, choice, edit):
                return {part.view: dialog}
    context = page.context_of(project_id, request)
    return page.show(context) | show_many(part, page, context, choice)


def _name(page: PageParts, context: PageContext, choice: GridChoice, edit: Edit) -> h.Renderable | None:
    """Say what pictures are; a mistake made in a dialog is told there."""
    batches, wanted = page.service.batches, set(edit.file.split())
    tried = batches.answers(context.owner, context.project.id).tried
    sha256s = [one.image.sha256 for one in tried if id_of(one) in wanted]
    try:
        batches.label(context.owner, context.project.id, sha256s, edit.name or edit.value)
    except HeadswapError as mistake:
        if edit.verb != "name-one":
            raise
        told = error_html(mistake.problem, mistake.remedy, kinds_of(mistake))
        return _large(page, context, choice, edit.file, told)
    return None


def _large(
    page: PageParts, context: PageContext, choice: GridChoice, wanted: str, mistake: h.Node = None
) -> h.Renderable:
    """One picture large, with its answer; the next one is that of the same filter."""
    service, owner, project = page.service, context.owner, context.project.id
    answers = service.batches.answers(owner, project)
    drawn = _context(page, context, service.batches.view(owner, project))
    order = _in_order(answers, choice, drawn.sections)
    index = next((index for index, one in enumerate(order) if id_of(one) == wanted), None)
    if index is None:
        raise NotFound("There is no such picture any more.", remedy="Load the page again.")
    one, after = order[index], order[index + 1] if index + 1 < len(order) else None
    large = service.batches.thumbnails(owner, project, (one.image.sha256,), LARGEST_PX)
    uri = image_uri(large[one.image.sha256])
    return large_dialog(one, uri, answered(page, owner, answers.job, one.said), drawn, after, mistake)


def _in_order(answers: BatchAnswers, choice: GridChoice, classes: tuple[str, ...]) -> tuple[TriedImage, ...]:
    """The order in which the grid shows them: by class where all are looked at."""
    found = filtered(answers, choice.filter, classes)
    if choice.filter != ALL:
        return found
    return tuple({id_of(one): one for name in classes for one in found if name in one.names}.values())


def on_table(part: TryMany, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Save as a table."""
    context = page.context_of(project_id, request)
    return {part.file: gr.DownloadButton(value=served(page.service.batches.table(context.owner, project_id)))}


def on_sorted(part: TryMany, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Save sorted into folders."""
    context = page.context_of(project_id, request)
    packed = page.service.batches.sorted_zip(context.owner, project_id)
    return {part.file: gr.DownloadButton(value=served(packed))}


def on_away(part: TryMany, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """They are not wanted any more."""
    page.service.batches.forget(page.context_of(project_id, request).owner, project_id)
    return part.empty


def on_names(
    part: TryMany, page: PageParts, project_id: str, chosen: str, tab: str, request: gr.Request
) -> Updates:
    """Pictures got other names in another step, or lost them by Undo: the tags are drawn again."""
    if tab == "test":  # what was pressed there has drawn them already
        return {part.status: gr.skip()}
    return show_many(part, page, page.context_of(project_id, request), choice_of(chosen))


def connect_names(part: TryMany, page: PageParts, names: gr.Textbox) -> None:
    """Draw the tried pictures again when others are named outside of step 4."""
    told = errors_as_text(part.status, clears=False)
    names.change(
        told(on_names, part, page), [page.project_id, part.chosen, page.open_tab], part.outputs, **QUIET
    )


def connect_try_many(part: TryMany, page: PageParts, done_job: gr.Textbox) -> None:
    """Connect it to the service."""
    told, outputs = errors_as_text(part.status), part.outputs
    asked = [page.project_id, done_job]
    part.zip.upload(told(on_zip, part, page), [*asked, part.zip], outputs, concurrency_limit=4, **QUIET)
    tick = errors_as_text(part.status, {part.timer: gr.update(active=False)})(on_tick, part, page)
    part.timer.tick(tick, page.project_id, outputs, queue=False, **QUIET)
    edits = told(on_edit, part, page)
    for piece in (part.live, part.batch, part.view):
        piece.click(
            edits, [*asked, part.chosen], [*page.redrawn, *outputs], trigger_mode="always_last",
            concurrency_limit=4, concurrency_id="edits", **QUIET,
        )  # fmt: skip
    unsaved = errors_as_text(part.status, {part.file: gr.update(value=None)})  # no older file instead
    for button, handler in ((part.table, on_table), (part.folders, on_sorted)):
        saved = button.click(
            unsaved(handler, part, page), page.project_id, [part.file, part.status], concurrency_limit=2,
            trigger_mode="once", **QUIET,
        )  # fmt: skip
        saved.success(None, None, None, js=DOWNLOAD, **QUIET)
    part.away.click(told(on_away, part, page), page.project_id, outputs, **QUIET)
