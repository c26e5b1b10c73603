"""Count every byte of an upload as it comes, and stop it where its room ends.

Flow:  upload request --UploadCounter.pass_on--> gradio, or one sentence; what came is noted as waiting

A request need not say how long it is, and one that says so may lie. An upload that is stopped, or breaks off,
ends in the error by which the reader of forms clears away what it has written.

Knows requests, bytes and whose they are; nothing of pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headswap.app.service.uploads import Uploads
from headswap.app.ui.gateway.routes import NO_ROOM, Refusal, read, say

FORM_BYTES = 1_000_000  # what a form adds to its files
LARGE: Refusal = (
    413,
    b'{"detail":"This upload is larger than one may be here. Choose fewer or smaller files."}',
)
NO_SHARE: Refusal = (
    507,
    b'{"detail":"This upload does not fit into your share of the disk. Delete a run or a project."}',
)


@dataclass(frozen=True, kw_only=True)
class UploadRoom:
    """How many bytes may come now."""

    disk: int  # from everyone together
    share: int  # from this person
    once: int  # in one request


class UploadCounter:
    """Stands before the upload route."""

    def __init__(self, room: Callable[[str], UploadRoom], uploads: Uploads) -> None:
        self._room, self._uploads = room, uploads
        self._coming: Counter[str] = Counter()  # bytes of requests that are not over, by person

    async def pass_on(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, person: str) -> None:
        """Let an upload through as far as there is room."""
        room, came, stopped = self._room(person), 0, list[Refusal]()
        promised = Headers(scope=scope).get("content-length", "")
        if refusal := self._refusal(room, person, int(promised) if promised.isdecimal() else 0, 0):
            await say(send, *refusal)
            return
        body = bytearray()

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            size = len(message.get("body", b""))
            came += size
            self._coming[person] += size
            if refusal := self._refusal(room, person, 0, came):
                stopped.append(refusal)
            if stopped or message["type"] == "http.disconnect":
                raise MultiPartException("the upload was stopped")
            return message

        async def answer(message: Message) -> None:
            if stopped:
                return
            body.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._note(bytes(body), person)  # before anyone can ask for it
            await send(message)

        try:
            await app(scope, counted, answer)
        except MultiPartException:  # an app that does not answer it
            if not stopped:
                raise
        finally:
            self._coming[person] -= came
            self._coming = +self._coming
        if stopped:
            await say(send, *stopped[0])

    def _note(self, body: bytes, person: str) -> None:
        said = read(body)
        for path in said if isinstance(said, list) else ():
            self._uploads.note(person, Path(str(path)))

    def _refusal(self, room: UploadRoom, person: str, coming: int, came: int) -> Refusal | None:
        """Why no more may come, of `coming` that are promised or `came` that were counted."""
        if max(coming, came) > room.once + FORM_BYTES:
            return LARGE
        if self._coming.total() + coming > room.disk:
            return NO_ROOM
        if self._coming[person] + coming > room.share + FORM_BYTES:
            return NO_SHARE
        return None
