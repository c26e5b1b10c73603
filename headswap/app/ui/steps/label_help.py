"""Step 2, Label with help: pictures that no one has sorted are grouped, named, and taught with.

Flow:  zip of `many.js` --on_zip--> service.labelling, watched by a timer --> question, groups (`label_view`)
       a name or a digit --on_edit--> the next question; at the end, the pictures of step 2
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import htpy as h

from headswap.app.service.labelling import LabelView
from headswap.app.service.labels import LabelProgress
from headswap.app.service.thumbnails import LARGEST_PX
from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.steps.edits import Edit, edit_of
from headswap.app.ui.steps.label_view import (
    asked,
    group_rows,
    id_of,
    question_card,
    shown_groups,
    waiting,
)
from headswap.app.ui.widgets.errors import error_html, errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, packing, rendered, web_text
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.text import image_uri
from headswap.data.decode import ENDINGS
from headswap.data.film import FILM_ENDINGS

TICK_S = 0.7
CHOOSER = h.div(".stack.tight.label-chooser")[
    h.h2["No one has sorted them? Label with help ", term("label with help")],
    h.p(".hs-soft")[
        "Bring pictures as they are. It puts together what looks alike, you name whole groups, and then it "
        "asks about those that teach it most."
    ],
    h.div(".hs-row", data_endings=",".join((*ENDINGS, *FILM_ENDINGS)))[
        h.button(".btn", type="button", data_choose=True)["Choose unsorted pictures or a zip"],
        h.input(type="file", multiple=True, hidden=True, aria_label="Pictures or a zip to be labelled"),
        h.button(".btn", type="button", data_choose=True)["Choose an unsorted folder"],
        h.input(
            type="file",
            webkitdirectory=True,
            multiple=True,
            hidden=True,
            aria_label="A folder to be labelled",
        ),
    ],
    h.p(".hs-note", role="status", aria_live="polite"),
]
AWAY = h.button(".btn.small", type="button", data_edit="label-away")["Put them away"]


@dataclass(frozen=True)
class LabelHelp:
    """The components."""

    zip: gr.UploadButton
    status: gr.HTML
    card: gr.HTML
    groups: gr.HTML
    timer: gr.Timer

    @property
    def outputs(self) -> list[object]:
        return [self.card, self.groups, self.timer]

    @property
    def empty(self) -> Updates:
        """Nothing waits for a name."""
        return {self.card: None, self.groups: None, self.timer: gr.Timer(active=False)}


def build_label_help() -> LabelHelp:
    """Lay it out."""
    with gr.Column(elem_classes="hs-panel label-help"):
        gr.HTML(
            html_template=rendered(CHOOSER), js_on_load=packing("many.js"), apply_default_css=False,
            elem_id="hs-label-choose",
        )  # fmt: skip
        upload = gr.UploadButton("A zip", file_types=[".zip"], elem_id="hs-label-zip")  # many.js fills it in
        status = fragment(classes="status", name="hs-label-status")
        script = f"{web_text('edits.js')}\n{web_text('label.js')}"
        card = fragment(name="hs-label-card", script=script)
        groups = fragment(name="hs-label-groups", script=script)
    timer = gr.Timer(TICK_S, active=False)  # on while pictures are looked at
    return LabelHelp(upload, status, card, groups, timer)


def show_labelling(part: LabelHelp, context: PageContext, page: PageParts) -> Updates:
    """What waits for a name, as it is now."""
    view = page.service.labelling.view(context.owner, context.project.id)
    if view.is_busy:
        return part.empty | {part.card: waiting(view), part.timer: gr.Timer(active=True)}
    if view.state == "failed":
        said = h.div(".labelling.stack.tight")[error_html(view.problem, view.remedy), AWAY]
        return part.empty | {part.card: said}
    if view.progress is None:
        return part.empty
    return (
        part.empty | _card(part, context, page, view.progress) | _groups(part, context, page, view.progress)
    )


def _card(part: LabelHelp, context: PageContext, page: PageParts, found: LabelProgress) -> Updates:
    sha256 = asked(found.state)
    large = _thumbnails(context, page, [sha256] if sha256 else [], LARGEST_PX)
    return {part.card: question_card(found, large.get(sha256, ""))}


def _groups(part: LabelHelp, context: PageContext, page: PageParts, found: LabelProgress) -> Updates:
    shown = [one for group in shown_groups(found.state) for one in group.sha256s]
    return {part.groups: group_rows(found, _thumbnails(context, page, shown))}


def _thumbnails(
    context: PageContext, page: PageParts, sha256s: Iterable[str], px: int = 160
) -> dict[str, str]:
    wanted = tuple(sha256s)
    if not wanted:
        return {}
    small = page.service.labelling.thumbnails(context.owner, context.project.id, wanted, px)
    return {sha256: image_uri(data) for sha256, data in small.items()}


def on_zip(part: LabelHelp, page: PageParts, project_id: str, upload: str, request: gr.Request) -> Updates:
    """A zip came; it is read and looked at in the background."""
    context = page.context_of(project_id, request)
    page.service.labelling.begin(context.owner, project_id, Path(upload))
    return show_labelling(part, context, page)


def on_tick(part: LabelHelp, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """While they are looked at: how far it is; at the end, the first groups."""
    return show_labelling(part, page.context_of(project_id, request), page)


def on_edit(
    part: LabelHelp, page: PageParts, project_id: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A name for one or for a group, a step back, or the end."""
    edit, context = edit_of(event), page.context_of(project_id, request)
    labelling, owner = page.service.labelling, context.owner
    before = labelling.view(owner, project_id).progress
    match edit.verb:
        case "label-one" | "label-group":
            after = labelling.name(owner, project_id, _chosen(edit, before), edit.name or edit.value)
        case "label-skip":
            after = labelling.skip(owner, project_id, next(iter(_chosen(edit, before)), ""))
        case "label-undo":
            after = labelling.undo(owner, project_id)
        case "label-finish":
            labelling.finish(owner, project_id)
            return _taken(page, page.context_of(project_id, request))
        case "label-rest" | "label-no-rest":
            after = labelling.use_rest(owner, project_id, edit.verb == "label-rest")
        case "label-away":
            labelling.forget(owner, project_id)
            return part.empty
        case _:
            return show_labelling(part, context, page)
    return _redrawn(part, context, page, before, after)


