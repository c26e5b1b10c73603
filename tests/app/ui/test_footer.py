from __future__ import annotations

import gradio as gr

from headswap.app.ui.steps.report import build_foot
from headswap.app.ui.widgets.html import rendered


def test_before_anything_is_taught_the_one_action_leads_to_teach() -> None:
    with gr.Blocks():
        foot = build_foot()

    shown = foot.show(is_trained=False)

    assert (shown[foot.again].value, shown[foot.again].variant) == ("Go to Teach", "primary")
    assert not shown[foot.onward].visible


def test_a_result_is_taken_home_or_taught_again() -> None:
    with gr.Blocks():
        foot = build_foot()

    shown = foot.show(is_trained=True)

    assert (shown[foot.again].value, shown[foot.again].variant) == ("Teach again", "secondary")
    assert shown[foot.onward].visible
    assert "Not good enough?" in rendered(shown[foot.say])
