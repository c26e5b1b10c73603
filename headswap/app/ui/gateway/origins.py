"""Where a request comes from: this very page, no page at all, or a page of someone else; which address.

gradio lets any site ask in the name of anyone who is logged in here, cookie and all (seen: 6.31 echoes
every Origin for a host that is not this machine). A page of someone else may therefore ask nothing.
Where no one logs in, the page answers to the names of this machine only: a site whose own name was
turned towards 127.0.0.1 would otherwise be "this very page". What a proxy says is believed as far as uvicorn
believes it (the address, from a proxy on this machine) and no further: gradio would build its links on it.

Knows headers; nothing of the house behind them.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}
_BY_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_NEIGHBOURS = 64  # bits of an IPv6 address that one household or school shares; the rest changes at will


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether a page of another site asks; a program that is no browser says nothing of itself."""
    headers = Headers(scope=scope)
    origins = headers.getlist("origin")
    if any(not _is_same(origin, headers.get("host", ""), str(scope.get("scheme", ""))) for origin in origins):
        return True
    is_link = (
        headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"  # in a tab, not in a frame
        and scope["method"] in ("GET", "HEAD")
    )
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_link


def is_led_here(scope: Scope) -> bool:
    """Whether a link of another site brought someone; only browsers over TLS or on this machine say so."""
    return Headers(scope=scope).get("sec-fetch-site", "none") not in ("none", "same-origin")


def is_this_machine(scope: Scope) -> bool:
    """Whether the asker sits at this machine, and no proxy stands between."""
    headers = Headers(scope=scope)
    try:
        is_near = ip_address(str((scope.get("client") or ("",))[0])).is_loopback
    except ValueError:
        return False
    return is_near and is_known_here(scope, THIS_MACHINE) and not any(name in headers for name in _BY_A_PROXY)


def client_of(scope: Scope) -> str:
    """The address that asks; the many that IPv6 gives to one household count as one."""
    said = str((scope.get("client") or ("",))[0])
    try:
        address = ip_address(said.partition("%")[0])
    except ValueError:
        return said
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _NEIGHBOURS), strict=False))
    return str(address)


def without_strange_names(scope: Scope) -> Scope:
    """The request without headers that make gradio build its links on a name that was not asked for."""
    host = _name_of(Headers(scope=scope).get("host", ""))
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"x-gradio-server"
        and (name != b"x-forwarded-host" or _name_of(value.decode("latin-1").split(",")[0].strip()) == host)
    ]
    return scope if len(kept) == len(scope["headers"]) else {**scope, "headers": kept}


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
