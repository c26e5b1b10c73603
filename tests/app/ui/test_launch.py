from __future__ import annotations

import asyncio
import re
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr

from headswap.app.service.accounts import AccessCodes, add
from headswap.app.ui.launch import IDLE_LOOP_S, browser_secret, calm, knows
from headswap.app.ui.theme import COLOURS, page_head, theme
from tests.loops import run


def test_the_lock_of_the_browsers_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    first = browser_secret(tmp_path / "data")

    assert browser_secret(tmp_path / "data") == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "browser.key").stat().st_mode) == 0o600


def test_gradio_keeps_no_table_of_events_and_wakes_seldom() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Textbox()
    page.queue()

    calm(page)

    queue = page._queue
    assert (queue.ANALYTICS_MAX_EVENTS, queue.sleep_when_free) == (1, IDLE_LOOP_S)
    assert queue.compute_analytics_summary([{"function": "f"}]) == {"functions": {}}


def test_nothing_in_the_head_of_the_page_comes_from_another_host() -> None:
    head = page_head()

    assert "<style>" in head
    assert not re.findall(
        r"(?:src|href)=\"(?!data:)|url\(|@import|//[a-z]", head.replace("http://www.w3.org", "")
    )


def test_every_colour_of_gradio_is_one_of_our_tokens_in_light_and_dark() -> None:
    tokens = page_head()

    assert all(f"{token}:" in tokens for token in COLOURS.values())
    assert theme().body_background_fill == theme().body_background_fill_dark == "var(--hs-paper)"


def test_codes_are_looked_at_however_busy_the_threads_of_everybody_are(tmp_path: Path) -> None:
    made = add(tmp_path / "class.json", ("ada",))
    ask = knows(AccessCodes(tmp_path / "class.json"))
    over = threading.Event()

    async def log_in_meanwhile() -> bool:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, over.wait)
        try:
            return await asyncio.wait_for(ask("ada", made["ada"]), timeout=120)
        finally:
            over.set()
            await busy

    assert run(log_in_meanwhile())
