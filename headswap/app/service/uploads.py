"""Uploads that have come and are not taken in yet: whose they are, what they weigh, and when they go.

Flow:  a finished upload --Uploads.note--> counts towards a person's disk --Uploads.taken--> gone

Two people who bring the same file under the same name share one copy on the disk: it goes when the last of
them has taken it in. What no one takes in goes with the age that the page gives it.

Knows names of people and files; opens none.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from headswap.storage.files import discard


class Uploads:
    """What lies in the folder of uploads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._brought: dict[Path, Counter[str]] = {}  # file -> how often each person brought it

    def note(self, person: str, file: Path) -> None:
        """It has come, whole."""
        with self._lock:
            self._brought.setdefault(file.resolve(), Counter())[person] += 1

    def taken(self, person: str, file: Path) -> None:
        """It was taken in: remove it, unless someone brought it once more and still waits."""
        file = file.resolve()
        with self._lock:
            waiting = self._brought.get(file, Counter())
            if waiting[person] < 1:
                return
            waiting[person] -= 1
            if +waiting:
                return
            del self._brought[file]
        discard(file)  # where another program holds it, it goes with its age

    def waiting_bytes(self, person: str, *, but: Path | None = None) -> int:
        """What a person has brought and not taken in, leaving one file out."""
        with self._lock:
            self._brought = {file: people for file, people in self._brought.items() if file.is_file()}
            out = but.resolve() if but is not None else None
            files = [file for file, people in self._brought.items() if people[person] > 0 and file != out]
        return sum(map(_size, files))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # taken in this very moment
        return 0
