"""Put the page on the air, with every default of gradio that would surprise a person turned off."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from headswap.app.service.accounts import AccessCodes
from headswap.app.service.options import ServerAddress, is_local
from headswap.app.service.service import Service
from headswap.app.ui.exported import ExportedPages
from headswap.app.ui.gateway.assets import KeptAssets
from headswap.app.ui.gateway.counting import UploadCounter, UploadRoom
from headswap.app.ui.gateway.headers import inline_scripts
from headswap.app.ui.gateway.middleware import Gateway, ServedPages
from headswap.app.ui.gateway.origins import THIS_MACHINE
from headswap.app.ui.lessons.follow import Follow
from headswap.app.ui.theme import page_head, theme
from headswap.app.ui.widgets.html import web_text
from headswap.storage.files import write_text

HASHERS = 1  # threads that look at codes, theirs alone: 16 MB and 50 ms of a core for each guess
SPARE_BYTES = 100_000_000  # that uploads leave free on the disk of their temporary folder
IDLE_LOOP_S = 0.02  # gradio's queue wakes 20 times as often, 7 % of a core for nothing
WAKE_S = 0.5
SESSIONS = 64  # open or closed pages that gradio remembers, half a megabyte each; a page outlives it
NEVER = 2**60  # events between two tables of figures
_CALM: Mapping[str, float] = MappingProxyType(
    {
        "sleep_when_free": IDLE_LOOP_S,
        "progress_update_sleep_when_free": IDLE_LOOP_S,
        "ANALYTICS_MAX_EVENTS": 1,
        "ANAYLTICS_CACHE_FREQUENCY": NEVER,
    }
)


def browser_secret(workspace: Path) -> str:
    """The key that encrypts what browsers remember: made once and kept, so that a restart changes nothing."""
    path = workspace / "browser.key"
    if not path.exists():
        workspace.mkdir(parents=True, exist_ok=True)
        write_text(path, secrets.token_urlsafe(32))
        path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()


def launch(page: gr.Blocks, server_address: ServerAddress, service: Service) -> None:
    """Serve the page until the process is asked to end, by Ctrl-C or by SIGTERM alike."""
    asked = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: asked.set())
    page.queue(default_concurrency_limit=8)
    calm(page)
    codes = AccessCodes(server_address.people) if server_address.people else None
    page.launch(
        server_name=server_address.host,
        server_port=server_address.port,
        auth=knows(codes) if codes else None,
        ssl_certfile=str(server_address.certificate) if server_address.certificate else None,
        ssl_keyfile=str(server_address.key) if server_address.key else None,
        ssl_verify=False,  # gradio's look at its own page, by a name that is not in the certificate
        app_kwargs={"middleware": _before_gradio(page, server_address, service, codes)},
        theme=theme(),
        head=page_head(),
        state_session_capacity=SESSIONS,
        max_file_size=f"{service.settings.limits.upload_mb}mb",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        share=False,
        pwa=False,
        mcp_server=False,
        num_workers=0,  # servers of gradio's own for files, on ports of their own: no gate stands before them
        quiet=True,  # gradio speaks of links to the whole internet, which there are not
        prevent_thread_lock=True,  # gradio's own wait ends without telling pages, which costs five seconds
    )
    sys.stdout.write(
        f"Open {address(page, server_address)}\nCtrl-C or SIGTERM ends it; runs are saved and go on later.\n"
    )
    sys.stdout.flush()
    if server_address.opens_browser:  # some browsers return only when they are closed
        threading.Thread(target=webbrowser.open, args=(address(page, server_address),), daemon=True).start()
    while not asked.wait(WAKE_S):  # a wait without end cannot be interrupted everywhere
        continue
    service.begin_to_end()
    page.close(verbose=False)


def _before_gradio(
    page: gr.Blocks, server_address: ServerAddress, service: Service, codes: AccessCodes | None
) -> list[Middleware]:
    """The gate, and behind it what answers phones and what keeps gradio's files."""
    names = (
        None
        if codes or not is_local(server_address.host)
        else THIS_MACHINE | {server_address.host or "localhost"}
    )
    served = ServedPages(
        names=names,
        pages=frozenset(name for name, *_ in page.pages),
        first_script=web_text("frames.js").encode(),
        scripts=tuple(inline_scripts(page_head().encode())),
    )
    gateway = Middleware(
        Gateway,
        health=service.health,
        served=served,
        stamp=codes.stamp if codes else None,
        uploads=UploadCounter(lambda person: room_for(service, person), service.uploads),
    )
    secret = browser_secret(service.settings.workspace)
    following = service.following
    return [
        gateway,
        Middleware(Follow, view=following.view, vote=following.vote, secret=secret),
        Middleware(ExportedPages, page_of=service.exported_page),
        Middleware(KeptAssets),
    ]


def address(page: gr.Blocks, server_address: ServerAddress) -> str:
    """Where the page is to be had: by the name of this machine where others may come."""
    url = urlsplit(str(page.local_url))
    if server_address.host in ("0.0.0.0", "::"):
        return f"{url.scheme}://{socket.gethostname()}:{url.port}/"
    return url.geturl()


def room_for(service: Service, person: str) -> UploadRoom:
    """How much someone may bring now, to the disk where uploads wait to be taken in."""
    folder = Path(get_upload_folder())
    free = shutil.disk_usage(folder if folder.is_dir() else folder.anchor).free
    return UploadRoom(
        disk=free - SPARE_BYTES,
        share=service.room_of(person),
        once=int(service.settings.limits.upload_mb * 1e6),
    )


def calm(page: gr.Blocks) -> None:
    """Let gradio's queue do what is needed and nothing else.

    Idle, it looks a thousand times a second for something to do. After every event it makes a table of the
    last ten thousand, for a page of figures that we do not serve: with a class at work, most of a core.
    """
    queue: Any = getattr(page, "_queue", None)
    for name, value in _CALM.items():
        if hasattr(queue, name):  # private names of gradio: another version may have others
            setattr(queue, name, value)


def knows(codes: AccessCodes) -> Callable[[str, str], Awaitable[bool]]:
    """Check codes in threads of their own, not in the server's loop: a check is slow on purpose.

    The threads are for this alone. The gate lets only so many guesses wait for them.
    """
    hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="log-in")

    async def ask(name: str, code: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(hashers, codes.knows, name, code)

    return ask
