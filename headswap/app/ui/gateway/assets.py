"""gradio's scripts and styles from memory: a page that is opened for the first time asks for eighty of them.

Flow:  GET /assets/NAME --KeptAssets--> what gradio answered the first time

gradio opens, reads and closes a file for each, and each step waits for a thread: a seventh of a second of a
processor for each pupil of a class that opens the page. The name of such a file holds a hash of its content,
so a browser need not ask for it twice either.

Knows requests and answers, and nothing of who may ask: it stands behind the gate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.app.ui.gateway.routes import route_of

MOST_BYTES = 32 * 2**20  # of all that are kept; all of gradio's are less
_HASHED = re.compile(r"/assets/[\w.-]+-[\w-]{8,}\.(?:js|css|woff2?)", re.ASCII)
_CONDITIONS = frozenset((b"range", b"if-none-match", b"if-modified-since", b"if-match", b"if-range"))
_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")


@dataclass(frozen=True)
class _Asset:
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class KeptAssets:
    """ASGI middleware, innermost: answers what was answered before, passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._kept, self._size = app, dict[str, _Asset](), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        name = _name_of(scope)
        if name is None:
            await self._app(scope, receive, send)
            return
        if name not in self._kept:
            answer = _Answer(send)
            await self._app(scope, receive, answer.pass_on)
            if answer.is_whole and self._size + len(answer.body) <= MOST_BYTES:
                self._kept[name] = _Asset((*answer.headers, _FOR_EVER), bytes(answer.body))
                self._size += len(answer.body)
            return
        asset = self._kept[name]
        await send({"type": "http.response.start", "status": 200, "headers": list(asset.headers)})
        await send({"type": "http.response.body", "body": asset.body})


@dataclass
class _Answer:
    """What goes by on its way to a browser."""

    send: Send
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self.headers = [pair for pair in message["headers"] if pair[0] not in (b"date", _FOR_EVER[0])]
            message = {**message, "headers": [*self.headers, _FOR_EVER]}
        elif message["type"] == "http.response.body" and self.headers:
            self.body += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)
        await self.send(message)


def _name_of(scope: Scope) -> str | None:
    """The route of a file that may be kept; None: this is no plain request for one."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    if _CONDITIONS & {name for name, _ in scope["headers"]}:
        return None
    route = route_of(scope)
    return route if _HASHED.fullmatch(route) else None
