"""Step 2, Pictures: a folder, a zip, loose ones, the camera or the sample; what was found, corrections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr
import htpy as h

from headswap.app.service.views import Inspection
from headswap.app.ui.context import PageContext, PageParts, Updates, owner_of, thumbnails
from headswap.app.ui.steps.class_later import (
    ClassLater,
    build_class_later,
    connect_class_later,
    show_class_later,
)
from headswap.app.ui.steps.classes import changed, class_rows, new_class, shown_images
from headswap.app.ui.steps.edits import VIEWS, Edit, dialog_of, do_or_tell, edit_of
from headswap.app.ui.steps.film_link import FilmLink, build_film_link, connect_film_link, show_film_link
from headswap.app.ui.steps.findings import checks, count_warnings, enough, pair_images
from headswap.app.ui.steps.headview import new_head_text
from headswap.app.ui.steps.label_help import (
    LabelHelp,
    build_label_help,
    connect_label_help,
    show_labelling,
)
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET, bound
from headswap.app.ui.widgets.html import (
    announce,
    fragment,
    next_bar,
    packing,
    rendered,
    said,
    web_text,
    written,
)
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.status import busy_status, run_status
from headswap.app.ui.widgets.text import in_words
from headswap.data.decode import ENDINGS
from headswap.data.film import FILM_ENDINGS
from headswap.data.manifest import Manifest

# Where images come from: the marks that `picker.js` and `camera.js` bring to life. What a person chooses or
# films leaves through the zip upload next to them.


def _dialog_footer(*buttons: h.Node) -> h.Renderable:
    return h.div(".hs-row.fixes")[buttons]


ADD_OR_REPLACE_DIALOG = h.dialog(".hs-dialog.place", aria_labelledby="hs-place-title")[
    h.form(method="dialog")[
        h.h2("#hs-place-title")["There are ", h.span(".there"), " already"],
        h.p(".hs-soft")[
            "The new ones can be added to them, or take their place. Undo brings the old ones back."
        ],
        _dialog_footer(
            h.button(".btn.primary", value="add")["Add to them"],
            h.button(".btn", value="replace")["Put in their place"],
            h.button(".btn.quiet", value="")["Not now"],
        ),
    ]
]
NAME_DIALOG = h.dialog(".hs-dialog.name", aria_labelledby="hs-ask-title")[
    h.form(method="dialog")[
        h.h2("#hs-ask-title"),
        h.label(".field")[
            "The name of the class",
            h.input(type="text", maxlength=80, autocomplete="off", list="hs-ask-classes"),
        ],
        h.datalist("#hs-ask-classes"),
        _dialog_footer(
            h.button(".btn.primary", value="add")["Add them"],
            h.button(".btn", value="help", formnovalidate=True)[
                "They show different things: label with help"
            ],
            h.button(".btn.quiet", value="", formnovalidate=True)["Not now"],
        ),
    ]
]
PICKER = h.fragment[
    h.div(".hs-row.heading")[icon("folder"), h.h2["Drop a folder, a zip or loose pictures"]],
    h.p(".hs-soft")[
        "One folder per class: its name becomes the name the network will say. Large pictures are made "
        "smaller on your machine before they travel. Of a film, the sharpest pictures are taken."
    ],
    h.div(".hs-row.choosers", data_endings=",".join((*ENDINGS, *FILM_ENDINGS)))[
        h.button(".btn.folder", type="button")["Choose a folder"],
        h.input(type="file", webkitdirectory=True, multiple=True, hidden=True),
        h.button(".btn.loose", type="button")["Choose pictures"],
    ],
    h.p(".hs-note.packing", role="status", aria_live="polite"),
    ADD_OR_REPLACE_DIALOG,
    NAME_DIALOG,
]
CAMERA_DIALOG = h.dialog(".hs-dialog", aria_labelledby="hs-camera-title")[
    h.div(".hs-row.between.top")[
        h.h2("#hs-camera-title")["Camera"],
        h.button(".btn.quiet", type="button", data_close=True, aria_label="Close the camera")[icon("cross")],
    ],
    h.label(".field")[
        "What is it?",
        h.input(
            type="text",
            maxlength=80,
            autocomplete="off",
            list="hs-camera-classes",
            placeholder="The name of the class",
        ),
    ],
    h.datalist("#hs-camera-classes"),
    h.video(muted=True, playsinline=True, aria_label="What the camera sees"),
    h.p(".hs-soft", role="status", aria_live="polite"),
    h.div(".strip", role="group", aria_label="The pictures taken; press one to take it out"),
    _dialog_footer(
        h.button(".btn.hold", type="button")["Hold to take pictures"],
        h.button(".btn.primary.add", type="button", disabled=True)["Add pictures"],
        h.button(".btn.quiet.away", type="button")["Throw away"],
    ),
]
CAMERA = h.fragment[
    h.h2["Camera"],
    h.p(".hs-soft")["Hold the button, or the space bar, and move the thing about."],
    h.button(".btn.open-camera", type="button")[icon("camera"), "Open camera"],
    CAMERA_DIALOG,
]
SAMPLE_SET = h.fragment[
    h.h2["Sample set"], h.p(".hs-soft")["96 drawings in four classes, in the public domain."]
]
EMPTY = h.div(".hs-empty")[
    h.p(".live")["No pictures yet."],
    h.p(".hs-soft")[
        "Two classes are enough to begin: two folders, named as the network should call them, about 20 "
        "pictures in each. Or begin with one class, here:"
    ],
    new_class("The first class"),
]
ADD = "add"  # a word of `picker.js`; others are those of `service.labelling`
IN_USE = h.span(".tag.good")[icon("good"), "In use"]


@dataclass(frozen=True)
class DatasetStep:
    """The components of step 2."""

    intro: gr.HTML
    zip: gr.UploadButton
    how: gr.Textbox  # whether an upload is added to the pictures that are there, or replaces them
    sample: gr.Button
    status: gr.HTML
    in_use: gr.HTML
    classes: gr.HTML
    checks: gr.HTML
    aside: gr.HTML
    view: gr.HTML
    say: gr.HTML
    onward: gr.Button
    label: LabelHelp
    later: ClassLater
    film: FilmLink

    @property
    def outputs(self) -> list[object]:
        return [
            self.classes, self.checks, self.aside, self.say, self.onward, self.sample, self.in_use, self.view,
            *self.label.outputs, *self.later.outputs, *self.film.outputs,
        ]  # fmt: skip


def build_dataset_step() -> DatasetStep:
    """Lay out step 2."""
    intro = fragment(intro_text(None, ()))
    with gr.Row(elem_classes="sources"):
        with gr.Column(elem_classes="drop"):
            gr.HTML(
                html_template=rendered(PICKER),
                js_on_load=packing("picker.js"),
                apply_default_css=False,
                elem_id="hs-picker",
            )
            upload = gr.UploadButton("Choose a zip", file_types=[".zip"], elem_id="hs-zip")
            how = gr.Textbox(
                ADD, visible="hidden", container=False, elem_id="hs-put"
            )  # picker.js fills it in
        with gr.Column(elem_classes="tile"):
            gr.HTML(
                html_template=rendered(CAMERA),
                js_on_load=web_text("camera.js"),
                apply_default_css=False,
                elem_id="hs-camera",
            )
        with gr.Column(elem_classes="tile"):
            fragment(SAMPLE_SET)
            sample = gr.Button("Use the sample", elem_id="hs-sample")
            in_use = fragment(classes="in-use")
    status, film = fragment(classes="status", name="hs-pictures-status"), build_film_link()
    later, label, script = build_class_later(), build_label_help(), web_text("edits.js")
    classes = fragment(EMPTY, classes="hs-section", name="hs-classes", script=script)
    with gr.Row(elem_classes="hs-section hs-half"):
        checked = fragment(name="hs-checks", script=script)
        aside = fragment(enough(None), name="hs-enough", script=script)
    view = fragment(name="hs-view", script=script)
    say, onward = next_bar("It needs pictures of at least two classes.", "Next: teach", "hs-to-teach")
    return DatasetStep(
        intro,
        upload,
        how,
        sample,
        status,
        in_use,
        classes,
        checked,
        aside,
        view,
        say,
        onward,
        label,
        later,
        film,
    )


def intro_text(inspection: Inspection | None, classes: tuple[str, ...]) -> h.Renderable:
    """The headline of step 2, with the size of the new head as soon as there are names."""
    becomes: h.Node = "The names become the new head."
    if inspection and classes:
        becomes = f"The names become the new head: {new_head_text(inspection, len(classes))}."
    return h.div(".hs-intro")[
        h.h1["Show it what you mean"],
        h.p("#hs-new-head")["Give it pictures sorted by name. ", becomes],
    ]


@cache
def sample_files(sample: Path) -> frozenset[str]:
    """Every picture of the sample set, as a manifest names it."""
    return frozenset(path.relative_to(sample).as_posix() for path in sample.rglob("*.*") if path.is_file())


def _files(manifest: Manifest) -> frozenset[str]:
    return frozenset(image.file for image in manifest.images)


def show_dataset(step: DatasetStep, context: PageContext, page: PageParts) -> Updates:
    """The pictures as they are now; whatever dialog was open is done with."""
    manifest = context.manifest
    is_sample = manifest is not None and _files(manifest) == sample_files(page.service.settings.sample)
    drawn = {
        step.sample: gr.Button(visible=not is_sample),
        step.in_use: IN_USE if is_sample else None,
        step.onward: gr.Button(interactive=not context.lacks),
        step.say: said(context.lacks or "Everything needed is here."),
        step.view: None,
        **show_labelling(step.label, context, page),
        **show_class_later(step.later, context, page),
        **show_film_link(step.film, context, page),
    }
    change = page.service.images.last_change(context.owner, context.project.id)
    if manifest is None:
        return drawn | {
            step.classes: h.fragment[changed(change), EMPTY],
            step.checks: None,
            step.aside: enough(None),
        }
    shown = thumbnails(page.thumbnail, context, (*shown_images(manifest), *pair_images(manifest)))
    if not context.lacks and (worth := count_warnings(manifest)):
        things = "thing" if worth == 1 else "things"
        headline = f"{in_words(worth).capitalize()} {things} worth a look, none stops you."
        drawn[step.say] = said(f"Everything needed is here. {headline}")
    return drawn | {
        step.classes: class_rows(manifest, shown, change),
        step.checks: checks(manifest, shown),
        step.aside: enough(manifest),
    }


def on_zip(page: PageParts, project_id: str, upload: str, how: str, request: gr.Request) -> Updates:
    """A zip came, from a disk or from `picker.js`."""
    page.service.labelling.bring(owner_of(request), project_id, Path(upload), how)
    return page.show(page.context_of(project_id, request))


def on_sample(step: DatasetStep, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """The sample set; where there are pictures already, it asks."""
    context = page.context_of(project_id, request)
    if context.manifest is not None:
        return {step.view: dialog_of(Edit("ask-sample", "", "", ""), context, page)}
    page.service.images.use_sample(context.owner, project_id)
    return page.show(page.context_of(project_id, request))


def on_first_sample(step: DatasetStep, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """The same from step 1: on to Teach, or to what it asks before it replaces any."""
    shown = on_sample(step, page, project_id, request)
    to = "pictures" if shown.get(step.view) else "teach"
    return shown | {page.tabs: gr.Tabs(selected=to), page.open_tab: to}


def on_edit(
    step: DatasetStep, page: PageParts, project_id: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A button next to the pictures: a closer look, or something is done."""
    edit, context = edit_of(event), page.context_of(project_id, request)
    if edit.verb in VIEWS:
        return {step.view: dialog_of(edit, context, page)}
    if dialog := do_or_tell(edit, context, page):
        return {step.view: dialog}
    return page.show(page.context_of(project_id, request))


