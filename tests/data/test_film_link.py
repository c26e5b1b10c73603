"""A link to a film becomes a film in a class folder, or one sentence; no stranger reaches our network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headswap import film
from headswap.cli.main import main
from headswap.data import film_link
from headswap.data.film_link import fetch_film, is_public
from headswap.errors import BadSetting, BadUpload, Cancelled
from headswap.events import Event, Progress
from tests.data.film_server import FILM, film_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with film_server() as address:
        yield address


def test_a_link_becomes_a_film_of_a_class(server: str, tmp_path: Path, capsys: Any) -> None:
    heard: list[Event] = []

    first = film(f"{server}/film.mp4?take=1", tmp_path / "mugs" / "cup", listener=heard.append)
    second = film(f"{server}/hop", tmp_path / "mugs" / "cup")
    named_by_kind = film(f"  {server}/camera ", tmp_path / "mugs" / "cup")

    names = [Path(one.path).name for one in (first, second, named_by_kind)]
    assert names == ["film.mp4", "film-2.mp4", "camera.mp4"]
    assert Path(first.path).read_bytes() == FILM
    assert (first.size, first.frames) == (len(FILM), 4)
    assert heard[-1] == Progress("film", len(FILM), len(FILM), unit="bytes")
    assert main(["film", f"{server}/film.mp4", str(tmp_path / "shell")]) == 0
    assert "gives 4 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nothing.mp4", "There is nothing at .* \\(404\\)"),
        ("/watch", "leads to a web page and not to a film"),
        ("/stream.m3u8", "is a list of pieces of a stream"),
        ("/text.mp4", "cannot be read as a film"),
        ("/empty.mp4", "does not answer, or broke off"),
        ("/half.mp4", "does not answer, or broke off"),
        ("/long.mp4", "is larger than 200 MB"),
        ("/private.mp4", "needs a login \\(403\\)"),
        ("/login.mp4", "needs a login \\(401\\)"),
        ("/broken.mp4", "answers 500"),
        ("/disk", "answers 302"),
        ("/ring", "answers 302"),
    ],
)
def test_a_link_to_something_else_is_one_sentence_and_nothing_is_left(
    server: str, tmp_path: Path, path: str, problem: str
) -> None:
    with pytest.raises(BadUpload, match=problem):
        film(f"{server}{path}", tmp_path / "cup")

    assert not (tmp_path / "cup").exists()


@pytest.mark.parametrize(
    "link",
    ["", "film.mp4", "ftp://x/film.mp4", "file:///etc/hosts", "http://", "http://x:port/a.mp4",
     "http://[::1/a.mp4", "http://x/a b.mp4\r\nHost: y", "https://ada:secret@x/film.mp4"],
)  # fmt: skip
def test_what_is_no_link_is_refused_before_anybody_is_asked(tmp_path: Path, link: str) -> None:
    with pytest.raises(BadSetting) as told:
        film(link, tmp_path)

    assert "secret" not in str(told.value)


def test_what_is_stopped_or_grows_too_large_leaves_nothing(server: str, tmp_path: Path) -> None:
    def stop(_event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        film(f"{server}/film.mp4", tmp_path / "cup", listener=stop)
    coming = fetch_film(f"{server}/film.mp4", tmp_path)
    next(coming)
    coming.close()  # as the page does when its person presses Cancel
    with pytest.raises(BadUpload, match="is larger than 0 MB"):
        list(fetch_film(f"{server}/film.mp4", tmp_path, most_bytes=100))

    assert not list(tmp_path.iterdir())


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BadUpload, match="does not answer"):
            film(f"http://127.0.0.1:{free.getsockname()[1]}/a.mp4", tmp_path)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False), ("0.0.0.0", False), ("10.1.2.3", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fd00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_of_the_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_stranger_reaches_nothing_of_this_machine(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number, by name, after a redirect, and by a name that leads elsewhere when it is asked again."""
    port = server.rpartition(":")[2]
    for link in (
        f"{server}/film.mp4",
        f"http://localhost:{port}/film.mp4",
        f"http://2130706433:{port}/film.mp4",
    ):
        with pytest.raises(BadUpload, match="leads into a network that only this server can see"):
            list(fetch_film(link, tmp_path, is_local_allowed=False))

    real, first = film_link.is_public, iter([True])
    monkeypatch.setattr(film_link, "is_public", lambda address: next(first, None) or real(address))
    with pytest.raises(BadUpload, match="leads into a network"):
        list(fetch_film(f"{server}/hop", tmp_path, is_local_allowed=False))

    connected: list[Any] = []
    monkeypatch.setattr(film_link, "is_public", real)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("93.184.216.34", 80))])
    monkeypatch.setattr(
        socket,
        "create_connection",
        lambda address, **_: connected.append(address) or (_ for _ in ()).throw(ConnectionError),
    )
    with pytest.raises(BadUpload, match="does not answer"):
        list(fetch_film("http://rebound.example/film.mp4", tmp_path, is_local_allowed=False))
    assert connected == [("93.184.216.34", 80)]
    assert not list(tmp_path.iterdir())
