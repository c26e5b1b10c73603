"""Whose is what, of the things that gradio hands to anyone who can name them; and who is asking.

Flow:  a log-in that went well --Logins.note--> token --Logins.person--> name, while its code stands
       upload, answer with a file --FileOwners.add--> "may this person name it?"
       session, event --SessionOwners.take--> "is it theirs, or new?"

A file belongs to those who brought it or were shown it; no one else may name it, and no file is forgotten
while it exists. Sessions and events have names that cannot be guessed and one owner, the first who names
them; each person has so many, so no one can push those of others out.

Knows requests and names; nothing of the house behind them.
"""

from __future__ import annotations

import os
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

MOST_LOGINS = 50_000  # the oldest are forgotten, which logs them out
FIRST_SWEEP = 10_000  # files that are remembered before those that are gone are let go
MOST_SESSIONS = 2_000  # of one person, each of sessions and events; the longest unused are forgotten
LONGEST_NAME = 200  # letters of a session's or an event's name; gradio's own have 11 to 32
_COOKIES = ("access-token", "access-token-unsecure")


class FileOwners:
    """Whose file is whose: several people may bring the same one."""

    def __init__(self, *, first_sweep: int = FIRST_SWEEP) -> None:
        """Look for files that are gone when so many are known, and again when twice as many as were left."""
        self._people: dict[str, set[str]] = {}
        self._paths: dict[str, str] = {}
        self._first_sweep = self._next_sweep = first_sweep

    def add(self, path: str, person: str) -> None:
        """Note that it is theirs, too."""
        address = address_of(path)
        self._people.setdefault(address, set()).add(person)
        self._paths[address] = path
        if len(self._people) > self._next_sweep:
            self._let_go()

    def may(self, path: str, person: str) -> bool:
        """Whether it is theirs."""
        return person in self._people.get(address_of(path), ())

    def _let_go(self) -> None:
        """Forget files that are gone; one that exists takes more room on its disk than its line here."""
        for address in [one for one, path in self._paths.items() if not os.path.lexists(path)]:
            del self._people[address], self._paths[address]
        self._next_sweep = max(self._first_sweep, 2 * len(self._people))


class SessionOwners:
    """Whose session or event is whose: the first who names it has it."""

    def __init__(self, *, most: int = MOST_SESSIONS) -> None:
        self._most = most
        self._owner: dict[str, str] = {}
        self._of: dict[str, OrderedDict[str, None]] = {}

    def __contains__(self, thing: str) -> bool:
        return thing in self._owner

    def take(self, thing: str, person: str) -> bool:
        """Whether it is theirs, or new and now theirs."""
        if len(thing) > LONGEST_NAME or self._owner.setdefault(thing, person) != person:
            return False
        mine = self._of.setdefault(person, OrderedDict())
        mine[thing] = None
        mine.move_to_end(thing)
        if len(mine) > self._most:
            del self._owner[mine.popitem(last=False)[0]]
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
        while len(self._given) > MOST_LOGINS:
            tokens.pop(self._given.popitem(last=False)[0], None)

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
