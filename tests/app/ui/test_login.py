"""The page before the page."""

from __future__ import annotations

from typing import Any

import pytest

from headswap.app.ui.gateway.login import WRONG, let_in, login_page, read_form, wanted
from tests.loops import run

PAGES = frozenset({"", "runs", "learn"})
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def asked(path: str, query: str = "") -> dict[str, Any]:
    return {"type": "http", "path": path, "query_string": query.encode(), "method": "GET", "headers": []}


def test_the_page_says_what_to_do_and_runs_no_script() -> None:
    page = login_page('learn?"><script>', WRONG).decode()

    assert "do not belong together. Check the spelling of both and try again" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [("/learn", "lesson=norms", "learn?lesson=norms"), ("/", "", ""), ("/runs", "", "runs"),
     ("/learn", "x=<script>", ""), ("//evil.example", "", ""), ("/\\evil.example", "", "")],
)  # fmt: skip
def test_the_page_that_was_asked_for_comes_after_the_log_in(path: str, query: str, page: str) -> None:
    assert wanted(asked(path, query)) == page


@pytest.mark.parametrize(
    "body",
    [b"username=ada", b"password=x", b"username=ada&username=bob&password=x", b"", b"\xff\xfe",
     b"username=ada&password=x&password=y"],
)  # fmt: skip
def test_a_form_that_says_too_little_or_one_thing_twice_is_none(body: bytes) -> None:
    assert run(read_form({**asked("/login"), "method": "POST", "headers": [FORM]}, body, PAGES)) is None


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=x", b"text/plain"])
def test_a_form_of_another_kind_that_cannot_be_read_is_none(kind: bytes) -> None:
    scope = {**asked("/login"), "method": "POST", "headers": [(b"content-type", kind)]}

    assert run(read_form(scope, b"--x\r\nbroken", PAGES)) is None


@pytest.mark.parametrize(
    "there", ["//evil.example", "https:evil.example", "\\\\evil", "follow", "learn/../x", "config"]
)
def test_nobody_is_led_elsewhere_by_the_log_in(there: str) -> None:
    body = f"username=%20ada%20&password=x&next={there}".encode()

    form = run(read_form({**asked("/login"), "headers": [FORM]}, body, PAGES))

    assert form is not None
    assert (form.name, form.next) == ("ada", "")


def test_the_cookies_of_gradio_are_made_stricter() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    form = run(read_form({**asked("/login"), "headers": [FORM]}, b"username=a&password=b&next=runs", PAGES))
    assert form is not None
    scope = {**asked("/login"), "scheme": "https", "headers": [(b"accept", b"text/html")]}
    run(
        let_in(
            scope, send, form, ["a=1; HttpOnly; Path=/; SameSite=none; Secure", "b=2; HttpOnly; SameSite=lax"]
        )
    )

    cookies = [value for name, value in sent[0]["headers"] if name == b"set-cookie"]
    assert cookies == [
        b"a=1; HttpOnly; Path=/; SameSite=lax; Secure", b"b=2; HttpOnly; SameSite=lax; Secure",
    ]  # fmt: skip
    assert (b"location", b"./runs") in sent[0]["headers"]
