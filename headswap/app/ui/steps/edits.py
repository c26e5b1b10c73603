"""What a person does to their pictures: the message of a button becomes one verb of the service.

Flow:  button --edits.js--> Edit --dialog_of--> a dialog, nothing has changed
                             Edit --do--> service.pictures, the page is drawn again

Everything in a message is text that a stranger could have written: the service checks it.
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import htpy as h

from headswap.app.service.datasets import Datasets
from headswap.app.service.thumbnails import LARGEST_PX
from headswap.app.ui.context import PageContext, PageParts, thumbnails
from headswap.app.ui.steps.classes import of_class
from headswap.app.ui.steps.gallery import (
    MOST_SHOWN,
    class_dialog,
    image_dialog,
    several_dialog,
    sure_dialog,
)
from headswap.app.ui.widgets.errors import error_html, kinds_of
from headswap.app.ui.widgets.text import image_uri
from headswap.counted import counted
from headswap.data.manifest import Manifest
from headswap.errors import HeadswapError, NotFound

LONGEST = 4096  # letters of a file name
VIEWS = ("open", "look", "show", "ask-start-over", "ask-sample")


@dataclass(frozen=True)
class Edit:
    """One message."""

    verb: str
    name: str  # of a class, or the code of a finding
    file: str  # of a picture
    value: str  # what was typed or chosen


def edit_of(event: gr.EventData) -> Edit:
    """Read a message; whatever is no text is nothing."""
    values = (getattr(event, key, "") for key in ("edit", "name", "file", "value"))
    return Edit(*(word[:LONGEST] if isinstance(word, str) else "" for word in values))


def dialog_of(edit: Edit, context: PageContext, page: PageParts) -> h.Renderable:
    """The dialog that an edit opens."""
    manifest = context.manifest
    if manifest is None:
        raise NotFound("There are no pictures any more.", remedy="Load the page again.")
    match edit.verb:
        case "open":
            return _class(edit.name, manifest, context, page)
        case "look":
            return _image(edit.file, manifest, context, page)
        case "show":
            return _several(edit.name, manifest, context, page)
        case "ask-sample":
            question = f"Put the sample set in the place of your {counted(len(manifest.images), 'picture')}?"
            return sure_dialog(question, "sample", "Use the sample")
    question = f"Take all {counted(len(manifest.images), 'picture')} out?"
    return sure_dialog(question, "start-over", "Start over")


def do(edit: Edit, images: Datasets, owner: str, project: str) -> None:
    """Do it."""
    match edit.verb:
        case "rename":
            images.rename_class(owner, project, edit.name, edit.value)
        case "merge":
            images.merge_classes(owner, project, edit.name, edit.value)
        case "drop-class":
            images.drop_class(owner, project, edit.name)
        case "relabel":
            images.relabel(owner, project, (edit.file,), edit.value)
        case "drop":
            images.drop(owner, project, (edit.file,))
        case "mend":
            images.mend(owner, project, edit.name)
        case "undo":
            images.undo(owner, project)
        case "start-over":
            images.start_over(owner, project)
        case "sample":
            images.use_sample(owner, project)


def do_or_tell(edit: Edit, context: PageContext, page: PageParts) -> h.Renderable | None:
    """Do it; a mistake made in a dialog is told there: the dialog once more, or nothing when it is done.

    Raises:
        HeadswapError: a mistake that belongs to no dialog.
    """
    try:
        do(edit, page.service.images, context.owner, context.project.id)
    except HeadswapError as mistake:
        if dialog := _with_mistake(edit, mistake, context, page):
            return dialog
        raise
    return None


def _with_mistake(
    edit: Edit, mistake: HeadswapError, context: PageContext, page: PageParts
) -> h.Renderable | None:
    """The dialog once more, with what went wrong; nothing, when what it was about is gone."""
    said = error_html(mistake.problem, mistake.remedy, kinds_of(mistake))
    if context.manifest is None:
        return None
    if edit.name in context.classes:
        return _class(edit.name, context.manifest, context, page, said)
    if any(image.file == edit.file for image in context.manifest.images):
        return _image(edit.file, context.manifest, context, page, said)
    return None


def _class(
    name: str, manifest: Manifest, context: PageContext, page: PageParts, mistake: h.Node = None
) -> h.Renderable:
    if name not in manifest.classes:
        raise NotFound("There is no such class any more.", remedy="Load the page again.")
    small = thumbnails(page.thumbnail, context, of_class(manifest, name)[:MOST_SHOWN])
    return class_dialog(manifest, name, small, mistake)


def _image(
    file: str, manifest: Manifest, context: PageContext, page: PageParts, mistake: h.Node = None
) -> h.Renderable:
    found = next((image for image in manifest.images if image.file == file), None)
    if found is None:
        raise NotFound("There is no such picture any more.", remedy="Load the page again.")
    images = page.service.images  # not from the page's memory: that is for small ones
    large = image_uri(images.thumbnail(context.owner, context.project.id, found.sha256, LARGEST_PX))
    return image_dialog(manifest, found, large, mistake)


def _several(code: str, manifest: Manifest, context: PageContext, page: PageParts) -> h.Renderable:
    files = {file for finding in manifest.findings if finding.code == code for file in finding.files}
    seen = sorted((p for p in manifest.images if p.file in files), key=lambda p: (p.group, p.file))
    small = thumbnails(page.thumbnail, context, seen[:MOST_SHOWN])
    return several_dialog(tuple(seen), small, counted(len(seen), "picture"))
