"""Blocks that skip what an answer leaves as it is answer as gradio's own do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from headswap.app.ui.quick_blocks import QuickBlocks
from tests.loops import run

Answer = Callable[[list[Any]], Any]
ANSWERS: dict[str, Answer] = {
    "one of many": lambda parts: {parts[0]: "<b>now</b>"},
    "two, not in their order": lambda parts: {parts[3]: "kept", parts[1]: gr.Button("Go", interactive=False)},
    "only what a page keeps": lambda parts: {parts[2]: {"number": 2}},
    "a value that is none": lambda parts: {parts[0]: None},
    "all": lambda parts: dict(zip(parts, ("a", gr.Button(visible=False), 3, "d"), strict=True)),
    "a list": lambda parts: ["a", gr.skip(), 3, gr.skip()],
    "nothing": lambda parts: gr.skip(),
}


def page_of(kind: type[gr.Blocks]) -> tuple[Any, list[Any]]:
    with kind(analytics_enabled=False) as page:
        parts = [gr.HTML("before"), gr.Button("Go"), gr.State(1), gr.Textbox("text")]
        parts[1].click(lambda: None, None, parts)
    return page, parts


def answered(kind: type[gr.Blocks], answer: Answer) -> tuple[list[Any], Any]:
    page, parts = page_of(kind)
    state = SessionState(page)
    given = run(page.postprocess_data(page.fns[0], answer(parts), state))
    for one in given:  # gradio takes what says "update" for a property of HTML
        if isinstance(one, dict) and one.get("props") == gr.skip():
            del one["props"]
    return given, state[parts[2]._id]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answers_are_those_of_gradio(answer: Answer) -> None:
    assert answered(QuickBlocks, answer) == answered(gr.Blocks, answer)


def test_what_is_no_output_is_refused_as_by_gradio() -> None:
    page, parts = page_of(QuickBlocks)

    with pytest.raises(ValueError, match="not specified as output"):
        run(page.postprocess_data(page.fns[0], {parts[0]: "a", gr.HTML(): "b"}, SessionState(page)))


def test_only_what_is_named_is_made_again_and_a_visit_describes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page, parts = page_of(QuickBlocks)
    made: list[object] = []
    for kind in (gr.HTML, gr.Button, gr.Textbox):
        plain = kind.get_config
        monkeypatch.setattr(kind, "get_config", lambda part, *a, p=plain: made.append(part) or p(part, *a))

    state = SessionState(page)
    run(page.postprocess_data(page.fns[0], {parts[1]: gr.Button(visible=False)}, state))

    assert made == []
    assert [state[part._id] is part for part in parts if not part.stateful] == [True, False, True]
    assert state[parts[1]._id].visible is False


def test_the_page_is_described_as_by_gradio() -> None:
    pages = [page_of(kind)[0] for kind in (QuickBlocks, gr.Blocks)]
    ours, theirs = (
        [(one["type"], one["props"]) for one in page.get_config_file()["components"]] for page in pages
    )

    assert ours == theirs
    assert pages[0].get_block_name() == pages[1].get_block_name()


def test_it_is_described_when_it_is_launched_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    plain = gr.HTML.get_config
    monkeypatch.setattr(gr.HTML, "get_config", lambda part, *a: made.append(part) or plain(part, *a))

    page, _ = page_of(QuickBlocks)
    with page.route("Other", "/other"):
        gr.HTML("there")

    assert made == []
    page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", ssr_mode=False)
    try:
        assert made
        assert page.config["components"] == page.get_config_file()["components"]
    finally:
        page.close(verbose=False)
