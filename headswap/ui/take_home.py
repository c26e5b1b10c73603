"""Step 5, Take it home: one zip, and what is in it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from headswap.ui.html import fragment, served
from headswap.ui.mistakes import errors_as_words
from headswap.ui.scene import Shared, Updates, owner_of
from headswap.ui.words import count, file_size, safe

INTRO = (
    '<div class="hs-intro"><h1>It is yours. Take it home</h1><p>One zip with everything the network '
    "needs to give the "
    "same answers on any machine, with or without a connection.</p></div>"
)
NOTHING_YET = (
    '<div class="hs-empty"><p class="live">Nothing to take home yet.</p><p class="hs-soft">Teach a head '
    "in step 3; "
    "the zip is packed as soon as it is done.</p></div>"
)
USE = (
    '<div class="hs-half use"><div><h2 class="hs-title">Use it anywhere</h2><p class="hs-soft reading">'
    "Unpack it, then "
    "ask from a terminal or from Python.</p></div>"
    '<pre class="code" tabindex="0" aria-label="Example"><span class="hs-soft">$</span> headswap predict '
    "FOLDER picture.jpg\n\n"
    '<span class="hs-soft">&gt;&gt;&gt;</span> import headswap\n<span class="hs-soft">&gt;&gt;&gt;</span> '
    'headswap.load_bundle("FOLDER").predict("picture.jpg").label</pre></div>'
)
WHAT_IT_IS = {
    ".safetensors": "The numbers of the network, body and new head",
    "labels": "Your names, in the order of the answers",
    "preprocessing": "How a picture is cut, shrunk and scaled before it goes in",
    "report": "How good it is, with its uncertainty",
    "bundle": "What it is made of: network, head, preprocessing, names",
    "card": "What it is for, what it was taught on, how well it does, licences",
    "experiment": "Every choice of the run, to repeat it",
    "seal": "Size and fingerprint of every file, to prove that nothing was altered",
    "predict": "Names a picture from the command line, without headswap",
    ".onnx": "The same network for other programs",
    "check": "How far all of these agree, measured",
    "dataset": "Which pictures it learned from, by fingerprint",
}


@dataclass(frozen=True)
class TakeHomeStep:
    """The components of step 5."""

    contents: gr.HTML
    download: gr.DownloadButton
    status: gr.HTML


def build_take_home_step() -> TakeHomeStep:
    """Lay out step 5."""
    fragment(INTRO)
    status = fragment(classes="status")
    with gr.Column(elem_classes="hs-panel zip-panel"):
        contents = fragment(NOTHING_YET, name="hs-contents")
    fragment(USE, classes="hs-section")
    with gr.Row(elem_classes="hs-next"):
        fragment('<span class="say hs-soft">The zip holds no pictures of yours.</span>', classes="grow")
        download = gr.DownloadButton(
            "Download the zip", variant="primary", size="lg", interactive=False,
            elem_id="hs-download", elem_classes="big",
        )  # fmt: skip
    return TakeHomeStep(contents, download, status)


def contents_table(zip_file: Path) -> str:
    """What is in the zip: every file, what it is for and how large."""
    with zipfile.ZipFile(zip_file) as packed:
        inside = [(info.filename, info.file_size) for info in packed.infolist() if not info.is_dir()]
    rows = "".join(
        f'<tr><th scope="row"><code>{safe(name.rsplit("/", 1)[-1])}</code></th><td>{_purpose(name)}</td>'
        f'<td class="hs-num">{file_size(size)}</td></tr>'
        for name, size in inside
    )
    unpacked = file_size(sum(size for _, size in inside))
    return (
        f'<div class="zip-head"><h2 class="hs-title">{safe(zip_file.name)}</h2><p class="hs-soft">'
        f"{count(len(inside), 'file')}, {unpacked} unpacked, {file_size(zip_file.stat().st_size)} to "
        "download</p></div>"
        f'<table class="zip"><caption class="hs-vh">What is in the zip</caption>{rows}</table>'
    )


def _purpose(name: str) -> str:
    return next((words for part, words in WHAT_IT_IS.items() if part in name.lower().rsplit("/", 1)[-1]), "")


def connect_take_home_step(step: TakeHomeStep, shared: Shared, done_job: gr.Textbox) -> None:
    """Connect step 5: a finished job is packed."""

    @errors_as_words(step.status)
    def on_done(job: str, request: gr.Request) -> Updates:
        if not job:
            return {
                step.contents: NOTHING_YET,
                step.download: gr.DownloadButton(value=None, interactive=False),
            }
        packed = shared.service.export(owner_of(request), job)
        download = gr.DownloadButton(value=served(packed), interactive=True)
        return {step.contents: contents_table(packed), step.download: download}

    done_job.change(
        on_done, done_job, [step.contents, step.download, step.status],
        show_progress="hidden", api_visibility="private", concurrency_limit=2, concurrency_id="export",
    )  # fmt: skip
