"""Where jobs live: one SQLite file, next to one folder per job.

    <root>/jobs.db      rows: who asked for what, and how far it is
    <root>/jobs/<id>/   events.jsonl, log.txt and whatever the work seals

Every change is one `BEGIN IMMEDIATE` transaction. Everything that is said for one
attempt carries its number: no row changed means that the attempt is over, and the
speaker must stop. A lease is a count that the living worker raises; the watcher
compares it with what they saw before, so no clock is shared and none can jump.

Knows rows and folders; starts nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from headswap.app.jobs.database import Database
from headswap.app.jobs.fairness import fair_order
from headswap.app.jobs.job import (
    MOST_CRASHES,
    Job,
    JobError,
    JobState,
    check_job_id,
    crashed_too_often,
    job_of,
    new_job_id,
    no_such_job,
)
from headswap.errors import TooMuch
from headswap.events import Progress
from headswap.storage.files import discard, is_discarded, make_folder, to_json

LOG_FILE = "log.txt"  # in the job's folder: everything its workers said

# What a worker hears when it asks how its attempt stands.
AttemptState = Literal["go", "finish", "stop", "cancel", "lost"]

_LAST_SERVED = (
    "SELECT owner, MAX(turn) FROM job"
    " WHERE owner IN (SELECT owner FROM job WHERE state = 'queued') GROUP BY owner"
)
_THIS_ATTEMPT = "id = ? AND attempt = ? AND state = 'running'"


class Store:
    """The jobs of one installation. Safe to use from several threads and processes."""

    def __init__(self, path: Path, *, wall_clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._wall_clock = wall_clock
        self._rows = Database(path)

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def folder(self, job_id: str) -> Path:
        """The job's own folder, made when missing.

        Raises:
            NotFound: the id is not well-formed.
        """
        folder = self.path.parent / "jobs" / check_job_id(job_id)
        return make_folder(folder)

    def folders(self) -> list[Path]:
        """The folders of all jobs that have one."""
        folder = self.path.parent / "jobs"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    # What people ask ------------------------------------------------------------

    def submit(
        self,
        owner: str,
        project: str,
        experiment_json: str,
        idempotency_key: str,
        *,
        most_waiting: int = 0,
    ) -> Job:
        """Add a queued job; the same owner and key again give the job that is there already.

        Raises:
            TooMuch: the owner has `most_waiting` jobs waiting (0: any number).
        """
        with self._rows.writing():
            there = self._select("owner = ? AND idempotency_key = ?", (owner, idempotency_key))
            if there:
                return there[0]
            if most_waiting:
                self._check_waiting(owner, most_waiting)
            self._rows.change(
                "INSERT INTO job (id, owner, project, idempotency_key, experiment, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, idempotency_key) DO NOTHING",
                (new_job_id(), owner, project, idempotency_key, experiment_json, self._wall_clock()),
            )
            return self._select("owner = ? AND idempotency_key = ?", (owner, idempotency_key))[0]

    def get(self, job_id: str, *, owner: str | None = None) -> Job:
        """One job; with `owner`, only if it is theirs.

        Raises:
            NotFound: there is none, or it is someone else's; no one can tell which.
        """
        jobs = self._select("id = ?", (check_job_id(job_id),))
        if not jobs or (owner is not None and jobs[0].owner != owner):
            raise no_such_job()
        return jobs[0]

    def of_project(self, owner: str, project: str) -> list[Job]:
        """The jobs of one project, newest first."""
        return self._select("owner = ? AND project = ?", (owner, project))[::-1]

    def of_owner(self, owner: str) -> list[Job]:
        """The jobs of one person, oldest first."""
        return self._select("owner = ?", (owner,))

    def adopt(
        self, owner: str, project: str, experiment_json: str, job_id: str, result: str, at: float
    ) -> None:
        """Add a job that was done elsewhere, at `at`; its folder holds the sealed result already."""
        self._rows.change(
            "INSERT INTO job (id, owner, project, idempotency_key, experiment, state, result, created_at)"
            " VALUES (?, ?, ?, ?, ?, 'done', ?, ?)",
            (check_job_id(job_id), owner, project, f"adopted-{job_id}", experiment_json, result, at),
        )

    def experiments_of(self, project: str) -> list[str]:
        """The JSON of what every run of a project was asked to do."""
        rows = self._rows.read("SELECT experiment FROM job WHERE project = ?", (project,))
        return [str(row["experiment"]) for row in rows]

    def ids(self) -> set[str]:
        """Of all jobs of everyone."""
        return {str(row["id"]) for row in self._rows.read("SELECT id FROM job")}

    def forget(self, job_id: str) -> bool:
        """Remove a job that is over, with its folder; False: it is not over, and nothing changed."""
        with self._rows.writing():
            gone = self._rows.change(
                "DELETE FROM job WHERE id = ? AND state IN ('done', 'failed', 'cancelled')", (job_id,)
            )
        if gone:
            discard(self.path.parent / "jobs" / check_job_id(job_id))
        return gone == 1

    def is_all_gone(self, job_id: str) -> bool:
        """Whether nothing is left of a job that was forgotten; else another program holds some of it."""
        return not is_discarded(self.path.parent / "jobs" / check_job_id(job_id))

    def in_state(self, state: JobState) -> list[Job]:
        """All jobs that stand so, oldest first."""
        return self._select("state = ?", (state,))

    def waiting(self) -> list[Job]:
        """Queued jobs in the order of their turns."""
        last_served = {str(row[0]): int(row[1]) for row in self._rows.read(_LAST_SERVED)}
        return fair_order(self.in_state(JobState.QUEUED), self.in_state(JobState.RUNNING), last_served)

    def request_cancel(self, job_id: str) -> None:
        """Cancel at once what has no worker; leave word for the worker otherwise."""
        with self._rows.writing():
            self._rows.change(
                "UPDATE job SET state = 'cancelled' WHERE id = ? AND state IN ('queued', 'paused')", (job_id,)
            )
            self._rows.change(
                "UPDATE job SET cancel_requested = 1 WHERE id = ? AND state = 'running'", (job_id,)
            )

    def request_finish(self, job_id: str) -> None:
        """Leave word for the worker to train no longer and to keep the best it has found."""
        self._rows.change("UPDATE job SET finish_requested = 1 WHERE id = ? AND state = 'running'", (job_id,))

    # What the queue does --------------------------------------------------------

    def request_stop(self) -> None:
        """Leave word for every worker to end between two steps; its job will wait in the queue again."""
        self._rows.change("UPDATE job SET stop_requested = 1 WHERE state = 'running'")

    def assign_next(self, capacity: int, *, spare: str = "") -> Job | None:
        """Begin a new attempt of the next job, unless `capacity` jobs are running already."""
        with self._rows.writing():
            waiting = self.waiting()
            if not waiting or len(self.in_state(JobState.RUNNING)) >= capacity:
                return None
            self._rows.change(
                "UPDATE job SET state = 'running', attempt = attempt + 1, lease = 0, worker = '', spare = ?,"
                " stop_requested = 0, step = '', progress = '', turn = (SELECT MAX(turn) + 1 FROM job),"
                " error_code = '', problem = '', remedy = ''"
                " WHERE id = ?",
                (spare, waiting[0].id),
            )
            return self.get(waiting[0].id)

    def name_worker(self, job_id: str, attempt: int, handle: str) -> bool:
        """Write down which process works on an attempt."""
        return self._if_current("worker = ?", (handle,), job_id, attempt)

    def crashed(self, job_id: str, attempt: int) -> bool:
        """The worker of an attempt is dead or silent: queue the job again, or give it up."""
        with self._rows.writing():
            self._if_current("crashes = crashes + 1", (), job_id, attempt)
            job = self.get(job_id)
            if job.crashes >= MOST_CRASHES and not job.cancel_requested:
                return self.finish(job_id, attempt, JobState.FAILED, error=crashed_too_often())
            return self.finish(job_id, attempt, JobState.QUEUED)

    def pause(self, job_id: str, error: JobError) -> None:
        """A queued job cannot start for now."""
        self._rows.change(
            "UPDATE job SET state = 'paused', error_code = ?, problem = ?, remedy = ?"
            " WHERE id = ? AND state = 'queued'",
            (error.code, error.problem, error.remedy, job_id),
        )

    def unpause(self, job_id: str) -> None:
        """A paused job waits in the queue again."""
        self._rows.change(
            "UPDATE job SET state = 'queued', error_code = '', problem = '', remedy = ''"
            " WHERE id = ? AND state = 'paused'",
            (job_id,),
        )

    # What a worker says, always with its attempt ---------------------------------

    def meant_for(self, spare: str) -> tuple[str, int] | None:
        """The job id and attempt that a waiting worker should claim, if any."""
        found = self._rows.read(
            "SELECT id, attempt FROM job WHERE state = 'running' AND spare = ? AND lease = 0", (spare,)
        )
        return (str(found[0]["id"]), int(found[0]["attempt"])) if found else None

    def claim(self, job_id: str, attempt: int) -> Job | None:
        """Take an attempt; None when it is over, or another process has taken it."""
        with self._rows.writing():
            taken = self._rows.change(
                f"UPDATE job SET lease = 1 WHERE {_THIS_ATTEMPT} AND lease = 0", (job_id, attempt)
            )
            return self.get(job_id) if taken else None

    def attempt_state(self, job_id: str, attempt: int) -> AttemptState:
        """Whether to go on; costs no write."""
        found = self._rows.read(
            f"SELECT cancel_requested, stop_requested, finish_requested FROM job WHERE {_THIS_ATTEMPT}",
            (job_id, attempt),
        )
        if not found:
            return "lost"
        if found[0]["cancel_requested"]:
            return "cancel"
        if found[0]["stop_requested"]:
            return "stop"
        return "finish" if found[0]["finish_requested"] else "go"

    def renew(self, job_id: str, attempt: int) -> bool:
        """Say that the worker lives; False: the attempt is over."""
        return self._if_current("lease = lease + 1", (), job_id, attempt)

    def report(self, job_id: str, attempt: int, progress: Progress | None) -> bool:
        """Write how far it is (None: only that it lives); False: the attempt is over."""
        if progress is None:
            return self.renew(job_id, attempt)
        values = (progress.step, to_json(progress))
        return self._if_current("lease = lease + 1, step = ?, progress = ?", values, job_id, attempt)

    def finish(
        self, job_id: str, attempt: int, state: JobState, *, result: str = "", error: JobError | None = None
    ) -> bool:
        """End an attempt; False: it was over already, and nothing changed.

        A job that was to wait again (queued, paused) is cancelled if that was asked meanwhile.
        """
        with self._rows.writing():
            if (
                state in (JobState.QUEUED, JobState.PAUSED)
                and self.attempt_state(job_id, attempt) == "cancel"
            ):
                state, error = JobState.CANCELLED, None
            code, problem, remedy = (error.code, error.problem, error.remedy) if error else ("", "", "")
            values = (state, result, code, problem, remedy)
            change = "state = ?, result = ?, error_code = ?, problem = ?, remedy = ?, worker = '', spare = ''"
            return self._if_current(change, values, job_id, attempt)

    # ------------------------------------------------------------------------------

    def _check_waiting(self, owner: str, most: int) -> None:
        waiting = self._select("owner = ? AND state IN ('queued', 'paused')", (owner,))
        if len(waiting) >= most:
            runs = "1 run waits" if len(waiting) == 1 else f"{len(waiting)} runs wait"
            raise TooMuch(
                f"{runs} for you already, and no more than {most} may.",
                remedy="Wait until one has started, or stop one.",
            )

    def _if_current(self, change: str, values: tuple[object, ...], job_id: str, attempt: int) -> bool:
        """The fence: change the row unless the attempt is over, and say whether it changed."""
        sql = f"UPDATE job SET {change} WHERE {_THIS_ATTEMPT}"
        return self._rows.change(sql, (*values, job_id, attempt)) == 1

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Job]:
        rows = self._rows.read(f"SELECT * FROM job WHERE {condition} ORDER BY sequence", values)
        return [job_of(dict(row)) for row in rows]
