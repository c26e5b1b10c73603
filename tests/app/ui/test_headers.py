"""The policies of every answer."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from headswap.app.ui.gateway.headers import hashes_of, inline_scripts, shielded
from tests.loops import run


def told(
    kind: str, *parts: bytes, is_page: bool = True, first: bytes = b"", headers: tuple[Any, ...] = ()
) -> list[Any]:
    sent: list[Any] = []

    async def answer() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        shield = shielded(send, is_page=is_page, first=first, later=" 'later'")
        await shield(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", kind.encode()), *headers],
            }
        )
        for place, part in enumerate(parts):
            more = place < len(parts) - 1
            await shield({"type": "http.response.body", "body": part, "more_body": more})

    run(answer())
    return sent


def policy(sent: list[Any]) -> str:
    return dict(sent[0]["headers"])[b"content-security-policy"].decode()


def hashed(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def test_the_scripts_of_a_page_are_told_by_their_hashes_and_its_body_is_as_it_was() -> None:
    parts = b'<script>a = "<b>"</scr', b'ipt><script src="x.js"></script><script data-x>\r\nb</script>'

    sent = told("text/html; charset=utf-8", *parts)

    assert hashed(b'a = "<b>"') in policy(sent)
    assert hashed(b"\nb") in policy(sent)
    assert policy(sent).count("sha256") == 2
    assert "'later'" in policy(sent)
    assert b"".join(message["body"] for message in sent[1:]) == b"".join(parts)


def test_a_script_of_ours_comes_before_all_others() -> None:
    page = b"<html><head><script>a</script></head></html>"

    sent = told("text/html", page, first=b"f", headers=((b"content-length", b"%d" % len(page)),))

    assert sent[1]["body"] == b"<html><head><script>f</script><script>a</script></head></html>"
    assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % len(sent[1]["body"])
    assert hashed(b"f") in policy(sent)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "image/svg+xml", "text/html"])
def test_what_is_no_page_runs_no_script_of_its_own_and_does_not_wait(kind: str) -> None:
    sent = told(kind, b"<script>a</script>", b"b", is_page=False)

    assert "sha256" not in policy(sent)
    assert "unsafe-inline" not in policy(sent).partition("script-src")[2].partition(";")[0]
    assert [message["body"] for message in sent[1:]] == [b"<script>a</script>", b"b"]
    headers = dict(sent[0]["headers"])
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"same-origin"


def test_a_stricter_policy_stays() -> None:
    sent = told(
        "text/html", b"<script>a</script>", headers=((b"content-security-policy", b"default-src 'none'"),)
    )

    assert policy(sent) == "default-src 'none'"


def test_no_script_is_no_hash() -> None:
    assert hashes_of(inline_scripts(b"<p>script</p>")) == ""
