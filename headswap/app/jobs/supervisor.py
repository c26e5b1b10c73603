"""The thread that keeps the queue moving while the server runs.

Started and stopped by the owner of the server; importing it starts nothing.
"""

from __future__ import annotations

import logging
import threading
import time

from headswap.app.jobs.queue import Queue

STOP_S = 8.0  # for a worker to finish its step and save, when the server ends

logger = logging.getLogger(__name__)


class Supervisor:
    """Calls `queue.tick()` twice a second, and at once when there is something new."""

    def __init__(self, queue: Queue, *, interval_s: float = 0.5) -> None:
        self._queue = queue
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticked_at = 0.0
        self._asked_at = 0.0  # when workers were first told that the server ends; 0: not yet

    def start(self) -> None:
        """Begin; jobs that a killed server left behind are found by the first tick."""
        if self._thread is None:
            self._stopping.clear()
            self._ticked_at = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
            self._thread.start()
            logger.info("the queue is looked after")

    def begin_to_stop(self) -> None:
        """Nothing new is started, and workers save while the rest of the server ends; `stop` must follow."""
        self._stopping.set()
        self._queue.woken.set()
        self._queue.ask_workers_to_stop()
        self._asked_at = time.monotonic()

    def stop(self, *, stop_workers: bool = False) -> None:
        """End the thread and the spare. Workers go on, unless told to finish their step, save and end."""
        self._stopping.set()
        self._queue.woken.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        logger.info("the server ends; workers %s", "finish their step" if stop_workers else "go on")
        self._queue.stop_spare()
        if stop_workers:
            waited_s = time.monotonic() - self._asked_at if self._asked_at else 0.0
            self._queue.stop_workers(patience_s=max(0.0, STOP_S - waited_s))

    @property
    def silent_for_s(self) -> float:
        """Seconds since the queue was last looked after; 0 while this is not started."""
        return time.monotonic() - self._ticked_at if self._thread is not None else 0.0

    def _run(self) -> None:
        is_swept = False
        while not self._stopping.is_set():
            self._queue.woken.clear()
            try:
                if not is_swept:
                    self._queue.sweep()
                    is_swept = True
                self._queue.tick()
                self._ticked_at = time.monotonic()
            except Exception:
                # A full disk, a process that may not be looked at: the next tick may do better, and without
                # this thread no run would ever start or end again.
                logger.exception("the queue could not be looked after")
            self._queue.woken.wait(self._interval_s)
