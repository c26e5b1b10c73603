"""What a verb says on the head of a cluster, as lines of its log, and how the shell that asked reads them.

Flow:  what a verb prints, events --FramedText, FramedEvents--> lines of a log --frames_of--> another shell

Other programs write into the same log, so a line of ours begins with a mark.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from headswap.events import Event, Note, Progress
from headswap.storage.files import from_plain, to_plain

_MARK = "headswap-frame "
_PARTS = 200  # of the time that has passed: a step is told no oftener, or a log would grow without an end

Frame = dict[str, Any]


def write_frame(log: TextIO, frame: Frame) -> None:
    """One line of the log."""
    log.write(f"{_MARK}{json.dumps(frame)}\n")
    log.flush()


def frames_of(log: str) -> list[Frame]:
    """What a verb has said so far."""
    whole = log[: log.rfind("\n") + 1]  # the last line may still be written
    return [json.loads(line[len(_MARK) :]) for line in whole.split("\n") if line.startswith(_MARK)]


def other_lines(log: str) -> list[str]:
    """What else is in a log, such as the words of a shell that finds no Python."""
    return [line for line in log.splitlines() if line.strip() and not line.startswith(_MARK)]


class FramedText(io.TextIOBase):
    """Stands for stdout or stderr: a frame for each line."""

    def __init__(self, log: TextIO, kind: Literal["out", "err"], shown: Callable[[str], str]) -> None:
        """`shown` gives a line as the person who asked knows what is named in it."""
        self._log, self._kind, self._shown, self._line = log, kind, shown, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            write_frame(self._log, {self._kind: self._shown(f"{line}\n")})
        return len(text)

    def close(self) -> None:
        if self._line:
            self.write("\n")
        super().close()


class FramedEvents:
    """A listener whose events are heard elsewhere; a context, as `headswap.cli.progress.Bars` is one."""

    def __init__(self, log: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._begun_at = clock()
        self._told_at: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            write_frame(self._log, {"note": to_plain(event)})
        if isinstance(event, Progress):
            now = self._clock()
            pause = max(1.0, (now - self._begun_at) / _PARTS)
            is_due = now - self._told_at.get(event.step, -pause) >= pause
            if is_due or event.done == event.total:
                self._told_at[event.step] = now
                write_frame(self._log, {"progress": to_plain(event)})


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Where frames are shown."""

    out: TextIO
    err: TextIO
    listener: Callable[[Event], None]

    def show(self, frame: Frame) -> None:
        """Say here what was said there."""
        match frame:
            case {"out": text}:
                self.out.write(text)
                self.out.flush()
            case {"err": text}:
                self.err.write(text)
            case {"note": note}:
                self.listener(from_plain(Note, note))
            case {"progress": progress}:
                self.listener(from_plain(Progress, progress))
