"""New, Open and Save: the part of the header that changes which project the page shows.

Flow:  browser's list of project ids --service.archive--> the panel of known projects
       Save --service.archive--> one file that the browser downloads

After New and Open the page is loaded again: everything on it belongs to the other project.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import gradio as gr
import htpy as h

from headswap.app.service.archive import ProjectLine
from headswap.app.ui.context import PageParts, Updates, owner_of
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET, bound
from headswap.app.ui.widgets.html import announce, fragment, rendered, sends, served, web_text, written
from headswap.app.ui.widgets.icons import moment
from headswap.app.ui.widgets.pages import page_links
from headswap.app.ui.widgets.status import busy_status
from headswap.app.ui.widgets.text import image_uri
from headswap.counted import counted
from headswap.errors import HeadswapError

EXAMPLE_PX = 96
MOST_KNOWN = 50  # projects that a browser remembers
START_AGAIN = "(changed) => { if (changed) window.location.assign('./'); }"
DOWNLOAD = "() => setTimeout(() => document.querySelector('#hs-save-file').click(), 100)"


@dataclass(frozen=True)
class ProjectMenu:
    """The components of New, Open and Save."""

    new: gr.Button
    open: gr.Button
    save: gr.Button
    file: gr.DownloadButton  # never seen: Save presses it
    panel: gr.Column
    known: gr.HTML
    upload: gr.UploadButton
    close: gr.Button
    changed: gr.Textbox  # the project that the page must begin again with


def build_project_buttons() -> tuple[gr.Button, gr.Button, gr.Button]:
    """Lay out the three buttons and the links, inside the header's row."""
    with gr.Row(elem_classes="hs-menu"):
        new = gr.Button("New", elem_id="hs-new", elem_classes="quiet", scale=0)
        opener = gr.Button("Open", elem_id="hs-open", elem_classes="quiet", scale=0)
        save = gr.Button("Save", elem_id="hs-save", elem_classes="quiet", scale=0)
        fragment(page_links(), classes="links")
    return new, opener, save


def build_project_menu(buttons: tuple[gr.Button, gr.Button, gr.Button]) -> ProjectMenu:
    """Lay out the panel that Open shows, below the header."""
    file = gr.DownloadButton("Download", visible="hidden", elem_id="hs-save-file")
    changed = gr.Textbox("", visible="hidden", container=False)
    with gr.Column(visible=False, elem_classes="hs-opener", elem_id="hs-opener") as panel:
        fragment(h.h2["Your projects"])
        known = fragment(name="hs-known", script=sends("project") + web_text("times.js"))
        with gr.Row(elem_classes="opener-row"):
            upload = gr.UploadButton(
                "Open a saved file", file_types=[".zip"], size="lg", elem_id="hs-open-file"
            )
            close = gr.Button("Close", size="lg", elem_id="hs-open-close", elem_classes="quiet")
    return ProjectMenu(*buttons, file, panel, known, upload, close, changed)


