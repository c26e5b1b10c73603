"""The foot of step 4: teach first, or teach again, or take it home.

Flow:  is anything taught? --Footer.show--> the sentence and the buttons
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from headswap.app.ui.context import Updates
from headswap.app.ui.widgets.html import fragment

FIRST_TEACH = '<span class="say hs-soft">The report comes by itself when the lesson is over.</span>'
NOT_GOOD_ENOUGH = (
    '<span class="say hs-soft">Not good enough? Add pictures where it errs, then teach again.</span>'
)


@dataclass(frozen=True)
class Footer:
    """The components."""

    say: gr.HTML
    again: gr.Button
    onward: gr.Button

    @property
    def outputs(self) -> list[object]:
        return [self.say, self.again, self.onward]

    def show(self, *, is_taught: bool) -> Updates:
        """The next action: there is nothing to take home before something is taught."""
        words, kind = ("Teach again", "secondary") if is_taught else ("Go to Teach", "primary")
        return {
            self.say: NOT_GOOD_ENOUGH if is_taught else FIRST_TEACH,
            self.again: gr.Button(words, variant=kind),
            self.onward: gr.Button(visible=is_taught),
        }


def build_foot() -> Footer:
    """Lay it out as it is before anything is taught."""
    big: dict[str, Any] = {"size": "lg", "variant": "primary"}
    with gr.Row(elem_classes="hs-next"):
        say = fragment(FIRST_TEACH, classes="grow")
        again = gr.Button("Go to Teach", elem_classes="big back", elem_id="hs-again", **big)
        onward = gr.Button("Take it home", visible=False, elem_classes="big", elem_id="hs-to-home", **big)
    return Footer(say, again, onward)
