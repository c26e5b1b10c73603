from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headswap.app.ui.gateway.routes import (
    FILE_GONE,
    NO_METHOD,
    SHUT,
    TOO_LARGE,
    TOO_SLOW,
    UNREADABLE,
    api_path_of,
    body_of,
    files_in,
    is_page,
    named,
    read,
    route_of,
    shut,
)
from tests.loops import run


def asked(path: str, query: str = "", method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "path": path, "query_string": query.encode(), "method": method}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        "/login",
        "/config",
        "/gradio_api/queue/join",
        "/gradio_api/file=/tmp/a.zip",
        "/assets/a.js",
    ],
)
def test_what_the_page_needs_is_open(path: str) -> None:
    assert shut(asked(path), ("", "runs")) is None
    assert shut({**asked(f"/school{path}"), "root_path": "/school"}, ("", "runs")) is None


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/gradio_api/file/etc/passwd", "/gradio_api/stream/x", "/gradio_api/component_server",
     "/gradio_api/proxy=x", "/gradio_api/deep_link", "/gradio_api/vibe-edit", "/gradio_api/something new",
     "/openapi.json", "/svelte/x", "/pwa_icon", "//login", "/login\n", "/Login", "/login.", "/login/x",
     "/learn",
     "/runs/x", "/gradio_api", "/gradio_api/", "/gradio_api//upload", "/gradio_api/upload\n",
     "/gradio_api/file=/a\n", "/follow/other", "/assets", ""],
)  # fmt: skip
def test_what_it_does_not_need_is_shut(path: str) -> None:
    if path:
        assert shut(asked(path), ("", "runs")) == SHUT
    assert shut({**asked(f"/school{path}x"), "root_path": "/school"}, ("", "runs")) == SHUT


def test_the_prefix_of_a_proxy_is_read_as_the_router_reads_it() -> None:
    def route(path: str, root: str) -> str:
        return route_of({**asked(path), "root_path": root})

    assert route("/school/gradio_api/upload", "/school") == "/gradio_api/upload"
    assert route("/gradio_api/upload", "/school") == "/gradio_api/upload"
    assert route("/schoolgradio_api/upload", "/school") == "/schoolgradio_api/upload"
    assert route("/school", "/school") == "/"
    assert route("/school/school/x", "/school") == "/school/x"
    assert route("/x", "https://lab.example.org/school") == "/x"
    assert api_path_of({**asked("/school/gradio_api/file=/a"), "root_path": "/school"}) == "file=/a"


def test_a_page_is_one_that_was_named() -> None:
    assert [is_page(path, ("", "runs")) for path in ("/", "/runs", "/runs/", "/run", "//", "/runs//")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get"])
def test_a_method_that_the_page_does_not_use_is_none(method: str) -> None:
    assert shut(asked("/", method=method)) == NO_METHOD


def test_nothing_is_fetched_from_the_web() -> None:
    assert shut(asked("/gradio_api/file=https://example.org/x")) == FILE_GONE
    assert shut(asked("/gradio_api/file=C:\\a.zip")) is None
    assert api_path_of(asked("/x/gradio_api/upload")) == ""


def test_what_a_request_is_about_is_found_wherever_it_says_so() -> None:
    found = named(
        asked("/gradio_api/call/v2/predict/e1/", "session_hash=a&x=1&session_hash=b&upload_id=&event_id=c"),
        {"session_hash": "d", "event_id": 7, "data": [{"session_hash": "no"}]},
    )

    assert found == ["a", "b", "c", "e1", "d", "7"]


def test_files_are_found_however_deep_they_are() -> None:
    said = {"data": [[{"path": "a"}, {"x": {"path": "b", "more": [{"path": "c"}]}}], "path", {"path": 1}]}

    assert sorted(files_in(said)) == ["a", "b", "c"]


def test_a_body_is_read_once_and_can_be_read_again() -> None:
    messages = [
        {"type": "http.request", "body": b'{"a":', "more_body": True},
        {"type": "http.request", "body": b"1}", "more_body": False},
    ]

    async def read_twice() -> tuple[bytes, list[bytes]]:
        left = list(messages)

        async def receive() -> Any:
            return left.pop(0)

        refusal, again, body = await body_of(receive)
        assert refusal is None
        return body, [(await again())["body"], (await again())["body"]]

    body, parts = run(read_twice())

    assert read(body) == {"a": 1}
    assert b"".join(parts) == body


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    refusal, _, body = run(body_of(receive, most_bytes=10_000))

    assert (refusal, body) == (TOO_LARGE, b"")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    refusal, _, body = run(body_of(never, longest_s=0.01))

    assert (refusal, body) == (TOO_SLOW, b"")


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b"\xff", b"nul", b'{"a": 1, "b": [{"c": 1, "c": 2}]}']
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    assert read(body) == UNREADABLE


def test_nothing_said_is_nothing() -> None:
    assert read(b"") is None
