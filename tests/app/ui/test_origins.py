from __future__ import annotations

import pytest

from headswap.app.ui.gateway.origins import (
    THIS_MACHINE,
    client_of,
    is_from_elsewhere,
    is_known_here,
    is_led_here,
    is_this_machine,
    without_strange_names,
)


def asked(
    host: str | None, *, method: str = "POST", scheme: str = "http", **headers: str
) -> dict[str, object]:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    hosts = [(b"host", host.encode())] if host is not None else []
    return {"type": "http", "method": method, "scheme": scheme, "headers": [*hosts, *given]}


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:7860", "http://127.0.0.1:7860"), ("class.local:7860", "https://class.local:7860"),
        ("lab.example.org", "https://lab.example.org"), ("lab.example.org", "https://lab.example.org:443"),
        ("lab.example.org:443", "https://lab.example.org"), ("[::1]:7860", "http://[::1]:7860"),
        ("LAB.example.org", "https://lab.example.org"),
    ],
)  # fmt: skip
def test_the_page_itself_may_ask_also_from_behind_a_proxy(host: str, origin: str) -> None:
    assert not is_from_elsewhere(asked(host, origin=origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:7860", "http://127.0.0.1:8000"), ("lab.example.org", "https://example.org"),
        ("lab.example.org", "https://lab.example.org.evil.example"), ("lab.example.org", "null"),
        ("lab.example.org", "https://evil.example/lab.example.org"), ("lab.example.org", "https://[evil"),
        ("lab.example.org", "https://lab.example.org:99999"), ("lab.example.org", "lab.example.org"),
        ("", "https://evil.example"), ("lab.example.org", "https://lab.example.org@evil.example"),
    ],
)  # fmt: skip
def test_another_site_may_not(host: str, origin: str) -> None:
    assert is_from_elsewhere(asked(host, origin=origin))
    assert is_from_elsewhere(asked(host, origin=origin, x_forwarded_host="evil.example"))


def test_a_program_says_nothing_of_itself_and_may_ask() -> None:
    assert not is_from_elsewhere(asked("127.0.0.1:7860"))


def test_a_link_from_elsewhere_opens_the_page_but_sends_nothing() -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}

    assert not is_from_elsewhere(asked("class.local", method="GET", **link))
    assert is_from_elsewhere(asked("class.local", method="POST", **link))
    assert is_from_elsewhere(asked("class.local", method="GET", **{**link, "sec_fetch_mode": "no-cors"}))
    assert is_from_elsewhere(asked("class.local", method="GET", **{**link, "sec_fetch_dest": "iframe"}))
    assert is_led_here(asked("class.local", method="GET", **link))
    assert not is_led_here(asked("class.local", method="GET", sec_fetch_site="same-origin"))


def test_another_port_of_this_machine_is_another_site() -> None:
    other = {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"}

    assert is_from_elsewhere(asked("localhost:7860", method="GET", **other))
    assert not is_from_elsewhere(asked("localhost:7860", **{**other, "sec_fetch_site": "same-origin"}))


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LocalHost"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert is_known_here(asked(host), THIS_MACHINE)


@pytest.mark.parametrize(
    "host", [None, "", "evil.example:7860", "localhost.evil.example", "127.0.0.1@evil.example", "[x"]
)
def test_a_name_that_was_turned_towards_this_machine_is_not(host: str | None) -> None:
    assert not is_known_here(asked(host), THIS_MACHINE)


@pytest.mark.parametrize(
    ("client", "place"),
    [
        ("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64"), ("unix", "unix"), ("", ""),
    ],
)  # fmt: skip
def test_who_has_many_addresses_counts_once(client: str, place: str) -> None:
    assert client_of({**asked("class.local"), "client": (client, 1)}) == place
    assert client_of({**asked("class.local"), "client": None}) == ""


def test_only_who_sits_here_with_no_proxy_between_is_this_machine() -> None:
    here = {"client": ("127.0.0.1", 1)}

    assert is_this_machine({**asked("localhost:7860"), **here})
    assert is_this_machine({**asked("[::1]:7860"), "client": ("::1", 1)})
    assert not is_this_machine({**asked("localhost:7860"), "client": ("10.0.0.1", 1)})
    assert not is_this_machine({**asked("localhost:7860"), "client": None})
    assert not is_this_machine({**asked("lab.example.org"), **here})
    for header in (
        "x_forwarded_for",
        "forwarded",
        "via",
        "x_real_ip",
        "x_forwarded_host",
        "x_forwarded_proto",
    ):
        assert not is_this_machine({**asked("localhost:7860", **{header: "127.0.0.1"}), **here}), header


def test_a_name_that_was_not_asked_for_does_not_reach_gradio() -> None:
    def left(**headers: str) -> list[str]:
        scope = without_strange_names(asked("lab.example.org:443", **headers))
        return [name.decode() for name, _ in scope["headers"]]

    assert left(x_forwarded_host="lab.example.org") == ["host", "x-forwarded-host"]
    assert left(x_forwarded_host="evil.example") == ["host"]
    assert left(x_forwarded_host="evil.example, lab.example.org") == ["host"]
    assert left(x_gradio_server="http://lab.example.org") == ["host"]
    assert left(accept="x") == ["host", "accept"]
