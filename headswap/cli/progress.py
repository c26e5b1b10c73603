"""What a shell shows: text in any encoding, and one progress bar on stderr for each step of long work."""

from __future__ import annotations

import io
import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from headswap.events import Event, Note, Progress, text_of_step


def escape_unprintable() -> None:
    """Let what a stream's encoding lacks come out as `\\u0141` instead of ending the program.

    The encoding itself stays the one that the system or the person chose: anyone who reads a pipe on Windows
    (`more`, `findstr`, PowerShell) decodes it by the system's code page and not as UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None without a console, anything in a notebook
            stream.reconfigure(errors="backslashreplace")


class Bars:
    """A listener that draws; use it as a context so that no bar is left open."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[object]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            tqdm.write(event.sentence, file=sys.stderr)
        if isinstance(event, Progress):
            bar = self._bars.get(event.step)
            if bar is None:  # one whose total no one knows is neither true nor false
                bar = self._open(event)
            if event.done < bar.n:  # the same step of the next network
                bar.reset(event.total or None)
            bar.total = event.total or None
            bar.update(event.done - bar.n)

    def _open(self, event: Progress) -> tqdm[object]:
        in_bytes = event.unit == "bytes"
        if not sys.stderr.isatty():  # a log file, or a pipe: no bar, one line
            tqdm.write(f"{text_of_step(event.step).name} …", file=sys.stderr)
            sys.stderr.flush()
        bar: tqdm[object] = tqdm(  # type: ignore[assignment]
            total=event.total or None,
            desc=text_of_step(event.step).name,
            unit="B" if in_bytes else f" {event.unit}",
            unit_scale=in_bytes,
            file=sys.stderr,
            disable=None,  # silent when stderr is not a terminal
        )
        self._bars[event.step] = bar
        return bar
