"""Messages between two processes: eight bytes of length, then JSON text. Never a pickle.

Flow:  record --write_message--> pipe --read_message--> the same record

Knows pipes and records; nothing of who talks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from headswap.storage.files import from_json, to_json

Message = TypeVar("Message")

_LENGTH_BYTES = 8


@dataclass(frozen=True)
class ChildRequest:
    """What the server asks."""

    text: str


@dataclass(frozen=True)
class ChildReply:
    """What comes back: a text, or why there is none."""

    text: str = ""
    error: str = ""  # the name of a HeadswapError class, or FAULT
    problem: str = ""
    remedy: str = ""


FAULT = "fault"  # a bug in the answering function; its traceback is in the log
READY = ChildReply(text="ready")  # the first message of a child: it has imported what it needs


def write_message(pipe: BinaryIO, message: object) -> None:
    """Send one record."""
    content = to_json(message).encode()
    pipe.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
    pipe.flush()


def read_message(pipe: BinaryIO, kind: type[Message]) -> Message | None:
    """Receive one record; None when the other side is gone, even in the middle of a message."""
    length = _read_exactly(pipe, _LENGTH_BYTES)
    content = _read_exactly(pipe, int.from_bytes(length, "big")) if length else None
    return from_json(kind, content) if content is not None else None


def ask_for(kind: type[Message], ask: Callable[[str], str], question: object) -> Message:
    """Ask with a record and take the answer as a record: `ask` of a child knows texts only."""
    found: Message = from_json(kind, ask(to_json(question)))
    return found


def _read_exactly(pipe: BinaryIO, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = pipe.read(size - len(data))
        if not part:
            return None
        data += part
    return data
