"""The gate before the page: health for whoever watches, and nobody reads another person's transfers.

Flow:  HTTP request --Gate--> /healthz answered here | refused | passed on to gradio

gradio asks who you are, but then serves any upload to anybody who knows its address, and any event
stream to anybody who knows its session; it cancels for people who never logged in, and answers pages of
other sites. The gate opens the ways that this page needs and shuts all others. It remembers who brought
an upload and who opened a session, and answers everybody else as if there were none.

Knows requests; nothing of the house behind them.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.files import to_json
from headswap.service.health import Health
from headswap.ui.belongings import Logins, Owners, Turns, address_of
from headswap.ui.counting import UploadCounter
from headswap.ui.origins import is_from_elsewhere, is_known_here
from headswap.ui.ways import (
    BEFORE_LOG_IN,
    ELSEWHERE,
    FILE_GONE,
    HEALTH,
    NOT_IN,
    SESSION_GONE,
    TOO_OFTEN,
    Refusal,
    body_of,
    files_in,
    named,
    read,
    say,
    shielded,
    shut,
    way_of,
)

GUESSES_AT_ONCE, WRONG_GUESSES, GUESSING_S = 40, 300, 600.0  # of one address: a class may sit behind it


class Gate:
    """ASGI middleware, innermost: what it sees is neither packed nor cut."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        health: Callable[[], Health],
        stamp: Callable[[str], str] | None = None,
        names: frozenset[str] | None = None,
        guesses: Turns | None = None,
        uploads: UploadCounter | None = None,
    ) -> None:
        """Stand before an app.

        Args:
            app: gradio.
            health: what /healthz says.
            stamp: which code a name has now, empty: none; None: nobody has to log in.
            names: of this machine, under which alone the page is to be had; None: any.
            guesses: how often one address may try a code; None: as often as a class needs.
            uploads: counts what comes; None: never mind.
        """
        self._app, self._health, self._names, self._uploads = app, health, names, uploads
        self._logins = Logins(stamp) if stamp else None
        self._files, self._sessions = Owners(), Owners()
        self._guesses = guesses or Turns(
            at_once=GUESSES_AT_ONCE, in_a_while=WRONG_GUESSES, while_s=GUESSING_S
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] == "websocket":  # gradio has none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].rstrip("/") == HEALTH:
            health = self._health()
            await say(send, 200 if health.well else 503, to_json(health).encode())
        elif refusal := self._refusal(scope):
            await say(send, *refusal)
        elif self._logins is None:
            await self._pass_on(scope, receive, send, "")
        else:
            await self._with_log_in(self._logins, scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Why a request goes no further, whoever asks."""
        if self._names is not None and not is_known_here(scope, self._names):
            return ELSEWHERE
        if is_from_elsewhere(scope):
            return ELSEWHERE
        return shut(scope)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, person: str) -> None:
        """To gradio; an upload is counted on its way."""
        if self._uploads is not None and way_of(scope).rstrip("/") == "upload":
            await self._uploads.pass_on(self._app, scope, receive, send, person)
        else:
            await self._app(scope, receive, send)

    async def _with_log_in(self, logins: Logins, scope: Scope, receive: Receive, send: Send) -> None:
        person, way = logins.person(scope), way_of(scope)
        send = shielded(send)
        if scope["path"].rstrip("/") == "/login" and scope["method"] == "POST":
            await self._log_in(logins, scope, receive, send)
        elif not way or way.split("/")[0] in BEFORE_LOG_IN:  # a page: gradio shows its own log-in
            await self._app(scope, receive, send)
        elif person is None:
            await say(send, *NOT_IN)
        elif way.startswith("file="):
            may = self._files.may(address_of(way.removeprefix("file=")), person)
            await (self._app(scope, receive, send) if may else say(send, *FILE_GONE))
        else:
            await self._ask(scope, receive, send, person)

    async def _log_in(self, logins: Logins, scope: Scope, receive: Receive, send: Send) -> None:
        """A wrong code takes its time; whoever tries too many is sent away before that."""
        address = str((scope.get("client") or ("",))[0])
        if not self._guesses.begin(address):
            await say(send, *TOO_OFTEN)
            return
        is_in = False

        async def note(message: Message) -> None:
            nonlocal is_in
            if message["type"] == "http.response.start" and message["status"] == 200:
                is_in, headers = True, MutableHeaders(raw=message["headers"])
                cookies = headers.getlist("set-cookie")
                logins.note(scope, cookies)
                del headers["set-cookie"]  # gradio's would be sent along by pages of other sites
                for cookie in cookies:
                    headers.append("set-cookie", f"{_without_same_site(cookie)}; SameSite=lax")
            await send(message)

        try:
            refusal, again, _ = await body_of(receive, most_bytes=100_000)
            await (say(send, *refusal) if refusal else self._app(scope, again, note))
        finally:
            self._guesses.end(address, failed=not is_in)

    async def _ask(self, scope: Scope, receive: Receive, send: Send, person: str) -> None:
        """Everything that a request is about must be theirs, or new."""
        said = None
        if scope["method"] == "POST" and way_of(scope).rstrip("/") != "upload":
            refusal, receive, body = await body_of(receive)
            said = refusal or read(body)
            if isinstance(said, tuple):
                await say(send, *said)
                return
        if not all(self._files.may(address_of(path), person) for path in files_in(said)):
            await say(send, *FILE_GONE)
        elif not all(self._sessions.take(thing, person) for thing in named(scope, said)):
            await say(send, *SESSION_GONE)
        else:
            await self._pass_on(scope, receive, self._noting(send, person), person)

    def _noting(self, send: Send, person: str) -> Send:
        """Pass an answer on, and remember whose the files or the event in it are."""
        body, is_json = bytearray(), False

        async def note(message: Message) -> None:
            nonlocal is_json
            if message["type"] == "http.response.start":
                is_json = (
                    Headers(raw=message["headers"]).get("content-type", "").startswith("application/json")
                )
            elif message["type"] == "http.response.body" and is_json:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._remember(bytes(body), person)
            await send(message)

        return note

    def _remember(self, body: bytes, person: str) -> None:
        said = read(body)
        for path in said if isinstance(said, list) else ():  # of an upload
            if isinstance(path, str):
                self._files.add(address_of(path), person)
        event = said.get("event_id") if isinstance(said, dict) else None
        if isinstance(event, str):
            self._sessions.take(event, person)


def _without_same_site(cookie: str) -> str:
    parts = [part.strip() for part in cookie.split(";")]
    return "; ".join(part for part in parts if not part.lower().startswith("samesite"))
