from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.app.jobs import worker
from headswap.app.jobs.job import JobState
from headswap.app.jobs.journal import read_events
from headswap.app.jobs.store import LOG_FILE, Store
from headswap.app.processes.environment import child_environment
from headswap.events import Progress
from headswap.storage.files import check_seal
from tests.app.jobs.conftest import UNTIL_TOLD

WORKER = (sys.executable, str(Path(__file__).with_name("small_worker.py")))


def log_of(office: Any, job_id: str) -> str:
    log = office.store.folder(job_id) / LOG_FILE
    return log.read_text() if log.exists() else ""


def test_a_job_is_done_and_its_sealed_result_is_named_in_the_row(office: Any) -> None:
    (job,) = office.run(office.submit(steps=5))

    folder = office.store.folder(job.id)
    check_seal(folder / job.result)
    assert (job.state, job.attempt, job.progress) == (JobState.DONE, 1, Progress("head", 5, 5))
    assert sum(event.kind == "pass" for event in read_events(folder)) == 5


def test_a_problem_of_the_user_fails_the_job_with_its_two_sentences(office: Any) -> None:
    (job,) = office.run(office.submit(then="user error"))

    assert (job.state, job.result) == (JobState.FAILED, "")
    assert (job.error.code, job.error.problem, job.error.remedy) == (
        "TooFewImages",
        "There is one picture.",
        "Add another.",
    )
    assert "Traceback" not in log_of(office, job.id)


def test_a_fault_fails_the_job_and_leaves_its_traceback_in_the_log(office: Any) -> None:
    (job,) = office.run(office.submit(then="fault"))

    assert (job.state, job.error.code) == (JobState.FAILED, "fault")
    assert "ZeroDivisionError: on purpose" in log_of(office, job.id)
    assert f'"job": "{job.id}", "attempt": 1' in log_of(office, job.id)


def test_too_little_memory_is_said_plainly(office: Any) -> None:
    (job,) = office.run(office.submit(then="memory"))

    assert job.error.code == "out of memory"


def test_a_thread_that_a_library_forgot_keeps_no_process(office: Any) -> None:
    job_id = office.submit(then="forget a thread")
    worker = office.claimed(job_id).worker

    office.run(job_id)

    office.tick_until(lambda: not office.runner.is_alive(worker))


def test_a_full_disk_pauses_the_job(open_office: Callable[..., Any]) -> None:
    office = open_office(room_bytes=1)
    job_id = office.submit(then="disk")

    office.tick_until(lambda: office.job(job_id).state == JobState.PAUSED)

    assert office.job(job_id).error.problem == "There is no room left on the server's disk."


def test_a_polite_stop_puts_the_job_back_and_another_worker_finishes_it(office: Any) -> None:
    job_id = office.submit(**UNTIL_TOLD)
    running = office.claimed(job_id)

    office.runner.stop(running.worker, force=False)
    office.tick_until(lambda: office.job(job_id).attempt == 2)
    job = office.end(job_id)

    assert (job.state, job.attempt, job.crashes) == (JobState.DONE, 2, 0)


def test_a_polite_stop_does_not_wait_for_libraries_that_load_long(
    office: Any, wait_for: Callable[..., None]
) -> None:
    """Seen with torch's build for GPUs: the worker loaded for 40 s, the server had ended after 8."""
    job_id = office.submit(load_s=600.0)
    office.tick_until(lambda: "started" in log_of(office, job_id))
    running = office.job(job_id)

    office.runner.stop(running.worker, force=False)
    wait_for(lambda: not office.runner.is_alive(running.worker))

    job = office.job(job_id)
    assert (job.state, job.attempt, job.crashes) == (JobState.QUEUED, 1, 0)


@pytest.mark.parametrize("name", ["", "..", "../x", "missing", "loose"])
def test_a_result_that_is_no_sealed_folder_is_a_fault(store: Store, name: str, tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()

    with pytest.raises(RuntimeError, match="no sealed folder"):
        worker._check_result(tmp_path, name)


def test_a_worker_with_nothing_to_claim_leaves_at_once(store: Store) -> None:
    job = store.submit("ann", "project", "{}", "key")
    command = [*WORKER, "--store", str(store.path), "--job", job.id, "--attempt", "7"]

    ended = subprocess.run(command, env=child_environment({}), check=False, timeout=600)

    assert ended.returncode == 3
    assert store.get(job.id) == job


def test_two_workers_of_one_attempt_are_one_too_many(store: Store) -> None:
    job_id = store.submit("ann", "project", '{"steps": 20, "step_s": 0.02}', "key").id
    job = store.assign_next(1)
    assert job is not None
    command = [*WORKER, "--store", str(store.path), "--job", job_id, "--attempt", "1"]
    workers = [subprocess.Popen(command, env=child_environment({})) for _ in range(2)]

    assert sorted(process.wait(timeout=600) for process in workers) == [0, 3]
    assert sum(event.kind == "note" for event in read_events(store.folder(job_id))) == 1


def test_a_spare_ends_when_its_server_is_gone(store: Store) -> None:
    command = [*WORKER, "--store", str(store.path), "--spare", "token", "--server", "999999999:1"]

    assert subprocess.run(command, env=child_environment({}), check=False, timeout=600).returncode == 3


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
def test_a_worker_that_is_stopped_while_it_starts_costs_nothing(
    office: Any, wait_for: Callable[..., None]
) -> None:
    job_id = office.submit(**UNTIL_TOLD)
    office.queue.tick()

    wait_for(lambda: LOG_FILE in os.listdir(office.store.folder(job_id)))
    office.queue.stop_workers()
    office.tick_until(lambda: office.job(job_id).attempt == 2)
    job = office.end(job_id)

    assert (job.state, job.attempt) == (JobState.DONE, 2)
