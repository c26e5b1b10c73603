"""The gate before the page: health for whoever watches, and nobody reads another person's transfers.

Flow:  HTTP request --Gate--> /healthz answered here | refused as "no such file" | passed on to gradio

gradio asks who you are, but then serves any upload to anybody who knows its address, and any event
stream to anybody who knows its session. The gate remembers who brought an upload and who opened a
session, and answers everybody else as if there were none. Where nobody has to log in it lets all pass.

Knows requests; nothing of the house behind them.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.files import to_json
from headswap.service.health import Health

HEALTH = "/healthz"
MOST_REMEMBERED = 50_000  # uploads and sessions each; the oldest are forgotten, and then refused to all
_ASKS_WITH_A_BODY = ("/queue/join", "/cancel", "/reset", "/run/", "/api/", "/call/")


class Gate:
    """ASGI middleware, innermost: what it sees is neither packed nor cut."""

    def __init__(
        self, app: ASGIApp, *, health: Callable[[], Health], is_in: Callable[[str], bool] | None = None
    ) -> None:
        """Stand before an app; `is_in` says whether a name still has a code, None: nobody has to log in."""
        self._app, self._health, self._is_in = app, health, is_in
        self._uploads = _Owners()
        self._sessions = _Owners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        if path.rstrip("/") == HEALTH:
            await self._say_health(send)
            return
        person = person_of(scope)
        if person is not None and self._is_in is not None and not self._is_in(person):
            await _say(send, 401, b'{"detail":"Not authenticated"}')
        elif person is None:  # nobody has to log in, or gradio will ask
            await self._app(scope, receive, send)
        elif "/file=" in path and not self._uploads.may(path.partition("/file=")[2], person):
            await _say(send, 404, b'{"detail":"File not found"}')
        elif path.rstrip("/").endswith("/upload") and scope["method"] == "POST":
            await self._app(scope, receive, self._noting(send, person))
        else:
            receive, session = await _session_of(scope, receive, path)
            if session and not self._sessions.take(session, person):
                await _say(send, 404, b'{"detail":"Session not found."}')
            else:
                await self._app(scope, receive, send)

    async def _say_health(self, send: Send) -> None:
        health = self._health()
        await _say(send, 200 if health.well else 503, to_json(health).encode())

    def _noting(self, send: Send, person: str) -> Send:
        """Pass an upload's answer on, and remember whose the files in it are."""
        body = bytearray()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    for path in _paths_in(bytes(body)):
                        self._uploads.add(path, person)
            await send(message)

        return note


class _Owners:
    """Whose is what: several people may bring the same file; a session has one."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, set[str]] = OrderedDict()

    def add(self, thing: str, person: str) -> None:
        self._people.setdefault(os.path.normpath(thing), set()).add(person)
        while len(self._people) > MOST_REMEMBERED:
            self._people.popitem(last=False)

    def may(self, thing: str, person: str) -> bool:
        """Whether it is theirs, or nobody's."""
        people = self._people.get(os.path.normpath(thing))
        return people is None or person in people

    def take(self, thing: str, person: str) -> bool:
        """The first who names it has it."""
        if not self.may(thing, person):
            return False
        self.add(thing, person)
        return True


def person_of(scope: Scope) -> str | None:
    """Who gradio says is logged in; None where nobody has to, or nobody is."""
    app = scope.get("app")
    tokens: dict[str, str] = getattr(app, "tokens", {})
    if not tokens:
        return None
    headers = dict(scope["headers"])
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    for kind in ("access-token", "access-token-unsecure"):
        found = cookies.get(f"{kind}-{getattr(app, 'cookie_id', '')}")
        if found is not None and found.value in tokens:
            return tokens[found.value]
    return None


async def _session_of(scope: Scope, receive: Receive, path: str) -> tuple[Receive, str]:
    """The session that a request is about, in its address or body, and a way to read the body again."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if "session_hash" in query:
        return receive, query["session_hash"][0]
    if "/heartbeat/" in path:
        return receive, path.rpartition("/heartbeat/")[2]
    if scope["method"] != "POST" or not any(part in path for part in _ASKS_WITH_A_BODY):
        return receive, ""
    messages, body = [], bytearray()
    while True:
        message = await receive()
        messages.append(message)
        body.extend(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            break

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    said = _json(bytes(body))
    session = said.get("session_hash") if isinstance(said, dict) else None
    return again, session if isinstance(session, str) else ""


def _paths_in(body: bytes) -> list[str]:
    said = _json(body)
    return [path for path in said if isinstance(path, str)] if isinstance(said, list) else []


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


async def _say(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
