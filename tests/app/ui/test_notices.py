from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from headswap.app.service.settings import Settings
from headswap.app.ui.header import build_notices


def said(**chosen: bool) -> str:
    with gr.Blocks(analytics_enabled=False) as page:
        build_notices(Settings(workspace=Path("w"), sample=Path("s"), **chosen))  # type: ignore[arg-type]
    return " ".join(str(block.value) for block in page.blocks.values() if isinstance(block, gr.HTML))


def test_one_person_at_their_own_machine_sees_nothing_of_it() -> None:
    assert said() == ""


def test_in_clear_it_says_so_and_hides_every_camera() -> None:
    words = said(protected=False, has_codes=True)

    assert "not protected on its way to you" in words
    assert all(mark in words for mark in (".open-camera", "[data-camera]", "#hs-live-camera"))
    assert 'href="logout"' in words


def test_protected_people_with_codes_can_log_out() -> None:
    words = said(has_codes=True)

    assert "Log out" in words
    assert "camera" not in words


@pytest.mark.parametrize("script", ["camera.js", "live.js"])
def test_the_marks_that_hide_the_camera_are_those_that_open_it(script: str) -> None:
    web = Path(__file__).parents[3] / "headswap" / "app" / "ui" / "web" / script

    assert ".open-camera" in web.read_text() or "[data-camera]" in web.read_text()
