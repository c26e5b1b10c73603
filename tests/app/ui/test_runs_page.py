"""The page of all runs: its own route, the same memory of the browser, silent while nothing is taught."""

from __future__ import annotations

from pathlib import Path

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


def test_it_is_a_page_of_its_own_that_remembers_what_the_five_steps_remember(page: gr.Blocks) -> None:
    kept: dict[str, set[str]] = {"": set(), "runs": set()}
    for block in page.blocks.values():
        if isinstance(block, gr.BrowserState) and block.page in kept:
            kept[block.page].add(block.storage_key)

    assert "runs" in [route for route, *_ in page.pages]
    assert kept[""] == kept["runs"] == {"headswap-project", "headswap-known"}


def test_nothing_is_drawn_that_was_meant_as_an_answer(page: gr.Blocks) -> None:
    """A component made in a listener's declaration would stand on the page."""
    buttons = [block for block in page.blocks.values() if isinstance(block, gr.DownloadButton)]

    known = [
        "hs-download", "hs-many-file", "hs-page-file", "hs-save-file", "hs-site-file",
        "hs-teachable-machine-file",
    ]  # fmt: skip
    assert sorted(str(button.elem_id) for button in buttons) == known
