from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from headswap.app.service.exports import WebPageView
from headswap.app.ui.steps.web_page import build_web_page, show_web_page
from headswap.app.ui.widgets.html import rendered


def test_nothing_of_another_run_stays_to_be_downloaded(tmp_path: Path) -> None:
    for name in ("mugs.html", "mugs-site.zip"):
        (tmp_path / name).write_bytes(b"page")
    ready = WebPageView(state="ready", page=tmp_path / "mugs.html", site=tmp_path / "mugs-site.zip")
    with gr.Blocks():
        parts = build_web_page()

        there: Any = show_web_page(parts, ready)
        gone: Any = [show_web_page(parts, view) for view in (None, WebPageView(state="not begun"))]

    assert "Open it on phones" in rendered(there[parts.panel])
    assert 'class="hs-panel web-page" data-state="ready"' in rendered(there[parts.panel])
    for button in (parts.page, parts.site):
        assert there[button].visible
        assert [(seen[button].visible, seen[button].value) for seen in gone] == [(False, None)] * 2
