from __future__ import annotations

from typing import Any

import pytest

from headswap.ui.ways import (
    FILE_GONE,
    SHUT,
    TOO_LARGE,
    UNREADABLE,
    body_of,
    files_in,
    named,
    read,
    shut,
    way_of,
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
    assert shut(asked(path)) is None


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/gradio_api/file/etc/passwd", "/gradio_api/stream/x", "/gradio_api/component_server",
     "/gradio_api/proxy=x", "/gradio_api/deep_link", "/gradio_api/vibe-edit", "/gradio_api/something new"],
)  # fmt: skip
def test_what_it_does_not_need_is_shut(path: str) -> None:
    assert shut(asked(path)) == SHUT


def test_nothing_is_fetched_from_the_web() -> None:
    assert shut(asked("/gradio_api/file=https://example.org/x")) == FILE_GONE
    assert shut(asked("/gradio_api/file=C:\\a.zip")) is None
    assert way_of(asked("/x/gradio_api/upload")) == ""


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


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff", b"nul"])
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    assert read(body) == UNREADABLE


def test_nothing_said_is_nothing() -> None:
    assert read(b"") is None
