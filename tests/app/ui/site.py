"""A real gradio app behind the gate, with people who log in, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from headswap.app.service import accounts
from headswap.app.service.accounts import AccessCodes, add
from headswap.app.service.health import Health
from headswap.app.service.uploads import Uploads
from headswap.app.ui.gateway.counting import UploadCounter, UploadRoom
from headswap.app.ui.gateway.lockout import GuessCounter
from headswap.app.ui.gateway.middleware import Gateway, ServedPages
from headswap.app.ui.launch import calm, knows

OF_A_PAIR, OF_AN_ADDRESS = 6, 20  # wrong guesses that are borne here
WELL = Health(well=True, version="1", waiting=1, running=0, free_disk_bytes=9)
WIDE = UploadRoom(disk=10**12, share=10**12, once=10**12)
CRASH = "/static/crash"


def read_file(place: str | None) -> str:
    return Path(place or "/dev/null").read_text()


def make_file(words: str) -> str:
    made = Path(get_upload_folder()) / "made" / f"{len(words)}.txt"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(words)
    return str(made)


class Crash:
    """Falls over at one address, as a mistake in gradio would."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith(CRASH):
            raise ValueError("a mistake")
        await self._app(scope, receive, send)


class Site:
    """A page behind the gate, and who visits it."""

    def __init__(
        self,
        url: str,
        codes: dict[str, str],
        health: list[Health],
        app: Any,
        room: list[UploadRoom],
        uploads: Uploads,
        private: Path,
    ) -> None:
        self.uploads, self.private = uploads, private
        self.url, self.codes, self.health, self.app, self.room = url, codes, health, app, room
        self._visits: list[httpx.Client] = []

    def visit(self, name: str = "") -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=120.0)
        self._visits.append(client)
        if name:
            answer = client.post("/login", data={"username": name, "password": self.codes[name]})
            assert answer.status_code == 200
        return client

    def close(self) -> None:
        for client in self._visits:
            client.close()


@contextmanager
def serving(place: Path, *, prefix: str = "") -> Iterator[Site]:
    """Serve it until the end of the block, as if a proxy put `prefix` before every address."""
    health, room, uploads = [WELL], [WIDE], Uploads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_COST", 2**4)  # dear on purpose; here people log in again and again
        codes = add(place / "class.json", ("ada", "bob"))
        people = AccessCodes(place / "class.json")
        patch.setenv("GRADIO_TEMP_DIR", str(place / "private"))
        if prefix:
            patch.setenv("GRADIO_ROOT_PATH", prefix)
        with gr.Blocks(analytics_enabled=False) as page:
            box, file = gr.Textbox(), gr.File()
            box.change(lambda text: text, box, box)
            box.submit(lambda text: text, box, box, api_name="repeat")
            file.change(read_file, file, box, api_name="read")
            box.submit(make_file, box, file, api_name="make")
        with page.route("Runs", "/runs"):
            gr.Textbox()
        page.queue()
        calm(page)
        gate = Middleware(
            Gateway,
            health=lambda: health[0],
            stamp=people.stamp,
            served=ServedPages(pages=frozenset(name for name, *_ in page.pages)),
            guesses=GuessCounter(of_a_pair=OF_A_PAIR, of_an_address=OF_AN_ADDRESS),
            uploads=UploadCounter(lambda person: room[0], uploads),
        )
        page.launch(
            prevent_thread_lock=True, quiet=True, auth=knows(people), ssr_mode=False, run_history=False,
            share=False, app_kwargs={"middleware": [gate, Middleware(Crash)]},
        )  # fmt: skip
        site = Site(str(page.local_url), codes, health, page.app, room, uploads, place / "private")
        yield site
        site.close()
        page.close()


def bring(client: httpx.Client, content: bytes, name: str = "secret.zip", prefix: str = "") -> str:
    answer = client.post(f"{prefix}/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()[0])


def every_route(app: Any) -> set[str]:
    """Every address that gradio registers, as it writes them."""
    found, heap = set(), list(app.routes)
    while heap:
        one = heap.pop()
        inner = getattr(one, "original_router", one)  # how newer FastAPI keeps what was included
        heap.extend(getattr(inner, "routes", []))
        found.add(str(getattr(one, "path", "")))
    return found - {""}
