from __future__ import annotations

import gradio as gr

from headswap.app.ui.steps.report import build_footer
from headswap.app.ui.widgets.html import rendered


def test_before_anything_is_taught_the_one_action_leads_to_teach() -> None:
    with gr.Blocks():
        footer = build_footer()

    shown = footer.show(is_trained=False)

    assert (shown[footer.again].value, shown[footer.again].variant) == ("Go to Teach", "primary")
    assert not shown[footer.onward].visible


def test_a_result_is_taken_home_or_taught_again() -> None:
    with gr.Blocks():
        footer = build_footer()

    shown = footer.show(is_trained=True)

    assert (shown[footer.again].value, shown[footer.again].variant) == ("Teach again", "secondary")
    assert shown[footer.onward].visible
    assert "Not good enough?" in rendered(shown[footer.say])