def on_read(state: gr.HTML, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """The pictures are read: the status says what is true again."""
    context = page.context_of(project_id, request)
    return written({state: run_status(context.project, context.job)})


def connect_dataset_step(
    step: DatasetStep, page: PageParts, state: gr.HTML, first_sample: gr.Button, done_job: gr.Textbox
) -> None:
    """Connect step 2, and the sample button of step 1, to the service."""
    told = errors_as_text(step.status)
    to_images = {page.tabs: gr.update(selected="pictures"), page.open_tab: "pictures"}  # why it cannot
    moves = errors_as_text(step.status, to_images)
    outputs = [*page.redrawn, step.status]
    reading = announce(repr(rendered(busy_status("Reading the pictures"))))
    moved = [*outputs, page.tabs, page.open_tab]
    for listen, handler, inputs, touched in (
        (step.zip.upload, told(on_zip, page), [page.project_id, step.zip, step.how], outputs),
        (step.sample.click, told(on_sample, step, page), [page.project_id], outputs),
        (first_sample.click, moves(on_first_sample, step, page), [page.project_id], moved),
    ):
        listen(None, None, state, js=reading, **QUIET)
        done = listen(handler, inputs, touched, concurrency_limit=4, concurrency_id="pictures", **QUIET)
        done.then(bound(on_read, state, page), page.project_id, [state], queue=False, **QUIET)
    connect_label_help(step.label, page)
    connect_film_link(step.film, page)
    connect_class_later(step.later, page, done_job)
    edits = told(on_edit, step, page)
    for piece in (step.classes, step.checks, step.aside, step.view):
        piece.click(edits, page.project_id, outputs, concurrency_limit=4, concurrency_id="edits", **QUIET)