def _redrawn(
    part: LabelHelp, context: PageContext, page: PageParts, before: LabelProgress | None, after: LabelView
) -> Updates:
    """The next question; groups only where they are others, as what is typed there would be lost."""
    if before is None or after.progress is None:
        return show_labelling(part, context, page)
    drawn = _card(part, context, page, after.progress)
    states = before.state, after.progress.state
    if len({(shown_groups(one), one.classes) for one in states}) > 1:
        drawn |= _groups(part, context, page, after.progress)
    return drawn


def _taken(page: PageParts, context: PageContext) -> Updates:
    """On to step 3, or to what is still missing."""
    shown = page.show(context)
    return shown if context.lacks else shown | {page.tabs: gr.Tabs(selected="teach"), page.open_tab: "teach"}


def _chosen(edit: Edit, found: LabelProgress | None) -> tuple[str, ...]:
    """The pictures that a button is about."""
    wanted = set(edit.file.split())
    return tuple(one for one in found.images if id_of(one) in wanted) if found else ()


def connect_label_help(part: LabelHelp, page: PageParts) -> None:
    """Connect it to the service."""
    told = errors_as_text(part.status)
    part.zip.upload(
        told(on_zip, part, page), [page.project_id, part.zip], [*part.outputs, part.status],
        concurrency_limit=4, **QUIET,
    )  # fmt: skip
    tick = errors_as_text(part.status, {part.timer: gr.update(active=False)})(on_tick, part, page)
    part.timer.tick(tick, page.project_id, [*part.outputs, part.status], queue=False, **QUIET)
    edits = told(on_edit, part, page)
    for piece in (part.card, part.groups):
        piece.click(
            edits, page.project_id, [*page.redrawn, part.status, page.tabs, page.open_tab],
            trigger_mode="multiple", concurrency_limit=4, concurrency_id="edits", **QUIET,
        )  # fmt: skip
