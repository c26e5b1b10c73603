from __future__ import annotations

import gradio as gr

from headswap.app.ui.steps.try_it import NO_ANSWER, build_try_it


def test_only_an_image_that_is_kept_can_be_looked_into() -> None:
    with gr.Blocks():
        part = build_try_it()

    assert part.told("It says mug.")[part.explain].visible
    assert not part.told("It says mug.", is_kept=False)[part.explain].visible
    assert part.empty(None)[part.image] is None


def test_beside_a_mistake_no_answer_and_no_heat_map_of_an_earlier_image_stay() -> None:
    with gr.Blocks() as page:
        part = build_try_it()
        before = len(page.blocks)

        untold = part.untold

        assert len(page.blocks) == before, "nothing is added to the page"
    assert untold[part.answer] == NO_ANSWER
    assert untold[part.heat] is None
    assert untold[part.explain]["visible"] is False
