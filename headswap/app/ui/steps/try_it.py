"""The last part of step 4: a picture of one's own, by upload, paste, example or live camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.ui.context import PageParts, Updates, owner_of
from headswap.app.ui.steps.prediction import Near, answer, heat_figure
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, sends, served, web_text
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import image_uri, percent
from headswap.bundle.prediction import Prediction
from headswap.storage.locations import sample_folder

# Example images to try: those of the sample set whose names begin with one of the person's classes.

FOLDER = sample_folder() / "try"


def examples_for(classes: tuple[str, ...]) -> tuple[Path, ...]:
    """`bird_hen_01.png` is an example where a class is called bird."""
    if not FOLDER.is_dir():
        return ()
    return tuple(path for path in sorted(FOLDER.iterdir()) if path.stem.split("_")[0] in classes)


def example_strip(paths: tuple[Path, ...], job: str) -> h.Renderable | None:
    """Buttons with the pictures of a run; a button sends its number.

    What the network says of them comes later, in `examples_said`: a strip that was drawn again for that
    would take the button away from under a finger, and the mark with it.
    """
    if not paths:
        return None
    shown = [_example(path, i) for i, path in enumerate(paths)]
    return h.fragment[h.h3["Examples it has never seen"], h.ul(".examples", data_run=job)[shown]]


def _example(path: Path, index: int) -> h.Renderable:
    button = h.button(
        ".plate", type="button", data_example=index, aria_pressed="false", aria_label=f"Example {index + 1}"
    )
    return h.li[
        button[h.img(src=image_uri(path.read_bytes(), "png"), alt="")],
        h.span(".told", aria_hidden="true")["…"],
    ]


def examples_said(
    paths: tuple[Path, ...], said: tuple[Prediction, ...], job: str, chosen: int | None
) -> h.Renderable:
    """What `said.js` writes below the pictures, and which of them it marks (None: leave the mark)."""
    answers = [_said(path, i, one) for i, (path, one) in enumerate(zip(paths, said, strict=False))]
    return h.ul(hidden=True, data_run=job, data_chosen=chosen)[answers]


def _said(path: Path, index: int, said: Prediction) -> h.Renderable:
    right = path.stem.split("_")[0] in ((said.label,) if said.labels is None else said.labels)
    spoken = f"Example {index + 1}: it says {said.label}, {percent(said.sure)} sure"
    return h.li(data_spoken=spoken)[icon("check", "good") if right else icon("cross", "bad"), said.label]


MOST_EXAMPLES = 12
# gradio would decode an upload in the server and turn it to RGB in its own way: a see-through drawing stood
# on black, not white, and the page said something else than the zip. It arrives unopened instead.
UNOPENED: dict[str, Any] = {"preprocess": False}
PREDICTING: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "predict"} | QUIET
SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".avif")
NO_ANSWER = h.div(".hs-empty.small")[
    h.p(".live")["Show it something."],
    h.p(".hs-soft")["Upload a picture, take one, or paste one from the clipboard."],
]
CAMERA = h.div(".livecam")[
    h.button(".btn", type="button", data_camera=True, aria_pressed="false")["Use the camera, live"],
    h.video(muted=True, playsinline=True, hidden=True),
    h.p(".hs-note", role="status"),
]

# What comes when the camera is off would take the place of an answer that is read.
SHOW_FRAME = "(said) => headswap.isLive() ? [said, '', '', {__type__: 'update', visible: false}] : []"


@dataclass(frozen=True)
class TryIt:
    """The components."""

    image: gr.Image
    camera: gr.HTML
    frame: gr.HTML  # never seen: what was said of the newest frame
    examples: gr.HTML
    said: gr.HTML
    status: gr.HTML
    answer: gr.HTML
    explain: gr.Button
    heat: gr.HTML

    @property
    def outputs(self) -> list[object]:
        return [self.image, self.examples, self.said, self.status, self.answer, self.explain, self.heat]

    @property
    def untold(self) -> Updates:
        """What is shown next to a mistake: no answer, so that no one takes the old one for the new one."""
        return {self.heat: None, self.explain: gr.update(visible=False), self.answer: NO_ANSWER}

    def empty(self, strip: h.Node) -> Updates:
        """Nothing is tried yet."""
        return self._no_heat(False) | {
            self.image: None,
            self.answer: NO_ANSWER,
            self.examples: strip,
            self.said: None,
        }

    def told(self, said: h.Node, *, is_kept: bool = True) -> Updates:
        """An answer; where there is no picture, no map can be drawn."""
        return self._no_heat(is_kept) | {self.answer: said}

    def _no_heat(self, can_explain: bool) -> Updates:
        return {self.heat: None, self.explain: gr.Button(visible=can_explain)}


def build_try_it() -> TryIt:
    """Lay it out."""
    fragment(h.h2(".hs-title")["Try a picture of your own"], classes="hs-section")
    with gr.Row(elem_classes="hs-panel try"):
        with gr.Column(elem_classes="stack tight"):
            image = gr.Image(
                sources=["upload", "clipboard"], type="filepath", format="png", height=300,
                label="Picture to try", show_label=False, elem_id="hs-try", buttons=[],
            )  # fmt: skip
            camera = fragment(CAMERA, name="hs-live-camera", script=web_text("live.js"))
            frame = gr.HTML(html_template="", visible="hidden")
            examples = fragment(name="hs-examples", script=sends("example"))
            examples_told = fragment(script=web_text("said.js"))
        with gr.Column(elem_classes="stack"):
            status = fragment(classes="status", name="hs-try-status")
            said = fragment(NO_ANSWER, name="hs-answer")
            explain = gr.Button("Where did it look?", visible=False, elem_id="hs-look", elem_classes="fit")
            heat = fragment(name="hs-heat")
    return TryIt(image, camera, frame, examples, examples_told, status, said, explain, heat)


def answered(page: PageParts, owner: str, job: str, prediction: Prediction) -> h.Renderable:
    """A prediction with its nearest practice pictures, and what its sureness is worth."""
    results = page.service.results
    found = results.thumbnails(owner, job, prediction.nearest, 96)
    near: Near = {sha256: (name, image_uri(data)) for sha256, (name, data) in found.items()}
    return answer(prediction, near, results.report(owner, job))


def _predicted(page: PageParts, owner: str, job: str, image: Path) -> h.Renderable:
    return answered(page, owner, job, page.service.results.predict(owner, job, (image,))[0])


def on_examples_wanted(part: TryIt, page: PageParts, most: int, job: str, request: gr.Request) -> Updates:
    """What it says of the examples: of the first, which is shown large, or of all in the strip."""
    owner, results = owner_of(request), page.service.results
    paths = examples_for(results.report(owner, job).classes)[:MOST_EXAMPLES] if job else ()
    if not paths:
        return {}
    said = results.predict(owner, job, paths[:most])
    below = {part.said: examples_said(paths, said, job, 0 if most == 1 else None)}
    if most > 1:
        return below
    return below | {part.image: served(paths[0])} | part.told(answered(page, owner, job, said[0]))


def on_example_press(
    part: TryIt, page: PageParts, job: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """One of the examples was pressed."""
    owner = owner_of(request)
    paths = examples_for(page.service.results.report(owner, job).classes)
    path = paths[min(int(event.chosen), len(paths) - 1)]
    return part.told(_predicted(page, owner, job, path)) | {part.image: served(path)}


def on_image(
    part: TryIt, page: PageParts, job: str, image: dict[str, Any] | None, request: gr.Request
) -> Updates:
    """A picture came; one that no browser shows is shown as it was read."""
    if image is None:
        return part.told(NO_ANSWER, is_kept=False)
    owner, path = owner_of(request), Path(image["path"])
    said = _predicted(page, owner, job, path)
    if path.suffix.lower() in SHOWN_BY_BROWSERS:
        return part.told(said)
    small = image_uri(page.service.results.preview(owner, job, path))
    tried = h.span(".plate.tried")[h.img(src=small, alt="The picture that was tried")]
    return part.told(h.fragment[tried, said])


def on_frame(part: TryIt, page: PageParts, job: str, event: gr.EventData, request: gr.Request) -> Updates:
    """The camera sent what it sees; of a picture that is not kept, no map can be drawn."""
    owner = owner_of(request)
    prediction = page.service.results.predict_frame(owner, job, str(event.frame))
    return {part.frame: answered(page, owner, job, prediction)}


def on_explain(
    part: TryIt, page: PageParts, job: str, image: dict[str, Any] | None, request: gr.Request
) -> Updates:
    """Where it looked in the picture that was tried."""
    if image is None:
        return {part.heat: None}
    heat = page.service.results.heat_map(owner_of(request), job, Path(image["path"]))
    return {part.heat: heat_figure(heat, ": the bright patch counted most.")}


def connect_try_it(part: TryIt, page: PageParts, done_job: gr.Textbox, filled: Any) -> None:
    """Connect it; `filled` is the event after which the examples are asked."""
    told, untold = errors_as_text(part.status), errors_as_text(part.status, part.untold)
    explain = errors_as_text(part.status, {part.heat: None})(on_explain, part, page)
    given, outputs = [done_job, part.image], part.outputs
    first = filled.then(told(on_examples_wanted, part, page, 1), done_job, outputs, **PREDICTING)
    first.then(told(on_examples_wanted, part, page, MOST_EXAMPLES), done_job, outputs, **PREDICTING)
    last: dict[str, Any] = {"trigger_mode": "always_last"}  # or an answer stood next to the picture after it
    part.examples.click(untold(on_example_press, part, page), done_job, outputs, **PREDICTING)
    part.image.input(untold(on_image, part, page), given, outputs, **UNOPENED, **last, **PREDICTING)
    seen = part.camera.click(
        errors_as_text(part.frame)(on_frame, part, page), done_job, part.frame, trigger_mode="once",
        **PREDICTING,
    )  # fmt: skip
    seen.then(None, part.frame, [part.answer, part.status, part.heat, part.explain], js=SHOW_FRAME, **QUIET)
    part.explain.click(explain, given, [part.heat, part.status], **UNOPENED, **PREDICTING)
