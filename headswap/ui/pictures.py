"""Step 2, Pictures: a folder, a zip or the sample; then what was found in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from headswap.service.views import Inspection
from headswap.ui.chip import busy_chip, chip
from headswap.ui.classes import checks, class_rows, pair_pictures, shown_pictures
from headswap.ui.headview import new_head_words
from headswap.ui.html import announce, fragment, next_bar, web_text
from headswap.ui.icons import icon
from headswap.ui.mistakes import errors_as_words
from headswap.ui.scene import Scene, Shared, Updates, owner_of, thumbnails
from headswap.ui.words import in_words

PICKER = f"""
<div class="hs-row heading">{icon("folder")}<h2>Drop a folder or a zip</h2></div>
<p class="hs-soft">One folder per class: its name becomes the name the network will
say. Large pictures are made smaller on your machine before they travel.</p>
<div class="hs-row"><label class="btn folder" tabindex="0" role="button">Choose a folder<input type="file"
webkitdirectory multiple aria-label="Choose a folder of class folders" tabindex="-1"></label></div>
<p class="hs-note packing" role="status" aria-live="polite"></p>
"""
EMPTY = (
    '<div class="hs-empty"><p class="live">No pictures yet.</p><p class="hs-soft">Two classes are enough '
    "to begin: "
    "two folders, named as the network shall call them, about 20 pictures in each.</p></div>"
)
ADVICE = (
    '<div class="stack aside"><h2>How many are enough?</h2><p class="hs-soft reading">20 of each is '
    "plenty to start. "
    'Vary background and light, or it learns the table and not the mug.</p><p class="hs-soft">The exam '
    "pictures "
    "are picked before any network runs, the same share of each class. Every network you try sits the "
    "same exam.</p></div>"
)


@dataclass(frozen=True)
class PicturesStep:
    """The components of step 2."""

    intro: gr.HTML
    zip: gr.UploadButton
    sample: gr.Button
    status: gr.HTML
    classes: gr.HTML
    checks: gr.HTML
    say: gr.HTML
    onward: gr.Button

    @property
    def outputs(self) -> list[object]:
        return [self.classes, self.checks, self.say, self.onward, self.sample]


def build_pictures_step() -> PicturesStep:
    """Lay out step 2."""
    intro = fragment(intro_words(None, ()))
    with gr.Row(elem_classes="sources"):
        with gr.Column(elem_classes="drop"):
            gr.HTML(
                html_template=PICKER,
                js_on_load=web_text("picker.js"),
                apply_default_css=False,
                elem_id="hs-picker",
            )
            upload = gr.UploadButton("Choose a zip", file_types=[".zip"], elem_id="hs-zip")
        with gr.Column(elem_classes="tile"):
            fragment(
                '<h2>Sample set</h2><p class="hs-soft">96 drawings in four classes, in the public domain.</p>'
            )
            sample = gr.Button("Use the sample", elem_id="hs-sample")
    status = fragment(classes="status", name="hs-pictures-status")
    classes = fragment(EMPTY, classes="hs-section", name="hs-classes")
    with gr.Row(elem_classes="hs-section hs-half"):
        checked = fragment(name="hs-checks")
        fragment(ADVICE)
    say, onward = next_bar("It needs pictures of at least two classes.", "Next: teach", "hs-to-teach")
    return PicturesStep(intro, upload, sample, status, classes, checked, say, onward)


def intro_words(inspection: Inspection | None, classes: tuple[str, ...]) -> str:
    """The headline of step 2, with the size of the new head as soon as there are names."""
    becomes = "The names become the new head."
    if inspection and classes:
        becomes = (
            'The names become the new head: <span class="nowrap">'
            f"{new_head_words(inspection, len(classes))}</span>."
        )
    return (
        '<div class="hs-intro"><h1>Show it what you mean</h1>'
        f'<p id="hs-new-head">Give it pictures sorted by name. {becomes}</p></div>'
    )


def show_pictures(step: PicturesStep, scene: Scene, shared: Shared) -> Updates:
    """The pictures as they are now."""
    manifest = scene.manifest
    if manifest is None:
        return {step.classes: EMPTY, step.checks: "", step.onward: gr.Button(interactive=False)}
    shown = thumbnails(shared.thumbnail, scene, (*shown_pictures(manifest), *pair_pictures(manifest)))
    worth = in_words(len(manifest.findings)).capitalize()
    things = "thing" if len(manifest.findings) == 1 else "things"
    note = f" {worth} {things} worth a look, none stops you." if manifest.findings else ""
    return {
        step.classes: class_rows(manifest, shown),
        step.checks: checks(manifest, shown),
        step.say: f'<span class="say hs-soft">Everything needed is here.{note}</span>',
        step.onward: gr.Button(interactive=True),
    }


def connect_pictures_step(
    step: PicturesStep, shared: Shared, state: gr.HTML, first_sample: gr.Button
) -> None:
    """Connect step 2, and the sample button of step 1, to the service."""

    @errors_as_words(step.status)
    def on_zip(project_id: str, upload: str, request: gr.Request) -> Updates:
        shared.service.add_pictures(owner_of(request), project_id, Path(upload))
        return shared.show(shared.look(project_id, request))

    @errors_as_words(step.status)
    def on_sample(project_id: str, request: gr.Request) -> Updates:
        shared.service.use_sample(owner_of(request), project_id)
        return shared.show(shared.look(project_id, request))

    def on_read(project_id: str, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        return {state: chip(scene.project, scene.job)}

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [*shared.redrawn, step.status]
    reading = announce(repr(busy_chip("Reading the pictures")))
    for listen, handler, inputs in (
        (step.zip.upload, on_zip, [shared.project_id, step.zip]),
        (step.sample.click, on_sample, [shared.project_id]),
        (first_sample.click, on_sample, [shared.project_id]),
    ):
        listen(None, None, state, js=reading, **quiet)
        done = listen(handler, inputs, outputs, concurrency_limit=4, concurrency_id="pictures", **quiet)
        done.then(on_read, shared.project_id, [state], queue=False, **quiet)
    first_sample.click(
        lambda: (gr.Tabs(selected="teach"), "teach"), None, [shared.tabs, shared.where], queue=False, **quiet
    )
