"""Whose is what, of the things that gradio hands to anybody who can name them; and who is asking.

Flow:  a log-in that went well --Logins.note--> token --Logins.person--> name, while its code stands
       upload, session, event --Owners.add--> "may this person name it?"

What is not remembered (too old, or made by the page itself) has an address that cannot be guessed.
Knows requests and names; nothing of the house behind them.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

MOST_REMEMBERED = 50_000  # uploads, sessions and log-ins each; the oldest are forgotten
LONGEST_NAME = 200  # letters of a session's or an event's name; gradio's own have 11 to 32
_COOKIES = ("access-token", "access-token-unsecure")


class Owners:
    """Whose is what: several people may bring the same file; a session has one owner."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, set[str]] = OrderedDict()

    def add(self, thing: str, person: str) -> None:
        """Note that it is theirs, too."""
        self._people.setdefault(thing, set()).add(person)
        while len(self._people) > MOST_REMEMBERED:
            self._people.popitem(last=False)

    def may(self, thing: str, person: str) -> bool:
        """Whether it is theirs, or nobody's."""
        people = self._people.get(thing)
        return people is None or person in people

    def take(self, thing: str, person: str) -> bool:
        """The first who names it has it."""
        if len(thing) > LONGEST_NAME or not self.may(thing, person):
            return False
        self.add(thing, person)
        return True


def address_of(path: str) -> str:
    """One spelling for all that lead to the same file: relative, doubled slashes, links, other letters."""
    try:
        path = os.path.realpath(f"/{path.lstrip('/')}" if path.startswith("/") else path)
    except (OSError, ValueError):  # such as a NUL byte: gradio finds nothing there either
        return path
    return unicodedata.normalize("NFC", path).casefold()


class Logins:
    """Who is logged in: gradio's tokens, each held to the code that it was given for."""

    def __init__(self, stamp: Callable[[str], str]) -> None:
        """`stamp` says which code a name has now, in a form that opens nothing; empty: none."""
        self._stamp = stamp
        self._given: OrderedDict[str, str] = OrderedDict()

    def note(self, scope: Scope, set_cookies: list[str]) -> None:
        """Remember the code behind a token that was just given."""
        tokens = _tokens_of(scope)
        for name in _COOKIES:
            token = _value_of(set_cookies, f"{name}-{_cookie_id(scope)}")
            if token in tokens:
                self._given[token] = self._stamp(tokens[token])
        while len(self._given) > MOST_REMEMBERED:
            self._given.popitem(last=False)

    def person(self, scope: Scope) -> str | None:
        """Who asks; a token whose code was changed or taken away is worth nothing any more."""
        tokens, cookies = _tokens_of(scope), HTTPConnection(scope).cookies
        token = next(filter(None, (cookies.get(f"{name}-{_cookie_id(scope)}") for name in _COOKIES)), "")
        name = tokens.get(token)
        if name is None:
            return None
        if not self._given.get(token) or self._given[token] != self._stamp(name):
            tokens.pop(token, None)
            self._given.pop(token, None)
            return None
        return name


class Turns:
    """How often each may try something: so many at once, so many in a while."""

    def __init__(self, *, at_once: int, in_a_while: int, while_s: float) -> None:
        self._at_once, self._in_a_while, self._while_s = at_once, in_a_while, while_s
        self._now: dict[str, int] = {}
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, who: str) -> bool:
        """Whether they may try now; then `end` must follow."""
        failed = self._failed.get(who, deque())
        while failed and time.monotonic() - failed[0] > self._while_s:
            failed.popleft()
        if self._now.get(who, 0) >= self._at_once or len(failed) >= self._in_a_while:
            return False
        self._now[who] = self._now.get(who, 0) + 1
        return True

    def end(self, who: str, *, failed: bool) -> None:
        """It is over."""
        self._now[who] -= 1
        if not self._now[who]:
            del self._now[who]
        if failed:
            self._failed.setdefault(who, deque(maxlen=self._in_a_while)).append(time.monotonic())
            while len(self._failed) > MOST_REMEMBERED:
                self._failed.popitem(last=False)


def _tokens_of(scope: Scope) -> dict[str, str]:
    tokens: dict[str, str] = getattr(scope.get("app"), "tokens", {})
    return tokens


def _cookie_id(scope: Scope) -> Any:
    return getattr(scope.get("app"), "cookie_id", "")


def _value_of(set_cookies: list[str], name: str) -> str:
    for line in set_cookies:
        try:
            found = SimpleCookie(line).get(name)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return ""
