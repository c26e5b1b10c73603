"""The folder through which a child tells how far it is, and hears that it is to end.

Flow:  child --note_progress--> folder/progress.json --> server;  server --> folder/stop --is_stopped--> child
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from headswap.errors import HeadswapError
from headswap.storage.files import to_json, write_text

PROGRESS, STOP = "progress.json", "stop"
_TELL_S = 0.3  # between two notes of how far it is


class RunFolder:
    """The child's end of the folder of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._told_at = folder, 0.0

    @property
    def is_stopped(self) -> bool:
        """Whether someone said that it is to end."""
        return (self._folder / STOP).exists()

    def note_progress(self, record: object) -> None:
        """Write how far it is, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._told_at < _TELL_S:
            return
        self._told_at = now
        with suppress(HeadswapError):  # a full disk: no one hears how far it is, and it goes on
            write_text(self._folder / PROGRESS, to_json(record))
