"""The page before the page: name and code, in plain HTML that works without a script.

Flow:  a page asked for by a stranger --login_page--> a form;  what it sends --read_form--> LoginForm | None

gradio has a form of its own. It says "Incorrect Credentials" and nothing else, is silent when someone is
sent away after too many guesses, and hands its scripts to strangers. This one says what to do, and loads
nothing.

Knows requests and words; nothing of codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import htpy as h
from markupsafe import Markup
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from headswap.app.ui.gateway.routes import is_page, route_of
from headswap.app.ui.widgets.html import rendered, web_text
from headswap.app.ui.widgets.icons import MARK, icon

MOST_FORM_BYTES = 100_000
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'self'"
)
WRONG = (
    "This name and this code do not belong together. Check the spelling of both and try again; if the code "
    "is lost, the person who runs this page can make a new one."
)
TOO_OFTEN = "Too many wrong codes were tried. Wait ten minutes, then try again."
CROWDED = "Many people log in at this moment. Try again in a few seconds."
_NEXT = re.compile(r"[\w-]*(\?[\w=&%.+~-]*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LoginForm:
    """What someone typed, and where they wanted to go."""

    name: str
    next: str  # relative to the log-in: a page and its query


def login_page(next_page: str, mistake: str = "") -> bytes:
    """The whole page; `mistake` says what was wrong the last time."""
    said = h.p(".mistake", role="alert")[icon("warn", "warn"), h.span[mistake]] if mistake else None
    name = h.input(
        name="username", autocomplete="username", autocapitalize="none", autofocus=True, required=True
    )
    code = h.input(name="password", type="password", autocomplete="current-password", required=True)
    form = h.form(method="post", action="login")[
        h.label["Your name", name],
        h.label["The code that you were given", code],
        h.input(type="hidden", name="next", value=next_page),
        h.button["Log in"],
    ]
    page = h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.title["headswap: log in"],
            h.link(rel="icon", href="data:,"),
            h.style[Markup(web_text("tokens.css") + web_text("login.css"))],
        ],
        h.body[h.header[MARK, h.span["headswap"]], h.main[h.h1["Log in"], said, form]],
    ]
    return rendered(page).encode()


async def show_login(send: Send, status: int, next_page: str, mistake: str = "") -> None:
    """Answer with the page."""
    await _answer(send, status, login_page(next_page, mistake))


async def let_in(scope: Scope, send: Send, form: LoginForm, cookies: list[str]) -> None:
    """Someone is in: on to the page that they asked for, with gradio's cookies made stricter."""
    told = [(b"set-cookie", _stricter(one, scope).encode("latin-1")) for one in cookies]
    if is_person(scope):
        await lead_on(send, form.next, told)
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *told]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"success":true}'})


async def lead_on(send: Send, next_page: str = "", more: list[tuple[bytes, bytes]] | None = None) -> None:
    """From the log-in to a page."""
    await _answer(send, 303, b"", [(b"location", f"./{next_page}".encode()), *(more or [])])


def wanted(scope: Scope) -> str:
    """The page that someone asked for, as the form remembers it; the first one when it is odd."""
    query = scope.get("query_string", b"").decode("latin-1")
    page = route_of(scope).removeprefix("/")
    asked = f"{page}?{query}" if query else page
    return asked if _NEXT.fullmatch(asked) else ""


async def read_form(scope: Scope, body: bytes, pages: frozenset[str]) -> LoginForm | None:
    """What gradio will read in it; None where it says one thing twice, or is no form."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        form = await Request(scope, receive).form(max_files=0, max_fields=20)
    except (HTTPException, MultiPartException, FormParserError):
        return None
    said = {key: form.getlist(key) for key in ("username", "password")}
    if not all(len(one) == 1 and isinstance(one[0], str) for one in said.values()):
        return None
    asked = str(form.get("next") or "")
    page = asked.partition("?")[0]
    is_ours = _NEXT.fullmatch(asked) and is_page(f"/{page}", pages)
    return LoginForm(name=str(said["username"][0]).strip(), next=asked if is_ours else "")


def is_person(scope: Scope) -> bool:
    """Whether a browser shows the answer to someone, rather than a program reads it."""
    accepts = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return b"text/html" in accepts


def replayed(body: bytes, receive: Receive) -> Receive:
    """The question once more, for who reads it next."""
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _stricter(cookie: str, scope: Scope) -> str:
    """gradio lets pages of other sites send one of its cookies along, and both over plain HTTP."""
    parts = {part.strip().partition("=")[0].lower(): part.strip() for part in cookie.split(";")}
    if scope.get("scheme") == "https":
        parts["secure"] = "Secure"
    return "; ".join({**parts, "samesite": "SameSite=lax"}.values())


async def _answer(
    send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", POLICY.encode()),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
