"""Put the page on the air, with every default of gradio that would surprise a person turned off."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import gradio as gr

from headswap.files import write_text
from headswap.ui.theme import page_head, theme

LARGEST_UPLOAD = "2gb"
IDLE_LOOP_S = 0.02  # gradio's queue wakes 20 times as often, 7 % of a core for nothing


def browser_secret(workspace: Path) -> str:
    """The lock of what browsers remember: made once, kept with the data, so that a restart forgets nobody."""
    place = workspace / "browser.key"
    if not place.exists():
        workspace.mkdir(parents=True, exist_ok=True)
        write_text(place, secrets.token_urlsafe(32))
        place.chmod(0o600)
    return place.read_text(encoding="utf-8").strip()


def launch(page: gr.Blocks, *, host: str | None, port: int | None) -> None:
    """Serve the page until the process is asked to end, by Ctrl-C or by SIGTERM alike."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    page.queue(default_concurrency_limit=8)
    if hasattr(page, "_queue") and hasattr(page._queue, "sleep_when_free"):
        page._queue.sleep_when_free = max(IDLE_LOOP_S, page._queue.sleep_when_free)
    page.launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        head=page_head(),
        max_file_size=LARGEST_UPLOAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        share=False,
        pwa=False,
        mcp_server=False,
    )
