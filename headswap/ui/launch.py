"""Put the page on the air, with every default of gradio that would surprise a person turned off."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from headswap.files import write_text
from headswap.service.choices import Door
from headswap.service.codes import Codes
from headswap.service.health import Health
from headswap.ui.gate import Gate
from headswap.ui.html import web_text
from headswap.ui.theme import page_head, theme

LOG_IN = "Your name as username, and the code that you were given as password."
IDLE_LOOP_S = 0.02  # gradio's queue wakes 20 times as often, 7 % of a core for nothing


def browser_secret(workspace: Path) -> str:
    """The lock of what browsers remember: made once, kept with the data, so that a restart forgets nobody."""
    place = workspace / "browser.key"
    if not place.exists():
        workspace.mkdir(parents=True, exist_ok=True)
        write_text(place, secrets.token_urlsafe(32))
        place.chmod(0o600)
    return place.read_text(encoding="utf-8").strip()


def launch(page: gr.Blocks, door: Door, *, health: Callable[[], Health], upload_mb: int) -> None:
    """Serve the page until the process is asked to end, by Ctrl-C or by SIGTERM alike."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    page.queue(default_concurrency_limit=8)
    if hasattr(page, "_queue") and hasattr(page._queue, "sleep_when_free"):
        page._queue.sleep_when_free = max(IDLE_LOOP_S, page._queue.sleep_when_free)
    codes = Codes(door.people) if door.people else None
    gate = Middleware(Gate, health=health, is_in=codes.has if codes else None)
    page.launch(
        server_name=door.host,
        server_port=door.port,
        auth=knows(codes) if codes else None,
        auth_message=f"<style>{web_text('tokens.css')}{web_text('login.css')}</style>{LOG_IN}",
        ssl_certfile=str(door.certificate) if door.certificate else None,
        ssl_keyfile=str(door.key) if door.key else None,
        ssl_verify=False,  # gradio's look at its own page, by a name that is not in the certificate
        app_kwargs={"middleware": [gate]},
        theme=theme(),
        head=page_head(),
        max_file_size=f"{upload_mb}mb",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        share=False,
        pwa=False,
        mcp_server=False,
    )


def knows(codes: Codes) -> Callable[[str, str], Awaitable[bool]]:
    """Ask the codes beside the loop that serves everybody: a guess takes a while, on purpose."""

    async def ask(name: str, code: str) -> bool:
        return await asyncio.to_thread(codes.knows, name, code)

    return ask
