"""Messages between two processes: eight bytes of length, then a record as JSON. Never a pickle.

Flow:  record --write_message--> pipe --read_message--> the same record

A question is one message. Its answer is a `ChildReply`, and after a good one the answer itself.
Knows pipes and records; nothing of who talks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from headswap.storage.files import from_json, to_json

Message = TypeVar("Message")

_LENGTH_BYTES = 8


class Ask(Protocol):
    """Asks a process with a record, and takes the answer as a record of some kind."""

    def __call__(self, question: object, kind: type[Message], /) -> Message: ...


@dataclass(frozen=True)
class ChildReply:
    """That the answer follows, or why there is none."""

    error: str = ""  # the name of a HeadswapError class, or FAULT
    problem: str = ""
    remedy: str = ""


FAULT = "fault"  # a bug in the answering function; its traceback is in the log
READY = ChildReply()  # the first message of a child, which nothing follows: it has imported what it needs


def write_message(pipe: BinaryIO, message: object) -> None:
    """Send one record."""
    write_encoded(pipe, to_json(message).encode())


def write_encoded(pipe: BinaryIO, content: bytes) -> None:
    """Send a record that is JSON already."""
    pipe.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
    pipe.flush()


def read_message(pipe: BinaryIO, kind: type[Message]) -> Message | None:
    """Receive one record; None when the other side is gone, even in the middle of a message."""
    content = read_bytes(pipe)
    return from_json(kind, content) if content is not None else None


def read_bytes(pipe: BinaryIO) -> bytes | None:
    """Receive one record as JSON; None as for `read_message`."""
    length = _read_exactly(pipe, _LENGTH_BYTES)
    return _read_exactly(pipe, int.from_bytes(length, "big")) if length else None


def _read_exactly(pipe: BinaryIO, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = pipe.read(size - len(data))
        if not part:
            return None
        data += part
    return data
