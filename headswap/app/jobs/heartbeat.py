"""A worker's side of its job: it lives, it reports, it hears when to stop.

Flow:  work --listen(event)--> row (progress, a few times a second) + events.jsonl
       row (or a signal) --heartbeat thread--> state --listen--> `Cancelled`, raised between two steps,
           or `FinishEarly`, raised while it trains

A step may take long on a busy machine. After a while a wish to cancel is settled by the heartbeat, which
ends the process; only a save, once begun, is never cut. A wish to stop waits for the step to end, but for a
worker that still loads its libraries: it has nothing to save, and some builds of torch take half a minute.

Knows the store and one attempt; nothing of the work.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from types import TracebackType

from headswap.app.jobs.database import NOT_NOW
from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.journal import Journal
from headswap.app.jobs.store import AttemptState, Store
from headswap.errors import Cancelled, FinishEarly
from headswap.events import Event, Progress

POLL_S = 0.5  # how often the row is read for a wish to cancel or to stop
BEAT_S = 5.0  # how often the lease is renewed, if nothing else was written
WRITE_S = 0.5  # least time between two progress writes of one step
CANCEL_S = 1.5  # a step that goes on for longer after such a wish is cut, unless it has something to save
LOST_S = 10.0  # a worker that lost its job and does not stop by itself ends hard

logger = logging.getLogger(__name__)


class Attempt:
    """One claimed attempt, while it is worked on (`with`)."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store, self._job = store, job
        self._journal = Journal(store.folder(job.id))
        self._state: AttemptState = "go"
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._told = threading.Lock()  # work may emit from several threads
        self._written_at: dict[str, float] = {}  # per step; "" is for all that is not progress

    def __enter__(self) -> Attempt:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()

    @property
    def state(self) -> AttemptState:
        """Whether to go on, or why not."""
        return self._state

    def ask_to_stop(self) -> None:
        """Stop between two steps; the job will be continued later."""
        if self._state in ("go", "finish"):
            self._state = "stop"

    def listen(self, event: Event) -> None:
        """Take in one event of the work.

        Raises:
            Cancelled: the work should end here; `state` says why.
            FinishEarly: it should train no longer.
        """
        self._check()
        with self._told:
            if isinstance(event, Progress):
                self._take_progress(event)
            else:
                self._take_news(event)
        self._check()
        if self._state == "finish" and isinstance(event, Progress) and event.has_best:
            raise FinishEarly

    def _check(self) -> None:
        if self._state not in ("go", "finish"):
            raise Cancelled(self._state)

    def _take_progress(self, event: Progress) -> None:
        is_new = event.step not in self._written_at
        is_last = event.total > 0 and event.done >= event.total
        if not (is_new or is_last or self._is_due(event.step)):
            return
        if self._tell(event.step, event) and (is_new or is_last):
            self._journal.append(event)

    def _take_news(self, event: Event) -> None:
        """Keep the line of every pass, but ask the row only now and then: passes may come by the hundred."""
        if not self._is_due("") or self._tell("", None):
            self._journal.append(event)

    def _is_due(self, step: str) -> bool:
        return time.monotonic() - self._written_at.get(step, -WRITE_S) >= WRITE_S

    def _tell(self, step: str, progress: Progress | None) -> bool:
        """Write to the row; if the disk is busy, only this message is lost, not the work."""
        self._written_at[step] = time.monotonic()
        try:
            if self._store.report(self._job.id, self._job.attempt, progress):
                return True
            self._state = "lost"
        except NOT_NOW:
            logger.warning("progress could not be written", exc_info=True)
        return False

    def _beat(self) -> None:
        beaten_at, lost_at, wished_at = time.monotonic(), None, None
        while not self._over.wait(POLL_S):
            now = time.monotonic()
            try:
                state = self._store.attempt_state(self._job.id, self._job.attempt)
                if state != "lost" and now - beaten_at >= BEAT_S:
                    self._store.renew(self._job.id, self._job.attempt)
                    beaten_at = now
            except NOT_NOW:
                logger.warning("the row could not be read", exc_info=True)
                continue
            if state != "go":
                self._state = state
            if self._may_be_cut():
                wished_at = wished_at or now
                if now - wished_at > CANCEL_S:
                    self._cut()
            if state == "lost":
                lost_at = lost_at or now
                if now - lost_at > LOST_S:
                    logger.error("the job has gone to another worker")
                    os._exit(3)

    def _may_be_cut(self) -> bool:
        """Whether the wish to cancel or to stop may end this process in the middle of what it does."""
        if self._state == "cancel":
            return "save" not in self._written_at
        return self._state == "stop" and not self._written_at

    def _cut(self) -> None:
        """Finish the row, then end the process at once: no one needs what it was computing."""
        outcome = JobState.CANCELLED if self._state == "cancel" else JobState.QUEUED
        with suppress(*NOT_NOW):  # else at the next look
            self._store.finish(self._job.id, self._job.attempt, outcome)
            logger.info("%s in the middle of a step", outcome)
            logging.shutdown()
            os._exit(0)
