"""The gate before the page: health for anyone who watches, and no one reads another person's transfers.

Flow:  HTTP request --Gateway--> /healthz, log-in answered here | refused | passed on to gradio
       every answer --shielded--> the same with its policies

gradio asks who you are, but then serves any upload to anyone who knows its address, and any event
stream to anyone who knows its session; it cancels for people who never logged in, and answers pages of
other sites. The gate opens the ways that this page needs and shuts all others. It remembers who brought
a file, was shown one or opened a session, and answers everyone else as if there were none.

Knows requests; nothing of the house behind them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.app.service.health import Health
from headswap.app.ui.gateway import login
from headswap.app.ui.gateway.counting import UploadCounter
from headswap.app.ui.gateway.headers import hashes_of, shielded
from headswap.app.ui.gateway.lockout import GuessCounter
from headswap.app.ui.gateway.origins import (
    client_of,
    is_from_elsewhere,
    is_known_here,
    is_led_here,
    is_this_machine,
    without_strange_names,
)
from headswap.app.ui.gateway.routes import (
    BEFORE_LOG_IN,
    BROKEN,
    ELSEWHERE,
    FILE_GONE,
    HEALTH,
    LOGIN,
    LOGOUT,
    NOT_IN,
    SESSION_GONE,
    UNREADABLE,
    Refusal,
    api_path_of,
    body_of,
    files_in,
    is_before_log_in,
    is_page,
    named,
    read,
    route_of,
    say,
    shut,
)
from headswap.app.ui.gateway.sessions import FileOwners, Logins, SessionOwners
from headswap.storage.files import to_json

LONGEST_EVENT = 16_000_000  # bytes of one line of an event stream that are looked at for files


@dataclass(frozen=True, kw_only=True)
class ServedPages:
    """What is served, and under which names."""

    names: frozenset[str] | None = None  # of this machine, under which alone the page is to be had; None: any
    pages: frozenset[str] = frozenset()  # names of the pages but the first
    first_script: bytes = b""  # that a page runs before gradio's own
    scripts: tuple[bytes, ...] = ()  # inline scripts that the page adds to itself when it is open


class Gateway:
    """ASGI middleware, innermost: what it sees is neither packed nor cut."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        health: Callable[[], Health],
        served: ServedPages | None = None,
        stamp: Callable[[str], str] | None = None,
        guesses: GuessCounter | None = None,
        uploads: UploadCounter | None = None,
    ) -> None:
        """Stand before an app.

        Args:
            app: gradio.
            health: what /healthz says.
            served: what stands behind the gate; None: one page, under any name.
            stamp: which code a name has now, empty: none; None: no one has to log in.
            guesses: how often a code may be tried; None: as often as a class needs.
            uploads: counts what comes; None: never mind.
        """
        served = served or ServedPages()
        self._app, self._health, self._names, self._uploads = app, health, served.names, uploads
        self._pages, self._first, self._later = served.pages, served.first_script, hashes_of(served.scripts)
        self._logins = Logins(stamp) if stamp else None
        self._files, self._sessions, self._events = FileOwners(), SessionOwners(), SessionOwners()
        self._guesses = guesses or GuessCounter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] == "websocket":  # gradio has none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            is_begun = False

            async def note(message: Message) -> None:
                nonlocal is_begun
                is_begun = True
                await send(message)

            asks_for_page = is_page(route_of(scope), self._pages)
            shield = shielded(note, is_page=asks_for_page, first=self._first, later=self._later)
            try:
                await self._answer(without_strange_names(scope), receive, shield)
            except Exception:
                if not is_begun:  # starlette's own last answer has no policies
                    await say(shield, *BROKEN)
                raise

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if route_of(scope).rstrip("/") == HEALTH:
            await self._tell_health(scope, send)
        elif refusal := self._refusal(scope):
            await say(send, *refusal)
        elif self._logins is None:
            await self._pass_on(scope, receive, send, "")
        else:
            await self._with_log_in(self._logins, scope, receive, send)

    async def _tell_health(self, scope: Scope, send: Send) -> None:
        """Strangers hear whether it is well: neither a version to attack nor a disk to fill."""
        health = self._health()
        is_known = self._logins is not None and self._logins.person(scope) is not None
        if is_known or is_this_machine(scope):
            said = to_json(health).encode()
        else:
            said = json.dumps({"well": health.well}).encode()
        await say(send, 200 if health.well else 503, said)

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Why a request goes no further, no matter who asks."""
        if self._names is not None and not is_known_here(scope, self._names):
            return ELSEWHERE
        if is_from_elsewhere(scope) or (route_of(scope) == LOGOUT and is_led_here(scope)):
            return ELSEWHERE
        return shut(scope, self._pages)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, person: str) -> None:
        """To gradio; an upload is counted on its way."""
        if self._uploads is not None and api_path_of(scope).rstrip("/") == "upload":
            await self._uploads.pass_on(self._app, scope, receive, send, person)
        else:
            await self._app(scope, receive, send)

    async def _with_log_in(self, logins: Logins, scope: Scope, receive: Receive, send: Send) -> None:
        person, api_path = logins.person(scope), api_path_of(scope)
        is_login = route_of(scope).rstrip("/") == LOGIN
        if is_login and scope["method"] == "POST":
            await self._log_in(logins, scope, receive, send)
        elif person is None:
            await self._to_stranger(scope, receive, send)
        elif is_login:
            await login.lead_on(send)
        elif not api_path or api_path.split("/")[0] in BEFORE_LOG_IN:
            await self._app(scope, receive, send)
        elif api_path.startswith("file="):
            may = self._files.may(api_path.removeprefix("file="), person)
            await (self._app(scope, receive, send) if may else say(send, *FILE_GONE))
        else:
            await self._ask(scope, receive, send, person)

    async def _to_stranger(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = route_of(scope)
        is_asked_for = is_page(route, self._pages) or route.rstrip("/") == LOGIN
        if scope["method"] in ("GET", "HEAD") and is_asked_for:
            await login.show_login(send, 200, login.wanted(scope))
        elif is_before_log_in(route):
            await self._app(scope, receive, send)
        else:
            await say(send, *NOT_IN)

    async def _log_in(self, logins: Logins, scope: Scope, receive: Receive, send: Send) -> None:
        """Anyone who tries too many codes is sent away before one more is looked at."""
        refusal, _, body = await body_of(receive, most_bytes=login.MOST_FORM_BYTES)
        form = None if refusal else await login.read_form(scope, body, self._pages)
        if form is None:
            await say(send, *(refusal or UNREADABLE))
            return
        client = client_of(scope)
        if self._guesses.is_crowded(client):
            await self._reject(scope, send, form, 503, login.CROWDED)
            return
        if not self._guesses.begin(client, form.name):
            await self._reject(scope, send, form, 429, login.TOO_OFTEN)
            return
        status, headers = 500, Headers()

        async def listen(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], Headers(raw=message["headers"])

        try:
            await self._app(scope, login.replayed(body, receive), listen)
        finally:
            self._guesses.end(client, form.name, wrong=status != 200)
        if status != 200:
            is_hot = self._guesses.is_hot(client, form.name)
            await self._reject(
                scope, send, form, 429 if is_hot else 400, login.TOO_OFTEN if is_hot else login.WRONG
            )
            return
        logins.note(scope, headers.getlist("set-cookie"))
        await login.let_in(scope, send, form, headers.getlist("set-cookie"))

    async def _reject(self, scope: Scope, send: Send, form: login.LoginForm, status: int, said: str) -> None:
        if login.is_person(scope):
            await login.show_login(send, status, form.next, said)
        else:
            await say(send, status, json.dumps({"detail": said}).encode())

    async def _ask(self, scope: Scope, receive: Receive, send: Send, person: str) -> None:
        """Everything that a request is about must be theirs, or new."""
        said = None
        if scope["method"] == "POST" and api_path_of(scope).rstrip("/") != "upload":
            refusal, receive, body = await body_of(receive)
            said = refusal or read(body)
            if isinstance(said, tuple):
                await say(send, *said)
                return
        if not all(self._files.may(path, person) for path in files_in(said)):
            await say(send, *FILE_GONE)
        elif not all(self._is_theirs(thing, person) for thing in named(scope, said)):
            await say(send, *SESSION_GONE)
        else:
            await self._pass_on(scope, receive, self._noting(send, person), person)

    def _is_theirs(self, thing: str, person: str) -> bool:
        """Events are held apart: a page makes one a second, and none of them may push a session out."""
        return (self._events if thing in self._events else self._sessions).take(thing, person)

    def _noting(self, send: Send, person: str) -> Send:
        """Pass an answer on, and remember whose the files or the event in it are."""
        left, kind = bytearray(), ""

        async def note(message: Message) -> None:
            nonlocal kind
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
            elif message["type"] == "http.response.body":
                left.extend(message.get("body", b""))
                if kind == "text/event-stream":
                    *lines, rest = bytes(left).split(b"\n")
                    left[:] = rest[:LONGEST_EVENT]
                    for line in lines:
                        if b'"path"' in line:
                            self._remember(line.removeprefix(b"data:"), person)
                elif kind != "application/json":
                    left.clear()
                elif not message.get("more_body", False):
                    self._remember(bytes(left), person)
            await send(message)

        return note

    def _remember(self, body: bytes, person: str) -> None:
        """A file that someone is shown is theirs to fetch: an upload, and what a listener answers with."""
        said = read(body)
        for path in said if isinstance(said, list) else ():  # of an upload
            if isinstance(path, str):
                self._files.add(path, person)
        for path in files_in(said):
            self._files.add(path, person)
        event = said.get("event_id") if isinstance(said, dict) else None
        if isinstance(event, str):
            self._events.take(event, person)