def known_projects(
    lines: tuple[ProjectLine, ...],
    here: str,
    *,
    asking: str = "",
    examples: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> h.Renderable:
    """The projects of this browser, newest first, as buttons.

    Args:
        lines: what is known of each.
        here: id of the project that is open.
        asking: id of the project that is about to be deleted.
        examples: id of a project -> data: URIs of a few of its pictures.
    """
    if not lines:
        return h.p(".hs-soft")["None yet."]
    return h.ul(".known")[
        [
            _sure(line) if line.id == asking else _row(line, line.id == here, examples.get(line.id, ()))
            for line in lines
        ]
    ]


def _row(line: ProjectLine, is_here: bool, examples: tuple[str, ...]) -> h.Renderable:
    facts = "no pictures yet"
    if line.images:
        facts = f"{counted(line.images, 'picture')} of {counted(line.classes, 'class', 'classes')}"
    facts += f", {counted(line.runs, 'run')}" if line.runs else ""
    trained = (", last taught ", moment(line.last_run_at)) if line.last_run_at is not None else None
    opens = h.button(type="button", data_project=line.id, aria_current="true" if is_here else None)
    deletes = h.button(
        ".delete", type="button", data_project=f"ask:{line.id}", aria_label=f"Delete {line.name}"
    )
    return h.li[
        opens[
            h.b[line.name],
            h.span(".hs-soft")[facts, trained],
            h.span(".examples")[[h.img(src=uri, alt="") for uri in examples]] if examples else None,
            h.span(".tag")["open now"] if is_here else None,
        ],
        deletes["Delete"],
    ]


def _sure(line: ProjectLine) -> h.Renderable:
    what = f"{counted(line.images, 'picture')} and {counted(line.runs, 'run')}"
    return h.li(".asking", role="alert")[
        h.p["Delete ", h.b[line.name], f" with its {what}? There is no way back."],
        h.span(".hs-row")[
            h.button(".bad", type="button", data_project=f"delete:{line.id}")["Delete"],
            h.button(type="button", data_project="keep:")["Keep"],
        ],
    ]


def remembered(known: object, project_id: str) -> list[str]:
    """The browser's list with one project in front; whatever is no list of texts is none."""
    ids = [one for one in known if isinstance(one, str)] if isinstance(known, list) else []
    return list(dict.fromkeys([project_id, *ids]))[:MOST_KNOWN]


def _examples(page: PageParts, owner: str, line: ProjectLine) -> tuple[str, ...]:
    """A few pictures of a project, as data: URIs; one that cannot be read is left out."""
    found = []
    for sha256 in line.examples:
        with suppress(HeadswapError):
            found.append(image_uri(page.thumbnail(owner, line.id, sha256, EXAMPLE_PX)))
    return tuple(found)


def _begin_with(menu: ProjectMenu, page: PageParts, project_id: str, ids: object) -> Updates:
    known = remembered(ids, project_id)
    return {page.project_id: project_id, page.known: known, menu.changed: project_id}


def _listed(
    menu: ProjectMenu, page: PageParts, owner: str, project_id: str, ids: object, asking: str = ""
) -> Updates:
    lines = page.service.archive.known(owner, remembered(ids, project_id))
    examples = {line.id: _examples(page, owner, line) for line in lines}
    return {menu.known: known_projects(lines, project_id, asking=asking, examples=examples)}


def on_new(menu: ProjectMenu, page: PageParts, ids: object, request: gr.Request) -> Updates:
    """New: the page begins again with an empty project."""
    return _begin_with(menu, page, page.service.new_project(owner_of(request)).id, ids)


def on_show(menu: ProjectMenu, page: PageParts, project_id: str, ids: object, request: gr.Request) -> Updates:
    """Open: the panel, with the projects that this browser knows."""
    listed = _listed(menu, page, owner_of(request), project_id, ids)
    return {menu.panel: gr.Column(visible=True)} | listed


def on_choose(
    menu: ProjectMenu,
    page: PageParts,
    project_id: str,
    ids: object,
    event: gr.EventData,
    request: gr.Request,
) -> Updates:
    """A project was chosen, or is to be deleted, or was after all kept."""
    verb, _, chosen = str(event.chosen).rpartition(":")
    owner, service = owner_of(request), page.service
    if not verb:
        return _begin_with(menu, page, service.project(owner, chosen).id, ids)
    if verb == "delete":
        service.archive.delete(owner, chosen)
        left = [one for one in remembered(ids, project_id) if one != chosen]
        if chosen == project_id:
            return _begin_with(menu, page, service.new_project(owner).id, left)
        return {page.known: left} | _listed(menu, page, owner, project_id, left)
    return _listed(menu, page, owner, project_id, ids, asking=chosen if verb == "ask" else "")


def on_file(menu: ProjectMenu, page: PageParts, file: str, ids: object, request: gr.Request) -> Updates:
    """A saved project came."""
    owner, service = owner_of(request), page.service
    try:
        opened = service.archive.open(owner, Path(file))
    finally:
        service.uploads.taken(owner, Path(file))
    return _begin_with(menu, page, opened, ids)


def on_save(menu: ProjectMenu, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Save: the project as one file."""
    with page.service.archive.saved(owner_of(request), project_id) as file:
        return {menu.file: gr.DownloadButton(value=served(file))}


def on_rest(page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """The rest of the page, as it is now."""
    return written(page.show(page.context_of(project_id, request)))


def connect_project_menu(menu: ProjectMenu, page: PageParts, status: gr.HTML, run_status: gr.HTML) -> None:
    """Connect New, Open and Save to the service."""
    told, rest, known = errors_as_text(status), bound(on_rest, page), page.known
    unsaved = errors_as_text(status, {menu.file: gr.update(value=None)})  # no older file instead
    began = [page.project_id, known, menu.changed, menu.known, status]
    opening = announce(repr(rendered(busy_status("Opening the project"))))
    saving = announce(repr(rendered(busy_status("Packing the project"))))
    menu.open.click(
        told(on_show, menu, page), [page.project_id, known], [menu.panel, menu.known, status], **QUIET
    )
    menu.close.click(lambda: gr.Column(visible=False), None, menu.panel, queue=False, **QUIET)
    menu.upload.upload(None, None, run_status, js=opening, **QUIET)
    for listen, handler, inputs in (
        (menu.new.click, on_new, [known]),
        (menu.known.click, on_choose, [page.project_id, known]),
        (menu.upload.upload, on_file, [menu.upload, known]),
    ):
        done = listen(
            told(handler, menu, page), inputs, began, concurrency_limit=4, trigger_mode="once", **QUIET
        )
        done.then(rest, page.project_id, page.redrawn, queue=False, **QUIET).then(
            None, menu.changed, None, js=START_AGAIN, **QUIET
        )
    menu.save.click(None, None, run_status, js=saving, **QUIET)
    packed = menu.save.click(
        unsaved(on_save, menu, page), page.project_id, [menu.file, status], concurrency_limit=2,
        trigger_mode="once", **QUIET,
    )  # fmt: skip
    packed.success(None, None, None, js=DOWNLOAD, **QUIET)
    packed.then(rest, page.project_id, page.redrawn, queue=False, **QUIET)
