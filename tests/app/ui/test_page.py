"""The page as gradio holds it: laid out and connected, not yet served."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.page import build_page

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    settings = Settings(
        workspace=tmp_path_factory.mktemp("workspace"), sample=ROOT / "assets" / "sample" / "train"
    )
    return build_page(Service(settings), secret="s" * 32)


def components(page: gr.Blocks, kind: type[Any]) -> list[Any]:
    return [block for block in page.blocks.values() if isinstance(block, kind)]


def test_the_five_steps_are_there_and_all_can_be_reached(page: gr.Blocks) -> None:
    tabs = components(page, gr.Tab)

    assert [tab.label for tab in tabs] == ["Network", "Pictures", "Teach", "Test", "Take it home"]
    assert all(tab.interactive for tab in tabs)


def test_no_two_pieces_have_the_same_name(page: gr.Blocks) -> None:
    names = [(block.page, block.elem_id) for block in page.blocks.values() if block.elem_id]

    assert sorted(names) == sorted(set(names))


def test_no_listener_of_the_page_is_a_public_endpoint(page: gr.Blocks) -> None:
    assert {fn.api_visibility for fn in page.fns.values()} == {"private"}


def test_gradio_tells_no_component_of_the_page_that_something_goes_on(page: gr.Blocks) -> None:
    loud = [fn.name for fn in page.fns.values() if fn.show_progress != "hidden" or fn.show_progress_on != []]

    assert not loud, "what each of them once told costs at every event of the page"


def test_an_idle_page_does_not_ask_the_server(page: gr.Blocks) -> None:
    timers = components(page, gr.Timer)

    assert timers
    assert not [timer for timer in timers if timer.active]


def test_the_timer_and_stop_stand_beside_the_queue(page: gr.Blocks) -> None:
    ids = {timer._id for timer in components(page, gr.Timer)}
    stops = {button._id for button in components(page, gr.Button) if button.value == "Stop"}
    assert len(stops) == 2, "in the header, and next to Teach"

    heard = [fn for fn in page.fns.values() if {target for target, _ in fn.targets} & {*ids, *stops}]
    assert len(heard) == len(ids) + 1
    assert not any(fn.queue for fn in heard)


def test_the_steps_catch_no_errors_themselves() -> None:
    """One decorator turns every error into words; a step may clean up (`finally`), never catch."""
    for name in (
        "steps/model",
        "steps/dataset",
        "steps/train",
        "steps/report",
        "steps/export",
        "header",
        "page",
    ):
        source = (ROOT / "headswap" / "app" / "ui" / f"{name}.py").read_text(encoding="utf-8")
        assert not any(isinstance(node, ast.ExceptHandler) for node in ast.walk(ast.parse(source))), name
