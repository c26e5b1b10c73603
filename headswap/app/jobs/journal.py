"""What a job said while it ran, line by line: `events.jsonl` in its folder.

Flow:  Event --Journal.append--> events.jsonl --read_events--> events again, after any reload

A worker may be killed in the middle of a line. The next one begins a new line, and a
reader passes over what it cannot read.

Knows events and one file; nothing of stores.
"""

from __future__ import annotations

import os
from pathlib import Path

from headswap.errors import BundleDamaged
from headswap.events import EpochEnd, Event, Guesses
from headswap.storage.files import append, from_json, to_json

FILE = "events.jsonl"


class Journal:
    """Appends to one job's events."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._is_whole = False  # whether the last line is known to have its end

    def append(self, event: Event) -> None:
        """Write one line with one system call.

        Raises:
            DiskFull, DiskFailed: the line is not there, or a part of it that readers pass over.
        """
        line = to_json(event).encode() + b"\n"
        if not self._is_whole:
            line = _missing_end(self._path) + line
        self._is_whole = False
        append(self._path, line)
        self._is_whole = True


def read_events(folder: Path) -> tuple[Event, ...]:
    """All events of a job, in order; of a pass taught again after a crash, only the last time."""
    path = folder / FILE
    if not path.is_file():
        return ()
    lines = path.read_bytes().split(b"\n")[
        :-1
    ]  # what follows the last line end is being written, or never was
    events: list[Event] = []
    for line in lines:
        try:
            event: Event = from_json(Event, line)
        except BundleDamaged:  # cut short by a kill
            continue
        if isinstance(event, EpochEnd | Guesses):
            events = [old for old in events if not _is_undone(old, event)]
        events.append(event)
    return tuple(events)


def _is_undone(old: Event, new: EpochEnd | Guesses) -> bool:
    return isinstance(old, type(new)) and old.number >= new.number


def _missing_end(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"
