"""A small office with real worker processes, and patience with a deadline."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headswap.app.jobs.cluster import ClusterWatch
from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner

PATIENCE_S = 600.0  # for what takes a moment on a machine that does nothing else
# Work that a test ends itself: a busy machine may look at it long after it has begun.
UNTIL_TOLD: dict[str, Any] = {"steps": 100_000, "step_s": 0.02, "unit": "passes"}
WORKER = (sys.executable, str(Path(__file__).with_name("small_worker.py")))


def wait_for(condition: Callable[[], object], *, deadline_s: float = PATIENCE_S) -> None:
    """Look often until it is so."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


@dataclass
class Office:
    """A store, a queue and the means to push it."""

    store: Store
    queue: Queue
    runner: LocalRunner = field(default_factory=LocalRunner)

    def submit(self, key: str = "key", *, owner: str = "ann", **plan: object) -> str:
        return self.queue.submit(owner, "project", json.dumps(plan), key)

    def job(self, job_id: str) -> Job:
        return self.store.get(job_id)

    def tick_until(self, condition: Callable[[], object], *, deadline_s: float = PATIENCE_S) -> None:
        def ticked() -> object:
            self.queue.tick()
            return condition()

        wait_for(ticked, deadline_s=deadline_s)

    def run(self, *job_ids: str) -> list[Job]:
        """Tick until these jobs are over."""
        self.tick_until(lambda: all(self.job(job_id).is_over for job_id in job_ids))
        return [self.job(job_id) for job_id in job_ids]

    def end(self, job_id: str) -> Job:
        """Let a job that goes on until it is told keep what it has, and wait for its end."""
        self.claimed(job_id)
        self.queue.finish_early(job_id)
        return self.run(job_id)[0]

    def claimed(self, job_id: str) -> Job:
        """Tick until a worker has taken the job and said something."""
        self.tick_until(lambda: self.job(job_id).progress is not None)
        return self.job(job_id)

    def stop_everybody(self) -> None:
        self.queue.stop_spare()
        workers = [job.worker for job in self.store.in_state(JobState.RUNNING) if job.worker]
        for worker in workers:
            self.runner.stop(worker, force=True)
        wait_for(lambda: not any(self.runner.is_alive(worker) for worker in workers))
        self.store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "jobs.db")
    yield store
    store.close()


@pytest.fixture
def open_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Opens an office over the same folder each time: a second one is a restarted server."""
    opened: list[Office] = []

    def open_one(
        *,
        clock: Callable[[], float] = time.monotonic,
        cluster: ClusterWatch | None = None,
        **settings: float,
    ) -> Office:
        store = Store(tmp_path / "jobs.db")
        chosen = QueueSettings(**{"room_bytes": 0, **settings})  # type: ignore[arg-type]
        queue = Queue(store, LocalRunner(), chosen, worker=WORKER, clock=clock, cluster=cluster)
        opened.append(Office(store, queue))
        return opened[-1]

    yield open_one
    for office in opened:
        office.stop_everybody()


@pytest.fixture
def office(open_office: Callable[..., Office]) -> Office:
    return open_office()


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., None]:
    return wait_for
