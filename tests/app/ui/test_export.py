from __future__ import annotations

import zipfile
from pathlib import Path

import gradio as gr
import pytest

from headswap.app.service.exports import ExportView
from headswap.app.ui.steps.export import build_take_home_step, show_take_home
from headswap.app.ui.widgets.html import rendered


@pytest.mark.parametrize(
    ("state", "is_looking"), [("not begun", False), ("packing", True), ("failed", False)]
)
def test_the_page_looks_only_while_something_is_packed(state: str, is_looking: bool) -> None:
    with gr.Blocks():
        step = build_take_home_step()
        assert not step.timer.active

        seen = show_take_home(step, ExportView(state=state))  # type: ignore[arg-type]

        assert seen[step.timer].active is is_looking
        assert seen[step.download].interactive is False


def test_the_button_wakes_up_when_the_zip_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("x", "y")
    with gr.Blocks():
        step = build_take_home_step()

        seen = show_take_home(step, ExportView(state="ready", zip_file=tmp_path / "mine.zip"))

        assert seen[step.download].interactive is True
        assert "Packed and checked." in rendered(seen[step.say])
