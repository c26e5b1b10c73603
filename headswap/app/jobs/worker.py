"""The process that does one job, then ends.

    python -m headswap.app.jobs.worker --store DB --job ID --attempt N
                                       [--memory BYTES] [--threads N] [--on CLUSTER]
    python -m headswap.app.jobs.worker --store DB --spare TOKEN --server HANDLE [...]

A spare imports the slow libraries first, then waits until the queue means a job for
it or its server dies. Either way the attempt is claimed once, worked on under its
fence, and settled: done, failed with two sentences, cancelled, paused, or queued again.

Knows how a job ends; the work itself is a function that it is given.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from headswap.app.jobs.database import NOT_NOW
from headswap.app.jobs.heartbeat import Attempt
from headswap.app.jobs.job import NO_CLUSTER, Job, JobError, JobState, error_of, refused_by_cluster
from headswap.app.jobs.store import LOG_FILE, Store
from headswap.app.processes.local import LocalRunner
from headswap.app.processes.logs import log_to
from headswap.app.processes.memory import hold_memory
from headswap.app.processes.priority import step_back
from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.errors import Cancelled, HeadswapError
from headswap.events import Listener
from headswap.imports import made_to_stay, without_compiler
from headswap.storage.files import SEAL, DiskFull
from headswap.threads import share_of_processors

Answer = TypeVar("Answer")
Work = Callable[
    [str, Path, Listener], str
]  # experiment JSON, job folder, listener -> name of the sealed folder

SPARE_POLL_S = 0.1
TRIES = 60  # one a second
_AS_IT_IS = getattr(os, "O_BINARY", 0)  # or Windows would double the end of each line

_RESULT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FULL = JobError(
    "DiskFull",
    "There is no room left on the server's disk.",
    "It goes on by itself when there is room; nothing of yours is lost.",
)
logger = logging.getLogger("headswap.worker")


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ends."""

    state: JobState
    result: str = ""
    error: JobError | None = None


def main(
    arguments: Sequence[str] | None = None,
    *,
    work: Work | None = None,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Do one job.

    Args:
        arguments: the command line without the program; None: this process's own.
        work: what to do; None: `headswap.pipeline.job.run_job`.
        prepare: what a spare does ahead of a job; None: import what the pipeline needs.

    Returns:
        0 when the attempt was settled, 3 when there was nothing to claim, or it was lost.
    """
    choice = _parse(arguments)
    hold_memory(choice.memory)
    step_back()
    stopping = threading.Event()
    _on_stop(stopping.set)
    store = Store(choice.store)
    try:
        job = _claim(store, choice, stopping, prepare or _import_pipeline)
        if job is None:
            return 3
        _write_to(store.folder(job.id) / LOG_FILE, job)
        with share_of_processors(choice.threads):
            return _do(store, job, work or partial(_run_pipeline, on=choice.on or None), stopping)
    finally:
        store.close()


def _on_stop(call: Callable[[], None]) -> None:
    """What a polite stop does from now on; where there are no signals, the row says it (`Attempt`)."""
    signal.signal(signal.SIGTERM, lambda *_: call())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="headswap.app.jobs.worker")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--job", default="")
    parser.add_argument("--attempt", type=int, default=0)
    parser.add_argument("--spare", default="")
    parser.add_argument("--server", default="")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--on", default="")
    return parser.parse_args(arguments)


def _claim(
    store: Store, choice: argparse.Namespace, stopping: threading.Event, prepare: Callable[[], None]
) -> Job | None:
    job_id, attempt = choice.job, choice.attempt
    if choice.spare:
        prepare()
        meant = _wait(store, choice.spare, choice.server, stopping)
        if meant is None:
            return None
        job_id, attempt = meant
    return _patiently(lambda: store.claim(job_id, attempt))


def _wait(store: Store, token: str, server: str, stopping: threading.Event) -> tuple[str, int] | None:
    """A spare waits for its job, for a signal, or for the death of its server."""
    runner = LocalRunner()
    while runner.is_alive(server):
        meant = store.meant_for(token)
        if meant or stopping.wait(SPARE_POLL_S):
            return meant
    return None


def _write_to(log: Path, job: Job) -> None:
    """From here on, everything this process says goes to the job's log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _AS_IT_IS, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    faulthandler.enable()
    log_to(sys.stderr, job=job.id, attempt=job.attempt)


def _do(store: Store, job: Job, work: Work, stopping: threading.Event) -> int:
    with Attempt(store, job) as attempt:
        _on_stop(attempt.ask_to_stop)
        if stopping.is_set():
            attempt.ask_to_stop()
        logger.info("started")
        outcome = _outcome(work, job, store.folder(job.id), attempt)
        if outcome is None or not _patiently(lambda: _finish(store, job, outcome)):
            logger.warning("the job has gone to another worker")
            return 3
    logger.info("%s", outcome.state)
    return 0


def _outcome(work: Work, job: Job, folder: Path, attempt: Attempt) -> AttemptEnd | None:
    """Do the work; None when the attempt was lost."""
    try:
        name = work(job.experiment_json, folder, attempt.listen)
        _check_result(folder, name)
        return AttemptEnd(JobState.DONE, result=name)
    except Cancelled:
        if attempt.state == "lost":
            return None
        return AttemptEnd(JobState.QUEUED if attempt.state == "stop" else JobState.CANCELLED)
    except DiskFull as error:
        logger.info("%s", error)
        return AttemptEnd(JobState.PAUSED, error=_FULL)
    except ClusterLost as error:
        logger.info("%s", error)
        is_refused = isinstance(error, ClusterRefused)
        return AttemptEnd(JobState.PAUSED, error=refused_by_cluster(error) if is_refused else NO_CLUSTER)
    except HeadswapError as error:
        logger.info("%s", error)
        return AttemptEnd(JobState.FAILED, error=error_of(error))
    except Exception as error:
        logger.exception("fault")
        return AttemptEnd(JobState.FAILED, error=error_of(error))


def _check_result(folder: Path, name: str) -> None:
    """Check that the result is there and sealed, before the row names it."""
    if not _RESULT.fullmatch(name) or not (folder / name / SEAL).is_file():
        raise RuntimeError(f"the work returned {name!r}, which is no sealed folder in the folder of its job")


def _finish(store: Store, job: Job, outcome: AttemptEnd) -> bool:
    return store.finish(job.id, job.attempt, outcome.state, result=outcome.result, error=outcome.error)


def _patiently(write: Callable[[], Answer]) -> Answer:
    """Write to the row, and try again while the disk is full or another process writes."""
    for _ in range(TRIES):
        try:
            return write()
        except NOT_NOW:
            logger.warning("the row could not be written yet", exc_info=True)
            time.sleep(1)
    return write()


def _run_pipeline(experiment_json: str, job_folder: Path, listener: Listener, on: str | None = None) -> str:
    from headswap.pipeline.job import run_job

    return run_job(experiment_json, job_folder, listener, on)


def _import_pipeline() -> None:
    """Import torch, timm and scipy, which takes seconds, before anyone waits for them."""
    with without_compiler(), made_to_stay():
        for module in ("headswap.pipeline.run", "timm", "scipy.optimize"):
            importlib.import_module(module)


def end(code: int) -> NoReturn:
    """End the process at once, even if a library has left a thread running."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
