"""Give waiting jobs to workers, and notice the workers that die.

Flow:  submit -> row --tick: assign, start--> worker process --its last word, or its death--> row

`tick` looks at everything once and returns: it reads the rows, so a server that was
killed and started again goes on where the other one was. It has four duties: look
after running jobs, put paused ones back when what they wait for is there, hand out waiting
ones, keep one spare worker warm while someone is about to need it.

Knows rows and a runner; nothing of what the work is.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headswap.app.jobs.cluster import ClusterWatch, Setbacks
from headswap.app.jobs.database import NOT_NOW
from headswap.app.jobs.job import OUT_OF_MEMORY, Job, JobError, JobState
from headswap.app.jobs.liveness import LivenessMonitor
from headswap.app.jobs.store import LOG_FILE, Store
from headswap.app.processes import memory
from headswap.app.processes.environment import python_command, thread_environment
from headswap.app.processes.local import this_process
from headswap.app.processes.memory import free_bytes, need_of
from headswap.app.processes.runner import Runner
from headswap.errors import BadSetting
from headswap.field_types import check_fields
from headswap.storage.files import sweep_drafts

STOP_POLL_S = 0.05

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How jobs share one machine. The defaults suit one person."""

    capacity: int = 1  # workers at once
    threads: int = 0  # processors that each worker uses; 0: all
    lease_s: float = 30.0  # a worker that is silent for longer is ended and its job queued again
    start_s: float = 120.0  # the same, before its first word: a cold import on a busy machine is slow
    force_s: float = 10.0  # a cancelled worker that has not stopped by itself is ended
    spare_idle_s: float = 0.0  # how long a warm worker waits after the last sign of interest; 0: none is kept
    room_bytes: int = 200_000_000  # with less free disk than this, no job starts
    most_waiting: int = 0  # jobs of one owner that may wait; 0: any number
    worker_bytes: int = 0  # memory that a worker can take; 0: what there is
    cluster: str = ""  # that sees the pictures, "auto" or HOST:PORT; empty: this machine does
    most_at_once: int = 8  # workers that a cluster with more processors is good for

    def __post_init__(self) -> None:
        check_fields(self)
        if self.capacity < 1:
            raise BadSetting(f"capacity is {self.capacity}.", remedy="Choose 1 or more workers at once.")

    def at_once(self, processors: int) -> int:
        """Workers at once: a cluster with so many processors can run more than this machine."""
        return max(self.capacity, min(processors, self.most_at_once))


@dataclass(frozen=True)
class _Spare:
    token: str
    handle: str


