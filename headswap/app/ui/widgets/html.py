"""Our own HTML inside the page: a `gr.HTML` without gradio's prose styles or its click listener.

Flow:  elements of htpy, which escape what is no markup --rendered--> the text that gradio takes

Inside the page's modules there are elements only; they become text here, and where an answer leaves.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import htpy as h
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

SENDS = """
element.addEventListener('click', (happened) => {
  const source = happened.target.closest('[data-KEY]');
  if (!source || source.disabled) return;
  element.querySelectorAll('[data-KEY]').forEach((one) => one.setAttribute('aria-pressed', one === source));
  trigger('click', {chosen: source.dataset.KEY});
});
"""


def rendered(node: h.Node) -> str:
    """The text of a piece of the page; of nothing, an empty text."""
    return "".join(h.fragment[node].iter_chunks())


def written(updates: dict[Any, Any]) -> dict[Any, Any]:
    """What a handler shows, as gradio takes it: text for every `gr.HTML`."""
    return {
        component: rendered(value)
        if isinstance(component, gr.HTML) and not isinstance(value, dict)
        else value
        for component, value in updates.items()
    }  # a dictionary is gradio's own: an update, or none


def fragment(
    value: h.Node = None, *, classes: str = "", name: str | None = None, script: str | None = None
) -> gr.HTML:
    """A piece of the page."""
    return gr.HTML(
        rendered(value), elem_id=name, elem_classes=classes, js_on_load=script, apply_default_css=False
    )


def sends(key: str) -> str:
    """A script: pressing a button with `data-<key>` marks it and sends its value, a short id, to `click`."""
    return SENDS.replace("KEY", key)


def web_text(name: str) -> str:
    """The text of a style sheet or script that travels with the package."""
    return (files("headswap.app.ui") / "web" / name).read_text(encoding="utf-8")


def vendored(name: str) -> str:
    """A script that others wrote and that travels with the package, behind its licence."""
    return f"/* {web_text(f'vendor/{name}-LICENSE.txt')}*/\n{web_text(f'vendor/{name}.js')}"


def packing(name: str) -> str:
    """A script that makes zips of what a person chooses, behind what it needs for that."""
    return "\n".join((vendored("client-zip"), web_text("pack.js"), web_text(name)))


def next_bar(sentence: str, label: str, name: str) -> tuple[gr.HTML, gr.Button]:
    """The foot of a step: one sentence and the one next action; on a phone it sticks to the bottom."""
    with gr.Row(elem_classes="hs-next"):
        say = fragment(said(sentence), classes="grow")
        button = gr.Button(label, variant="primary", size="lg", elem_id=name, elem_classes="big")
    return say, button


def said(sentence: str) -> h.Renderable:
    """The sentence at the foot of a step."""
    return h.span(".say.hs-soft")[sentence]


def served(file: Path) -> str:
    """A copy of one file of ours where this page may fetch it; no folder of ours is opened for that."""
    return str(save_file_to_cache(file, cache_dir=get_upload_folder()))


def announce(text: str) -> str:
    """A script for a listener without a function: fill the first outputs before the server answers."""
    return f"() => {text}"
