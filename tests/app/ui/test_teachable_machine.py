from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from headswap.app.service.exports import TeachableMachineView
from headswap.app.ui.steps.teachable_machine import build_teachable_machine, show_teachable_machine
from headswap.app.ui.widgets.html import rendered
from headswap.exports.parity import Route


def test_how_far_it_differs_is_said_before_the_download_and_nothing_of_another_run_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "tm.zip").write_bytes(b"zip")
    route = Route(name="library", images=42, same=40, largest_difference=0.3011, note="Reckoned.")
    ready = TeachableMachineView(state="ready", zip_file=tmp_path / "tm.zip", route=route)
    refused = TeachableMachineView(state="failed", problem="Its head <reads> all.", remedy="Teach again.")
    with gr.Blocks():
        parts = build_teachable_machine()

        there: Any = show_teachable_machine(parts, ready)
        others: list[Any] = [
            show_teachable_machine(parts, view)
            for view in (None, refused, TeachableMachineView(state="packing"))
        ]

    words = rendered(there[parts.panel])
    assert "Of 42 pictures these programs name 40 as this page does" in words
    assert "0.301." in words
    assert "Reckoned." in words
    assert there[parts.file].visible
    assert [(seen[parts.file].visible, seen[parts.file].value) for seen in others] == [(False, None)] * 3
    assert "Its head &lt;reads&gt; all.</b> Teach again." in rendered(others[1][parts.panel])
    assert [seen[parts.timer].active for seen in others] == [False, False, True]
