"""Where a request comes from: this very page, no page at all, or a page of somebody else.

gradio lets any site ask in the name of whoever is logged in here, cookie and all (seen: 6.31 echoes
every Origin for a host that is not this machine). A page of somebody else may therefore ask nothing.
Where nobody logs in, the page answers to the names of this machine only: a site whose own name was
turned towards 127.0.0.1 would otherwise be "this very page".

Knows headers; nothing of the house behind them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether a page of another site asks; a program that is no browser says nothing of itself."""
    headers = Headers(scope=scope)
    origins = headers.getlist("origin")
    if any(not _is_same(origin, headers.get("host", ""), str(scope.get("scheme", ""))) for origin in origins):
        return True
    is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD")
    return headers.get("sec-fetch-site") == "cross-site" and not is_link


def is_known_here(scope: Scope, names: frozenset[str]) -> bool:
    """Whether the page was asked for under one of these names."""
    hosts = Headers(scope=scope).getlist("host")
    return len(hosts) == 1 and _name_of(hosts[0]) in names


def _is_same(origin: str, host: str, scheme: str) -> bool:
    """Host and port are the same; a proxy may have spoken TLS, so the schemes may differ."""
    try:
        there, here = urlsplit(origin), urlsplit(f"{scheme}://{host}")
        there_port = there.port or _PORTS.get(there.scheme)
        here_ports = {here.port} if here.port else {*_PORTS.values()}
    except ValueError:
        return False
    return bool(there.hostname) and there.hostname == here.hostname and there_port in here_ports


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
