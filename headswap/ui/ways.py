"""Every way into gradio that this page needs, what a question names, and how the gate refuses.

Flow:  path --way_of--> way        body --body_of, read--> what it names: sessions, events, files

A way that is not on these lists is shut. What a request is about stands in its query, its path and its
body, and gradio believes now one, now the other: all of them are collected.

Knows requests; nothing of people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

HEALTH, API = "/healthz", "/gradio_api/"
BEFORE_LOG_IN = frozenset({"theme.css", "startup-events", "app_id", "login_check", "user", "token"})
AFTER_LOG_IN = frozenset(
    {"info", "openapi.json", "upload", "upload_progress", "queue", "heartbeat", "cancel", "reset",
     "run", "api", "call"}
)  # fmt: skip
MOST_BODY_BYTES = 16_000_000  # of a question; files come another way
_SHUT_PAGES = ("/monitoring",)
_NAMED_IN = ("session_hash", "event_id", "upload_id")  # what a request may be about
_IN_THE_WEB = re.compile(r"file=\s*[A-Za-z][A-Za-z0-9+.-]+:")

Refusal = tuple[int, bytes]
SESSION_GONE: Refusal = (404, b'{"detail":"Session not found."}')
FILE_GONE: Refusal = (404, b'{"detail":"File not found"}')
SHUT: Refusal = (404, b'{"detail":"Not Found"}')
NOT_IN: Refusal = (401, b'{"detail":"Not authenticated"}')
ELSEWHERE: Refusal = (
    403,
    b'{"detail":"Another site may not ask here. Behind a proxy: it must pass on Host."}',
)
TOO_LARGE: Refusal = (413, b'{"detail":"The question is too large."}')
UNREADABLE: Refusal = (400, b'{"detail":"The question cannot be read."}')
NO_ROOM: Refusal = (
    507,
    b'{"detail":"There is no room left on the disk for this upload. Try again later."}',
)
TOO_OFTEN: Refusal = (
    429,
    b'{"detail":"Too many wrong codes came from here. Try again in ten minutes."}',
)


def shut(scope: Scope) -> Refusal | None:
    """Why a path leads nowhere, for anybody."""
    way = way_of(scope)
    is_way = not way or way.startswith("file=") or way.split("/")[0] in BEFORE_LOG_IN | AFTER_LOG_IN
    if not is_way or scope["path"].startswith(_SHUT_PAGES):
        return SHUT
    return FILE_GONE if _IN_THE_WEB.match(way) else None  # gradio would fetch it for whoever asks


def way_of(scope: Scope) -> str:
    """What comes after gradio's own prefix; empty for a page."""
    path = str(scope["path"])
    return path.removeprefix(API) if path.startswith(API) else ""


def named(scope: Scope, said: Any) -> list[str]:
    """Every session, event and upload that a request is about, wherever it says so."""
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    found = [value for key, value in query if key in _NAMED_IN and value]
    way = way_of(scope).rstrip("/")
    if scope["method"] == "GET" and way.startswith(("heartbeat/", "call/")):
        found.append(way.rpartition("/")[2])
    if isinstance(said, dict):
        found += [str(said[key]) for key in _NAMED_IN if said.get(key)]
    return found


def files_in(said: Any) -> Iterator[str]:
    """Every file that a question names, as gradio's clients name files."""
    heap = [said]
    while heap:
        one = heap.pop()
        if isinstance(one, dict):
            path = one.get("path")
            if isinstance(path, str):
                yield path
        if isinstance(one, dict | list):
            heap.extend(one.values() if isinstance(one, dict) else one)


async def body_of(
    receive: Receive, *, most_bytes: int = MOST_BODY_BYTES
) -> tuple[Refusal | None, Receive, bytes]:
    """The whole of a question, and a way to read it again; or why it is not read."""
    messages, body = [], bytearray()
    while True:
        message = await receive()
        messages.append(message)
        body.extend(message.get("body", b""))
        if len(body) > most_bytes:
            return TOO_LARGE, receive, b""
        if message["type"] != "http.request" or not message.get("more_body", False):
            break

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return None, again, bytes(body)


def read(body: bytes) -> Any:
    """JSON as gradio will read it; a `Refusal` where it cannot be."""
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return UNREADABLE


def shielded(send: Send) -> Send:
    """No site may put this page into a frame of its own, or have a file taken for a page."""

    async def shield(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers["x-frame-options"] = "SAMEORIGIN"
            headers["x-content-type-options"] = "nosniff"
            message = {**message, "headers": headers.raw}
        await send(message)

    return shield


async def say(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
