"""Uploads that come at the same time, and one that breaks off: the counter around a small app."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive, Scope, Send

from headswap.app.service.uploads import Uploads
from headswap.app.ui.gateway.counting import FORM_BYTES, UploadCounter, UploadRoom
from tests.loops import run

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": []}


class Request:
    """An upload in parts; remembers what it was answered."""

    def __init__(self, *parts: int, then: asyncio.Event | None = None, breaks_off: bool = False) -> None:
        self._parts, self._then, self._breaks_off = list(parts), then, breaks_off
        self.half = asyncio.Event()
        self.status, self.body, self.error = 0, b"", ""

    async def receive(self) -> Message:
        if not self._parts:
            if self._breaks_off:
                return {"type": "http.disconnect"}
            self.half.set()
            if self._then is not None:
                await self._then.wait()
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": bytes(self._parts.pop(0)), "more_body": True}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
        except MultiPartException as error:  # as gradio: it clears its files away, and answers
            self.error = str(error)
            await send({"type": "http.response.start", "status": 400, "headers": []})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(["/tmp/a.zip"]).encode()})

    async def come(self, counter: UploadCounter, person: str) -> int:
        await counter.pass_on(self.app, SCOPE, self.receive, self.send, person)
        return self.status


def counter(**room: int) -> UploadCounter:
    wide = {"disk": 10**9, "share": 10**9, "once": 10**9}
    return UploadCounter(lambda person: UploadRoom(**{**wide, **room}), Uploads())


@pytest.mark.parametrize(("person", "room"), [("ada", {"share": 0}), ("bob", {"disk": FORM_BYTES})])
def test_uploads_that_come_at_once_share_what_room_there_is(person: str, room: dict[str, int]) -> None:
    async def both() -> tuple[int, int, int]:
        go, house = asyncio.Event(), counter(**room)
        first, second = Request(FORM_BYTES - 1, then=go), Request(2)
        coming = asyncio.create_task(first.come(house, "ada"))
        await first.half.wait()
        refused = await second.come(house, person)
        go.set()
        await coming
        return first.status, refused, await Request(2).come(house, person)

    assert run(both()) == (200, 507, 200)


def test_an_upload_that_breaks_off_lets_the_reader_of_forms_clear_up_and_is_counted_no_more() -> None:
    async def come() -> tuple[str, int]:
        house = counter(share=0)
        broken = Request(FORM_BYTES, breaks_off=True)
        await broken.come(house, "ada")
        return broken.error, await Request(FORM_BYTES).come(house, "ada")

    assert run(come()) == ("the upload was stopped", 200)


def test_a_fault_of_the_app_is_not_hidden() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def nothing(*_: Any) -> Any:
        return None

    with pytest.raises(ZeroDivisionError):
        run(counter().pass_on(fail, SCOPE, nothing, nothing, "ada"))


def test_an_upload_that_is_stopped_is_answered_and_hides_no_fault_of_the_app() -> None:
    said: list[int] = []

    async def come(fault: type[Exception] | None) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await receive()
            except MultiPartException as error:
                raise (fault or error) from error

        async def send(message: Message) -> None:
            said.append(message.get("status", 0))

        await counter(once=0).pass_on(app, SCOPE, Request(FORM_BYTES + 1).receive, send, "ada")

    run(come(None))
    assert said == [413, 0]
    with pytest.raises(ZeroDivisionError):
        run(come(ZeroDivisionError))


def test_what_came_whole_is_noted_for_who_brought_it(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(bytes(1000))
    uploads = Uploads()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = json.dumps([str(tmp_path / "a.zip")]).encode()
        await send({"type": "http.response.body", "body": body})

    async def nothing(*_: Any) -> Any:
        return None

    wide = UploadRoom(disk=10**9, share=10**9, once=10**9)
    run(UploadCounter(lambda _: wide, uploads).pass_on(app, SCOPE, nothing, nothing, "ada"))

    assert (uploads.waiting_bytes("ada"), uploads.waiting_bytes("bob")) == (1000, 0)
