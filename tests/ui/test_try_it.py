from __future__ import annotations

import gradio as gr

from headswap.ui.try_it import build_try_it


def test_only_a_picture_that_is_kept_can_be_looked_into() -> None:
    with gr.Blocks():
        part = build_try_it()

    assert part.told("It says mug.")[part.look].visible
    assert not part.told("It says mug.", is_kept=False)[part.look].visible
    assert part.empty("")[part.picture] is None
