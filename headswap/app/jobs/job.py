"""A job: one experiment that someone asked for, and how far it has come.

    queued --> running --> done | failed | cancelled
       ^----------'  ^---> paused (disk full, or the cluster lost; queued again when it is there)

Knows the record only; `store` keeps it, `queue` and `worker` move it along.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headswap.errors import HeadswapError, NotFound
from headswap.events import Progress
from headswap.storage.files import from_json

MOST_CRASHES = 3  # a job whose worker died so often is not tried again

_NO_MEMORY = re.compile(  # how torch and C++ say it, as a RuntimeError
    r"can't allocate memory|out of memory|bad_alloc|Cannot allocate memory", re.IGNORECASE
)
_ID = re.compile(r"[0-9a-f]{32}")


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"


@dataclass(frozen=True)
class JobError:
    """Why a job failed or waits: a code for machines, two sentences for people."""

    code: str  # the name of a HeadswapError class, or "fault", "crashed", "out of memory"
    problem: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of the store."""

    id: str  # 32 hex digits, unguessable
    sequence: int  # order of submission; no clock is ever compared
    owner: str
    project: str
    experiment_json: str
    state: JobState
    attempt: int  # how often it was given to a worker; the fence in every update of one
    crashes: int  # attempts that ended with a dead worker
    lease: int  # how often this attempt's worker has said that it lives; 0: not yet
    worker: str  # the runner's handle; empty while it is being started
    cancel_requested: bool
    finish_requested: bool = False  # it trains no longer, and keeps the best that was found
    progress: Progress | None  # the latest
    result: str  # name of the sealed folder inside the job's folder; empty unless done
    error: JobError | None
    created_at: float  # seconds since 1970, for people and for tidying, never for order

    @property
    def is_over(self) -> bool:
        """Nothing will change any more."""
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def has_lost_cluster(self) -> bool:
        """Whether it is paused until the cluster is back, or takes it."""
        codes = (NO_CLUSTER.code, REFUSED)
        return self.state is JobState.PAUSED and self.error is not None and self.error.code in codes

    @property
    def is_refused(self) -> bool:
        """Whether it is paused because the cluster, which answers, does not take it."""
        return self.has_lost_cluster and self.error is not None and self.error.code == REFUSED


def new_job_id() -> str:
    """An id that cannot be guessed: knowing it is half of being allowed to ask."""
    return secrets.token_hex(16)


def short_key(text: str) -> str:
    """Any text as a key that a row can hold, equal only for equal texts; empty stays empty."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""


def check_job_id(text: str) -> str:
    """Give back a well-formed id.

    Raises:
        NotFound: it is not one, so there is no such job; and no path is ever built from it.
    """
    if not _ID.fullmatch(text):
        raise no_such_job()
    return text


def no_such_job() -> NotFound:
    """The one answer for "does not exist" and "belongs to someone else"."""
    return NotFound("There is no such run.", remedy="Open your project again and choose one of its runs.")


def crashed_too_often() -> JobError:
    """The worker died `MOST_CRASHES` times."""
    return JobError(
        "crashed",
        f"This run crashed {MOST_CRASHES} times.",
        "Choose a smaller network or fewer pictures; the run's log says more.",
    )


OUT_OF_MEMORY = JobError(
    "out of memory",
    "This run needs more memory than it may take here.",
    "Choose a smaller network, or fewer pictures.",
)

NO_CLUSTER = JobError(
    "ClusterLost",
    "This run waits for the cluster, which it has lost.",
    "It goes on by itself when the cluster is back, and waits longer when it loses it again and again; what "
    "was seen is kept.",
)
REFUSED = "ClusterRefused"


def refused_by_cluster(error: HeadswapError) -> JobError:
    """It waits as for a cluster that is away, and says what has to be put right there."""
    return JobError(
        REFUSED,
        f"This run waits for the cluster. {error.problem}",
        f"{error.remedy} Then it goes on by itself; what was seen is kept.",
    )


def error_of(problem: BaseException) -> JobError:
    """Put what stopped a worker into two sentences."""
    if isinstance(problem, HeadswapError):
        return JobError(type(problem).__name__, problem.problem, problem.remedy)
    if isinstance(problem, MemoryError) or _NO_MEMORY.search(str(problem)):
        return OUT_OF_MEMORY
    return JobError(
        "fault",
        f"The program has a fault ({type(problem).__name__}).",
        "Try again; if it stays, send the run's log to those who look after headswap.",
    )


def job_of(row: Mapping[str, Any]) -> Job:
    """From a row of the store."""
    error = JobError(row["error_code"], row["problem"], row["remedy"]) if row["error_code"] else None
    return Job(
        id=row["id"],
        sequence=row["sequence"],
        owner=row["owner"],
        project=row["project"],
        experiment_json=row["experiment"],
        state=JobState(row["state"]),
        attempt=row["attempt"],
        crashes=row["crashes"],
        lease=row["lease"],
        worker=row["worker"],
        cancel_requested=bool(row["cancel_requested"]),
        finish_requested=bool(row["finish_requested"]),
        progress=from_json(Progress, row["progress"]) if row["progress"] else None,
        result=row["result"],
        error=error,
        created_at=row["created_at"],
    )
