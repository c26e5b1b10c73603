"""/follow: the page for phones. A class watches someone's progress or a run, and answers when it is asked.

Flow:  GET /follow?key=K --> a page;  GET /follow/now?key=K --> its inside;  POST /follow/vote --> counted

Answered behind the gate, before gradio and its log-in: the key is the permission
(docs/decisions/0008-a-class-follows-on-its-phones.md). A browser votes with a number that this server has
signed, so that no one makes numbers up. No script, font or picture comes from anywhere
else; a phone loads some kilobytes.

Knows requests, the service's two verbs for keys, and how to draw what they give.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from headswap.app.service.lessons.progress import ID
from headswap.app.service.lessons.sharing import FollowView
from headswap.app.ui.gateway.origins import client_of
from headswap.app.ui.gateway.routes import body_of, route_of
from headswap.app.ui.lessons.follow_draw import follow_inside, follow_page, lost_page
from headswap.errors import HeadswapError, NotFound

FOLLOW, NOW, VOTE = "/follow", "/follow/now", "/follow/vote"
VOTER_COOKIE = "headswap-ballot"
VOTER_S = 24 * 3600  # how long a browser keeps its number
READERS = 4  # threads for all phones together: no crowd of them takes one from the page
MOST_BYTES = 1000  # of a vote
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; "
    "form-action 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
View = Callable[[str, str], FollowView]  # (key, voter)
Say = Callable[[str, str, int, str], FollowView]  # (key, voter, choice, address)


class Follow:
    """ASGI middleware: answers its three addresses, passes everything else on."""

    def __init__(self, app: ASGIApp, *, view: View, vote: Say, secret: str) -> None:
        """Stand before an app; `secret` signs the numbers of browsers and outlives a restart."""
        self._app, self._view, self._vote = app, view, vote
        self._secret = hashlib.sha256(b"ballot:" + secret.encode()).digest()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="follow")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        path = route_of(scope).rstrip("/") if scope["type"] == "http" else ""
        if path not in (FOLLOW, NOW, VOTE):
            await self._app(scope, receive, send)
        elif path == VOTE:
            await self._take_vote(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _say(send, 405, "")
        else:
            await self._show(scope, send, whole=path == FOLLOW)

    async def _show(self, scope: Scope, send: Send, *, whole: bool) -> None:
        key, voter = _asked(scope, "key"), self._voter(scope)
        try:
            view = await self._off_the_loop(partial(self._view, key, voter))
        except NotFound as error:
            await _say(send, 404, lost_page(error.problem, error.remedy) if whole else "")
            return
        except HeadswapError:  # a damaged record, a full disk: the next look may do better
            await _say(send, 503, "")
            return
        if not whole:
            await _say(send, 200, follow_inside(view, key), moving=view.is_moving)
            return
        nonce = secrets.token_urlsafe(16)
        fresh = "" if voter else _cookie(self._signed(secrets.token_hex(16)), scope)
        await _say(send, 200, follow_page(view, key, nonce), nonce=nonce, cookie=fresh)

    async def _take_vote(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = await _form(receive) if scope["method"] == "POST" else None
        voter, key = self._voter(scope), (form or {}).get("key", "")
        choice = (form or {}).get("choice", "")
        if form is None or not voter or not choice.isdecimal() or len(choice) > 3:
            await _say(send, 400, "")  # a browser without its number has not opened the page
            return
        try:
            view = await self._off_the_loop(partial(self._vote, key, voter, int(choice), client_of(scope)))
        except NotFound:
            await _say(send, 404, "")
        except HeadswapError as error:
            await _say(send, 409, f"{error.problem} {error.remedy}")
        else:
            if _header(scope, b"accept").startswith("text/html"):  # a phone without scripts
                await _say(send, 303, "", location=f"../follow?key={key}")
            else:
                await _say(send, 200, follow_inside(view, key), moving=view.is_moving)

    def _signed(self, voter: str) -> str:
        return f"{voter}.{hmac.new(self._secret, voter.encode(), hashlib.sha256).hexdigest()}"

    def _voter(self, scope: Scope) -> str:
        """The number that this browser was given; "" when it has none, or made one up."""
        try:
            found = SimpleCookie(_header(scope, b"cookie")).get(VOTER_COOKIE)
        except CookieError:
            return ""
        said = str(found.value) if found is not None else ""
        voter = said.partition(".")[0]
        is_ours = ID.fullmatch(voter) and hmac.compare_digest(said.encode(), self._signed(voter).encode())
        return voter if is_ours else ""

    async def _off_the_loop(self, ask: Callable[[], FollowView]) -> FollowView:
        return await asyncio.get_running_loop().run_in_executor(self._readers, ask)


def _header(scope: Scope, name: bytes) -> str:
    value: bytes = dict(scope["headers"]).get(name, b"")
    return value.decode("latin-1")


def _asked(scope: Scope, name: str) -> str:
    text: bytes = scope.get("query_string", b"")
    return parse_qs(text.decode("latin-1")).get(name, [""])[0]


def _cookie(voter: str, scope: Scope) -> str:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{VOTER_COOKIE}={voter}; Path=/; Max-Age={VOTER_S}; HttpOnly; SameSite=Strict{secure}"


async def _form(receive: Receive) -> dict[str, str] | None:
    refusal, _, body = await body_of(receive, most_bytes=MOST_BYTES)
    if refusal is not None:
        return None
    return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}


async def _say(
    send: Send,
    status: int,
    html: str,
    *,
    nonce: str = "",
    cookie: str = "",
    location: str = "",
    moving: bool = False,
) -> None:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-robots-tag", b"noindex"),
        (b"content-security-policy", POLICY.format(nonce=nonce or "none").encode()),
        (b"x-moving", b"yes" if moving else b"no"),
    ]
    headers += [(b"set-cookie", cookie.encode())] if cookie else []
    headers += [(b"location", location.encode())] if location else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": html.encode()})
