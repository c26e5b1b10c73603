"""The thread that keeps the queue moving while the server runs.

Started and stopped by whoever owns the server; importing it starts nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import threading

from headswap.files import DiskFull
from headswap.jobs.queue import Queue

logger = logging.getLogger(__name__)


class Supervisor:
    """Calls `queue.tick()` twice a second, and at once when there is something new."""

    def __init__(self, queue: Queue, *, interval_s: float = 0.5) -> None:
        self._queue = queue
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; jobs that a killed server left behind are found by the first tick."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
            self._thread.start()

    def stop(self, *, stop_workers: bool = False) -> None:
        """End the thread and the spare. Workers go on, unless told to stop between two steps."""
        self._stopping.set()
        self._queue.woken.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._queue.stop_spare()
        if stop_workers:
            self._queue.stop_workers()

    def _run(self) -> None:
        is_swept = False
        while not self._stopping.is_set():
            self._queue.woken.clear()
            try:
                if not is_swept:
                    self._queue.sweep()
                    is_swept = True
                self._queue.tick()
            except (sqlite3.Error, OSError, DiskFull):  # a full or slow disk: the next tick may do better
                logger.exception("the queue could not be looked after")
            self._queue.woken.wait(self._interval_s)
