"""/net/KEY/: the web page of a run, for anyone who was given its link.

Flow:  GET /net/KEY/ --page_of--> the exported page;  GET /net/KEY/sw.js, icons --> what keeps it on the phone

Answered behind the gate, before gradio and its log-in: the key is the permission, as of /follow. The page
carries its own policy, which allows its two scripts and no connection at all.

Knows requests, and the service's verb that turns a key into a file.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headswap.app.ui.gateway.routes import EXPORTED_PAGE, route_of
from headswap.app.ui.lessons.follow_draw import lost_page
from headswap.errors import HeadswapError
from headswap.exports.webpage import files_next_to, kept_offline

READERS = 2  # threads for all phones together
KEPT = 2  # pages in memory, some 16 MB each: a class opens one at the same time
KINDS = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".png": "image/png"}
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


class ExportedPages:
    """ASGI middleware: answers its addresses, passes everything else on."""

    def __init__(self, app: ASGIApp, *, page_of: Callable[[str], Path]) -> None:
        """Stand before an app; `page_of` gives the file of a key, or raises HeadswapError."""
        self._app, self._page_of = app, page_of
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="exported")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        found = EXPORTED_PAGE.fullmatch(route_of(scope)) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        key, file = found.groups()
        if scope["method"] not in ("GET", "HEAD"):
            answer: Response = PlainTextResponse("", 405)
        elif file is None:  # the page asks for sw.js next to it
            answer = RedirectResponse(f"{key}/", 308)
        else:
            known = Headers(scope=scope).get("if-none-match", "")
            ask = partial(self._answer, key, known, file.removeprefix("/"))
            answer = await asyncio.get_running_loop().run_in_executor(self._readers, ask)
        answer.headers.update(HEADERS)
        await answer(scope, receive, send)

    def _answer(self, key: str, known: str, name: str) -> Response:
        try:
            file = self._page_of(key)
            page, packed = _page(file, file.stat().st_mtime_ns)
        except HeadswapError as error:
            return Response(lost_page(error.problem, error.remedy), 404, media_type="text/html")
        except OSError:  # tidied away just now
            return PlainTextResponse("", 404)
        if name:
            return Response(files_next_to(page)[name], media_type=KINDS[Path(name).suffix])
        tag = f'"{hashlib.sha256(packed).hexdigest()[:32]}"'
        if tag in known:
            return Response(status_code=304, headers={"etag": tag})
        headers = {"etag": tag, "content-encoding": "gzip", "vary": "accept-encoding"}
        return Response(packed, media_type="text/html", headers=headers)


@lru_cache(maxsize=KEPT)
def _page(file: Path, _changed: int) -> tuple[str, bytes]:
    """A page as it is served, and the same packed: text shrinks to about half."""
    page = kept_offline(file.read_text(encoding="utf-8"))
    return page, gzip.compress(page.encode(), compresslevel=1, mtime=0)
