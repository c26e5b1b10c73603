"""Every way into gradio that this page needs, what a question names, and how the gate refuses.

Flow:  scope --route_of--> path as the router reads it --is_open--> yes | no;  --api_path_of--> the API's part
       body --body_of, read--> what it names: sessions, events, files

A way that is not on these lists is shut. Where gradio's router strips a prefix (GRADIO_ROOT_PATH, a proxy),
the path is read without it. What a request is about stands in its query, its path and its body, and gradio
believes now one, now the other: all of them are collected.

Knows requests; nothing of people.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from starlette._utils import get_route_path  # private, and the very function that gradio's router asks
from starlette.types import Message, Receive, Scope, Send

HEALTH, API, LOGIN, LOGOUT = "/healthz", "/gradio_api/", "/login", "/logout"
BEFORE_LOG_IN = frozenset({"theme.css", "startup-events", "app_id", "login_check", "user"})
AFTER_LOG_IN = frozenset(
    {"info", "openapi.json", "upload", "upload_progress", "queue", "heartbeat", "cancel", "reset",
     "run", "api", "call"}
)  # fmt: skip
BESIDE_THE_API = frozenset(
    {LOGIN, LOGOUT, HEALTH, "/config", "/favicon.ico", "/theme.css", "/robots.txt", "/manifest.json",
     "/follow", "/follow/now", "/follow/vote"}
)  # fmt: skip
EXPORTED_PAGE = re.compile(
    r"/net/([0-9a-f]{32})(/(?:sw\.js|manifest\.webmanifest|icon-(?:192|512)\.png)?)?"
)  # key, file
PUBLIC_FOLDERS = ("/assets/", "/static/")  # gradio's own scripts and styles
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
MOST_BODY_BYTES = 16_000_000  # of a question; files come another way
BODY_S = 60.0  # the longest that a question may take to arrive
_NAMED_IN = ("session_hash", "event_id", "upload_id")  # what a request may be about
_IN_THE_WEB = re.compile(r"file=\s*[A-Za-z][A-Za-z0-9+.-]+:")
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f]"
)  # a router's pattern may end before a line break: two readings of one path

Refusal = tuple[int, bytes]
SESSION_GONE: Refusal = (404, b'{"detail":"Session not found."}')
FILE_GONE: Refusal = (404, b'{"detail":"File not found"}')
SHUT: Refusal = (404, b'{"detail":"Not Found"}')
NO_METHOD: Refusal = (405, b'{"detail":"Method Not Allowed"}')
NOT_IN: Refusal = (401, b'{"detail":"Not authenticated"}')
ELSEWHERE: Refusal = (
    403,
    b'{"detail":"Another site may not ask here. Behind a proxy: it must pass on Host."}',
)
TOO_LARGE: Refusal = (413, b'{"detail":"The question is too large."}')
TOO_SLOW: Refusal = (408, b'{"detail":"The question did not arrive in time. Send it again."}')
UNREADABLE: Refusal = (400, b'{"detail":"The question cannot be read."}')
BROKEN: Refusal = (500, b'{"detail":"Internal Server Error"}')
NO_ROOM: Refusal = (
    507,
    b'{"detail":"There is no room left on the disk for this upload. Try again later."}',
)


def route_of(scope: Scope) -> str:
    """The path as gradio's router reads it: without the prefix under which a proxy serves the page."""
    return get_route_path(scope) or "/"


def shut(scope: Scope, pages: Iterable[str] = ()) -> Refusal | None:
    """Why a path leads nowhere, for anyone; `pages` are the page's own, without its first."""
    if scope["method"] not in METHODS:
        return NO_METHOD
    if not is_open(route_of(scope), pages):
        return SHUT
    return FILE_GONE if _IN_THE_WEB.match(api_path_of(scope)) else None  # gradio would fetch it for anyone


def is_open(route: str, pages: Iterable[str] = ()) -> bool:
    """Whether the page needs this path; a spelling that only looks like one that it needs is none."""
    if _CONTROL.search(route):
        return False
    if route.startswith(API):
        api_path = route.removeprefix(API)
        return api_path.startswith("file=") or api_path.split("/")[0] in BEFORE_LOG_IN | AFTER_LOG_IN
    if route.startswith(PUBLIC_FOLDERS) or EXPORTED_PAGE.fullmatch(route):
        return True
    return route in BESIDE_THE_API or route.removesuffix("/") in BESIDE_THE_API or is_page(route, pages)


def is_before_log_in(route: str) -> bool:
    """Whether strangers may go there; gradio's scripts are for those who see its pages."""
    if route.startswith(API):
        return route.removeprefix(API).split("/")[0] in BEFORE_LOG_IN
    return route.removesuffix("/") in BESIDE_THE_API or bool(EXPORTED_PAGE.fullmatch(route))


def is_page(route: str, pages: Iterable[str] = ()) -> bool:
    """Whether a person sees a page there."""
    return route == "/" or route.removeprefix("/").removesuffix("/") in set(pages) - {""}


def api_path_of(scope: Scope) -> str:
    """What comes after gradio's own prefix; empty for a page."""
    route = route_of(scope)
    return route.removeprefix(API) if route.startswith(API) else ""


def named(scope: Scope, said: Any) -> list[str]:
    """Every session, event and upload that a request is about, wherever it says so."""
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    found = [value for key, value in query if key in _NAMED_IN and value]
    api_path = api_path_of(scope).rstrip("/")
    if scope["method"] in ("GET", "HEAD") and api_path.startswith(("heartbeat/", "call/")):
        found.append(api_path.rpartition("/")[2])
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
    receive: Receive, *, most_bytes: int = MOST_BODY_BYTES, longest_s: float = BODY_S
) -> tuple[Refusal | None, Receive, bytes]:
    """The whole of a question, and a way to read it again; or why it is not read."""
    messages, body = [], bytearray()
    try:
        async with asyncio.timeout(longest_s):
            while True:
                message = await receive()
                messages.append(message)
                body.extend(message.get("body", b""))
                if len(body) > most_bytes:
                    return TOO_LARGE, receive, b""
                if message["type"] != "http.request" or not message.get("more_body", False):
                    break
    except TimeoutError:
        return TOO_SLOW, receive, b""

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return None, again, bytes(body)


def read(body: bytes) -> Any:
    """JSON as gradio will read it; a `Refusal` where it cannot be, or says one thing twice."""
    try:
        return json.loads(body, object_pairs_hook=_once) if body.strip() else None
    except (ValueError, RecursionError):
        return UNREADABLE


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that occurs twice: one reader would take the first value, another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is said twice")
    return found


async def say(send: Send, status: int, body: bytes) -> None:
    """Answer in JSON, which no one keeps."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