class Queue:
    """The one who starts workers. Several may share a store; each row still moves only once."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        settings: QueueSettings | None = None,
        *,
        worker: Sequence[str] = python_command("headswap.app.jobs.worker"),
        clock: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], int] = free_bytes,
        cluster: ClusterWatch | None = None,
    ) -> None:
        self.store = store
        self.woken = threading.Event()  # set when a tick would find something new
        self._runner = runner
        self._settings = settings or QueueSettings()
        self._worker = tuple(worker)
        self._clock = clock
        self._free_memory = free_memory
        self._liveness = LivenessMonitor(clock)
        self._lock = threading.Lock()
        self._spare: _Spare | None = None
        self._last_interest: float | None = None
        self._has_retried = False  # before the first try, room may have been made long ago
        self._cluster = cluster
        self._setbacks = Setbacks(clock)
        self._room_needed: dict[str, int] = {}  # bytes free before a paused job is tried again

    # What people ask ------------------------------------------------------------

    def submit(self, owner: str, project: str, experiment_json: str, idempotency_key: str) -> str:
        """Queue an experiment and return the job's id; the same key again gives the same job."""
        most = self._settings.most_waiting
        job = self.store.submit(owner, project, experiment_json, idempotency_key, most_waiting=most)
        logger.info("queued", extra={"job": job.id})
        self.warm()
        return job.id

    def position(self, job_id: str) -> int | None:
        """Place in the queue, from 1; None when the job does not wait."""
        ids = [job.id for job in self.store.waiting()]
        return ids.index(job_id) + 1 if job_id in ids else None

    def cancel(self, job_id: str) -> None:
        """Stop a job: at once when it waits, between two steps when it runs, by force after `force_s`."""
        self.store.request_cancel(job_id)
        self.woken.set()

    def finish_early(self, job_id: str) -> None:
        """End a running job's training early: it keeps the best it has found, and is tested."""
        self.store.request_finish(job_id)

    def warm(self) -> None:
        """Someone will soon teach: keep a spare worker ready for a while."""
        self._last_interest = self._clock()
        self.woken.set()

    # What the supervisor does -----------------------------------------------------

    def tick(self) -> None:
        """Look at everything once."""
        with self._lock:
            running = self.store.in_state(JobState.RUNNING)
            for job in running:
                self._supervise(job)
            self._liveness.keep_only(
                {(word, job.id, job.attempt) for job in running for word in ("lease", "cancel")}
            )
            if self._cluster is not None:
                is_busy = bool(running or self.store.waiting() or self._setbacks.are_waiting)
                self._cluster.check_if_due(is_busy=is_busy)
            self._try_paused()
            self._hand_out()
            self._keep_spare()

    def sweep(self) -> None:
        """Remove what killed workers of earlier servers left half-written; call before the first tick."""
        alive = {job.id for job in self.store.in_state(JobState.RUNNING)}
        for folder in self.store.folders():
            if folder.name not in alive:
                sweep_drafts(folder)

    def stop_spare(self) -> None:
        """Let the spare worker go."""
        with self._lock:
            self._last_interest = None
            self._dismiss_spare()

    def ask_workers_to_stop(self) -> list[str]:
        """Tell every worker to finish its step, save and end; returns who they are, and waits for none.

        Their rows say so, which reaches a worker on any system; a signal, where there is one, is quicker.
        """
        workers = [job.worker for job in self.store.in_state(JobState.RUNNING) if job.worker]
        try:
            self.store.request_stop()
        except NOT_NOW:  # a full disk must not keep a server from ending
            logger.warning("workers could not be told in their rows", exc_info=True)
        for worker in workers:
            self._runner.stop(worker, force=False)
        return workers

    def stop_workers(self, *, patience_s: float = 0.0) -> None:
        """Ask every worker to stop between two steps; its job will wait in the queue again.

        One that has not ended after `patience_s` is left alone: the next server finds it.
        """
        workers = self.ask_workers_to_stop()
        deadline = self._clock() + patience_s
        while self._clock() < deadline and any(map(self._runner.is_alive, workers)):
            time.sleep(STOP_POLL_S)

    def _supervise(self, job: Job) -> None:
        settings = self._settings
        if job.worker and not self._runner.is_alive(job.worker):
            self._bury(job)
            return
        if job.worker and self._takes_too_much(job):
            self._runner.stop(job.worker, force=True)
            return
        silent_s = self._liveness.still_for_s(("lease", job.id, job.attempt), (job.lease, job.worker))
        limit_s = settings.start_s if job.worker and not job.lease else settings.lease_s
        if not job.worker and silent_s > limit_s:  # a server died before it could start a process
            self.store.finish(job.id, job.attempt, JobState.QUEUED)
        elif silent_s > limit_s:
            self._runner.stop(job.worker, force=True)
            if silent_s > limit_s + settings.force_s:  # out of reach; the fence holds it off
                self._bury(job)
        elif job.cancel_requested:
            waited_s = self._liveness.still_for_s(("cancel", job.id, job.attempt), True)
            if waited_s > settings.force_s and job.worker:
                self._runner.stop(job.worker, force=True)

    def _takes_too_much(self, job: Job) -> bool:
        """End a job, for good, whose worker takes too much memory, where the system sets no limit."""
        limit = self._settings.worker_bytes
        if not limit or memory.is_held_by_system() or self._runner.taken_bytes(job.worker) <= limit:
            return False
        logger.warning("its worker took too much memory", extra={"job": job.id, "attempt": job.attempt})
        return self.store.finish(job.id, job.attempt, JobState.FAILED, error=OUT_OF_MEMORY)

    def _bury(self, job: Job) -> None:
        """Clear up after a dead worker. A job that it settled in time is not touched."""
        sweep_drafts(self.store.folder(job.id))
        if self.store.crashed(job.id, job.attempt):
            logger.warning("its worker is gone", extra={"job": job.id, "attempt": job.attempt})

    @property
    def capacity(self) -> int:
        """Workers at once, as this machine and the cluster are now."""
        return self._settings.at_once(self._cluster.state.processors if self._cluster else 0)

    def _try_paused(self) -> None:
        everything = self.store.in_state(JobState.PAUSED)
        self._try_without_cluster([job for job in everything if job.has_lost_cluster])
        paused = [job for job in everything if not job.has_lost_cluster]
        free = self._free_bytes()
        self._room_needed = {
            job.id: self._room_needed.get(job.id, self._room_for(job, free)) for job in paused
        }
        self._has_retried = True
        for job in paused:
            if free >= self._room_needed[job.id]:
                self.store.unpause(job.id)

    def _try_without_cluster(self, paused: Sequence[Job]) -> None:
        """Put back what has lost the cluster when a look that came later finds it well, and it has waited.

        What it refuses may be about that run alone, such as a file that one machine does not see: no other
        run waits for that.
        """
        if self._cluster is None:  # the server was started without it
            for job in paused:
                self.store.unpause(job.id)
            return
        added = self._setbacks.note(paused, is_away=self._cluster.state.is_away)
        if not all(job.is_refused for job in added):
            self._cluster.lost()
        if any(job.is_refused for job in added):
            self._cluster.check_soon()
        if self._cluster.state.is_well:
            for job in filter(self._setbacks.has_waited, paused):
                self.store.unpause(job.id)

    def _room_for(self, job: Job, free: int) -> int:
        """A job that has filled the disk needs more than there was then; any other just tries."""
        room = self._settings.room_bytes
        return free + room if job.attempt and self._has_retried else room

    def _hand_out(self) -> None:
        if self._free_bytes() < self._settings.room_bytes:
            for job in self.store.in_state(JobState.QUEUED):
                self.store.pause(job.id, _no_room(self._settings.room_bytes))
            return
        while True:
            if self._spare and not self._runner.is_alive(self._spare.handle):
                self._spare, self._last_interest = None, None  # it died; another would, too
            spare = self._spare
            if not self._has_memory():
                return
            chosen = self.store.assign_next(self.capacity, spare=spare.token if spare else "")
            if chosen is None:
                return
            logger.info("given to a worker", extra={"job": chosen.id, "attempt": chosen.attempt})
            if spare:
                self._spare = None
                self.store.name_worker(chosen.id, chosen.attempt, spare.handle)
            else:
                self._start_worker(chosen)

    def _has_memory(self) -> bool:
        """Whether the next job has room next to those that run; a job alone may always try.

        What those will still take is not free: a worker that has just been started has taken nothing yet.
        """
        waiting, running = self.store.waiting(), self.store.in_state(JobState.RUNNING)
        if not waiting or not running or len(running) >= self.capacity:
            return True
        free = self._free_memory() - need_of(waiting[0].experiment_json)
        return free >= 0 and free >= sum(map(self._still_takes, running))  # short: no process is looked at

    def _still_takes(self, job: Job) -> int:
        return max(0, need_of(job.experiment_json) - self._runner.taken_bytes(job.worker))

    def _start_worker(self, job: Job) -> None:
        arguments = ("--job", job.id, "--attempt", str(job.attempt))
        handle = self._start(arguments, self.store.folder(job.id) / LOG_FILE)
        if handle:
            self.store.name_worker(job.id, job.attempt, handle)
        else:
            self.store.crashed(job.id, job.attempt)

    def _start(self, arguments: Sequence[str], log: Path) -> str:
        """Start a worker process; empty when the machine refuses."""
        held, threads = self._settings.worker_bytes, self._settings.threads
        limit = ("--memory", str(held)) if held and memory.is_held_by_system() else ()
        share = ("--threads", str(threads)) if threads else ()
        on = ("--on", self._settings.cluster) if self._settings.cluster else ()
        command = (*self._worker, "--store", str(self.store.path), *arguments, *limit, *share, *on)
        try:
            return self._runner.start(command, log=log, environment=thread_environment(threads))
        except OSError:
            logger.exception("no worker could be started")
            return ""

    def _keep_spare(self) -> None:
        idle = (
            self._last_interest is None or self._clock() - self._last_interest >= self._settings.spare_idle_s
        )
        is_full = len(self.store.in_state(JobState.RUNNING)) >= self.capacity
        if idle or is_full:
            self._dismiss_spare()
        elif self._spare is None:
            token = secrets.token_hex(16)
            arguments = ("--spare", token, "--server", this_process())
            self._spare = _Spare(token, self._start(arguments, self.store.path.parent / "spare.log"))

    def _dismiss_spare(self) -> None:
        if self._spare:
            self._runner.stop(self._spare.handle, force=True)
            self._spare = None

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self.store.path.parent).free


def _no_room(room_bytes: int) -> JobError:
    return JobError(
        "DiskFull",
        "There is not enough room left on the server's disk to start this run.",
        f"It starts by itself when {room_bytes / 1e6:.0f} MB are free.",
    )
