"""What is chosen before a run: what may move, for how long, and the finer choices.

Flow:  components --ChosenOptions, config_of--> TrainConfig, share locked away, seed

Each field says in a `?` what the field calls it. Nothing is decided here: the values go to
the service as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.ui.widgets.depths import DEPTHS
from headswap.app.ui.widgets.html import fragment
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.text import about
from headswap.training.config import Depth, FinetuneConfig, HeadChoice, TrainConfig

MORE: dict[Depth, str] = {  # about a choice, in its second line, after its time
    "head": "The right start.",
    "norms": "A few numbers inside the body as well.",
    "last": "The last part of the body as well.",
    "auto": "Cut or whole pictures, the head or more: it tries, and keeps what helps.",
}
HEADS: tuple[tuple[str, HeadChoice], ...] = (
    ("the one that does better", "auto"), ("the last layer", "last"), ("every layer", "wide"),
)  # fmt: skip
SIZES = (("as its makers chose", 0), *((f"{px} px", px) for px in (96, 128, 160, 192, 224, 256, 320, 384)))
BUDGETS = (("as long as it takes", 0), ("1 minute", 60), ("2 minutes", 120), ("5 minutes", 300),
           ("15 minutes", 900), ("1 hour", 3600))  # fmt: skip
RATES = (("found by a short search", 0.0), ("0.0003", 3e-4), ("0.001", 1e-3), ("0.003", 3e-3), ("0.01", 1e-2))
COPIES = (("mirrored", "flip"), ("cut-outs", "crop"), ("two mixed", "mixup"))
SHARE = 20  # percent locked away


@dataclass(frozen=True)
class TrainOptions:
    """The components, in the order in which `ChosenOptions` takes their values."""

    depth: gr.Radio
    head: gr.Dropdown
    px: gr.Dropdown
    budget: gr.Dropdown
    epochs: gr.Slider
    rate: gr.Dropdown
    batch: gr.Slider
    copies: gr.CheckboxGroup
    flip: gr.Checkbox
    share: gr.Slider
    seed: gr.Number
    keep: gr.Checkbox

    @property
    def inputs(self) -> list[Any]:
        return [self.depth, self.head, self.px, self.budget, self.epochs, self.rate, self.batch, self.copies,
                self.flip, self.share, self.seed, self.keep]  # fmt: skip


def build_plan() -> TrainOptions:
    """Lay out the choices."""
    usual, finetune = TrainConfig(), FinetuneConfig()
    bare: dict[str, Any] = {"show_label": False, "container": False}
    depth = gr.Radio(depth_choices({}), value=usual.depth, label="What may move", elem_id="hs-depth", **bare)
    with gr.Column(elem_classes="hs-budget hs-field"):
        fragment(_name("Time budget", "time budget"))
        budget = gr.Dropdown(list(BUDGETS), value=0, label="Time budget", elem_id="hs-budget", **bare)
    with gr.Accordion("Finer choices", open=False, elem_classes="hs-fold finer", elem_id="hs-finer"):
        with _field("What the head reads", "wide head"):
            head = gr.Dropdown(list(HEADS), value=usual.head, label="What the head reads", **bare)
        with _field("Picture size", "picture size", "Smaller is faster. Not every network takes every size."):
            px = gr.Dropdown(list(SIZES), value=0, label="Picture size", **bare)
        with _field("Passes", "pass", "If only the head learns, it takes as many passes as it needs."):
            epochs = gr.Slider(1, 100, finetune.epochs, step=1, label="Passes", **bare)
        with _field("Step size", "step size"):
            rate = gr.Dropdown(list(RATES), value=0.0, label="Step size", **bare)
        with _field("Pictures of one step", "batch"):
            batch = gr.Slider(8, 128, finetune.batch_size, step=8, label="Pictures of one step", **bare)
        with _field("Changed copies to practise on", "changed copy"):
            copies = gr.CheckboxGroup(list(COPIES), value=["flip", "crop"], label="Changed copies", **bare)
            flip = gr.Checkbox(
                usual.flip, label="mean of picture and mirror image, twice the time", container=False
            )
        with _field("Locked away for the exam, %", "exam"):
            share = gr.Slider(10, 50, SHARE, step=5, label="Locked away for the exam, %", **bare)
        with _field("Number for chance", "number for chance", "The same number gives the same result."):
            seed = gr.Number(0, label="Number for chance", precision=0, **bare)
        keep = gr.Checkbox(
            usual.keep_features, label="the zip keeps what a change of its classes needs (no pictures)",
            container=False,
        )  # fmt: skip
    return TrainOptions(depth, head, px, budget, epochs, rate, batch, copies, flip, share, seed, keep)


def depth_choices(seconds: dict[Depth, float]) -> list[tuple[str, str]]:
    """What may move, each with the time it will probably take; first line and second line of a choice."""
    return [
        (f"{name}\n{_time(depth, seconds)} {MORE.get(depth, '')}".rstrip(), depth)
        for depth, name in DEPTHS.items()
    ]


@dataclass(frozen=True)
class ChosenOptions:
    """The values of the components, in their order."""

    depth: Depth
    head: HeadChoice
    px: int
    budget: float
    epochs: float
    rate: float
    batch: float
    copies: list[str]
    flip: bool
    share: float
    seed: float
    keep: bool


def config_of(chosen: ChosenOptions) -> tuple[TrainConfig, float, int]:
    """What was chosen: how to train, which share is locked away, and the seed."""
    copies = chosen.copies
    finetune = FinetuneConfig(
        epochs=int(chosen.epochs),
        learning_rate=chosen.rate or None,
        batch_size=int(chosen.batch),
        flip="flip" in copies,
        least_crop=FinetuneConfig().least_crop if "crop" in copies else 1.0,
        mixup=0.2 if "mixup" in copies else 0.0,
    )
    config = TrainConfig(
        depth=chosen.depth,
        head=chosen.head,
        px=int(chosen.px) or None,
        budget_s=float(chosen.budget) or None,
        flip=chosen.flip,
        finetune=finetune,
        keep_features=chosen.keep,
    )
    return config, chosen.share / 100, int(chosen.seed or 0)


def _time(depth: Depth, seconds: dict[Depth, float]) -> str:
    if depth in seconds:
        said = about(seconds[depth])
        return f"Seconds, or {said.lower()}." if depth == "auto" and said != "Seconds" else f"{said}."
    return "Seconds." if depth == "head" else "Minutes."


def _name(label: str, glossary_word: str) -> h.Renderable:
    return h.p(".hs-field-name")[label, " ", term(glossary_word)]


def _field(label: str, glossary_word: str, note: str = "") -> gr.Column:
    """A column with the field's name and its `?`; the caller puts the field into it."""
    column = gr.Column(elem_classes="hs-field")
    with column:
        fragment((_name(label, glossary_word), h.p(".hs-note")[note] if note else None))
    return column
