"""What every answer tells the browser: who may frame the page, and which scripts are the page's own.

Flow:  answer of gradio, of /follow or of the gate --shielded--> the same with its policies

gradio puts its settings into inline scripts and makes functions from text, so `unsafe-eval` and inline
styles have to stay; inline scripts are allowed by their hashes alone. A picture's name that gets into the
page as HTML can therefore run nothing: neither an `onerror` nor a script of its own.

Knows answers; nothing of what is in them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'none'; form-action 'self'; "
    "frame-ancestors 'self'; object-src 'none'; base-uri 'self'"
)
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL | re.IGNORECASE)


def inline_scripts(html: bytes) -> list[bytes]:
    """The text of every script that stands in a page itself."""
    return [found["text"] for found in _SCRIPT.finditer(html) if b" src=" not in found["attributes"]]


def hashes_of(scripts: Iterable[bytes]) -> str:
    """The hashes by which a policy allows these scripts, with line ends as a browser reads them."""
    told = (hashlib.sha256(one.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).digest() for one in scripts)
    return "".join(f" 'sha256-{base64.b64encode(one).decode()}'" for one in told)


def shielded(send: Send, *, is_page: bool, first: bytes = b"", later: str = "") -> Send:
    """Every answer with its policies; a page waits until it is whole, so that its scripts can be told.

    Args:
        send: where the answer goes.
        is_page: whether gradio answers with one of its own pages; no other answer may run a script.
        first: a script that the page runs before gradio's own.
        later: hashes of scripts that the page adds when it is open.
    """
    start: Message | None = None
    page = bytearray()

    async def shield(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in ALWAYS.items():
                headers.setdefault(name, value)
            is_told = "content-security-policy" in headers
            headers.setdefault("content-security-policy", POLICY.format(hashes=""))
            message = {**message, "headers": headers.raw}
            if is_page and not is_told and headers.get("content-type", "").startswith("text/html"):
                start = message
                return
        elif start is not None and message["type"] == "http.response.body":
            page.extend(message.get("body", b""))
            if message.get("more_body", False):
                return
            whole = bytes(page)
            if first:
                whole = whole.replace(b"<head>", b"<head><script>" + first + b"</script>", 1)
            hashes = hashes_of(inline_scripts(whole)) + later
            headers = MutableHeaders(raw=start["headers"])
            headers["content-security-policy"] = POLICY.format(hashes=hashes)
            headers["content-length"] = str(len(whole))
            await send(start)
            message, start = {"type": "http.response.body", "body": whole}, None
        await send(message)

    return shield
