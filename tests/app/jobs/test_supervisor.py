from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from headswap.app.jobs import supervisor as supervisor_module
from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.store import LOG_FILE, Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.local import LocalRunner
from headswap.storage.files import DiskFull, check_seal
from tests.app.jobs.conftest import UNTIL_TOLD

SERVER = (sys.executable, str(Path(__file__).with_name("small_server.py")))


def supervisors() -> set[threading.Thread]:
    """Threads of supervisors in this process; one of another test's service may be among them."""
    return {thread for thread in threading.enumerate() if thread.name == "supervisor"}


def test_nothing_runs_before_the_start(office: Any) -> None:
    before = supervisors()

    Supervisor(office.queue)

    assert supervisors() <= before


def test_a_started_supervisor_brings_a_job_to_its_end(office: Any, wait_for: Callable[..., None]) -> None:
    before = supervisors()
    supervisor = Supervisor(office.queue)
    supervisor.start()
    supervisor.start()  # twice is once
    job_id = office.submit(steps=3)

    wait_for(lambda: office.job(job_id).is_over)
    while_running = supervisors() - before
    supervisor.stop()

    assert office.job(job_id).state == JobState.DONE
    assert len(while_running) == 1
    assert supervisors() <= before


def test_a_stop_leaves_workers_at_work_unless_told_otherwise(
    office: Any, wait_for: Callable[..., None]
) -> None:
    supervisor = Supervisor(office.queue)
    supervisor.start()
    job_id = office.submit(**UNTIL_TOLD)
    wait_for(lambda: office.job(job_id).progress is not None)

    supervisor.stop()
    worker = office.job(job_id).worker
    left_alive = office.runner.is_alive(worker)
    supervisor.stop(stop_workers=True)
    wait_for(lambda: not office.runner.is_alive(worker))

    assert left_alive
    assert (office.job(job_id).state, office.job(job_id).crashes) == (JobState.QUEUED, 0)


def test_workers_save_while_the_rest_of_the_server_ends_and_are_waited_for_once(
    office: Any, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(office.queue)
    supervisor.start()
    job_id = office.submit(**UNTIL_TOLD)
    later = office.submit("later", steps=1)
    wait_for(lambda: office.job(job_id).progress is not None)
    worker = office.job(job_id).worker

    supervisor.begin_to_stop()
    wait_for(lambda: not office.runner.is_alive(worker))
    monkeypatch.setattr(supervisor_module, "STOP_S", -1.0)  # its time is over: nothing is waited for again
    supervisor.stop(stop_workers=True)

    assert (office.job(job_id).state, office.job(job_id).crashes) == (JobState.QUEUED, 0)
    assert (office.job(later).state, office.job(later).attempt) == (JobState.QUEUED, 0)


def test_where_there_are_no_signals_workers_hear_the_end_of_the_server_from_their_rows(
    office: Any, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_signals = LocalRunner.stop

    def stop(runner: LocalRunner, handle: str, *, force: bool) -> None:
        if force:
            with_signals(runner, handle, force=True)

    monkeypatch.setattr(LocalRunner, "stop", stop)
    supervisor = Supervisor(office.queue)
    supervisor.start()
    job_id = office.submit(**UNTIL_TOLD)
    wait_for(lambda: office.job(job_id).progress is not None)
    worker = office.job(job_id).worker

    supervisor.stop(stop_workers=True)
    wait_for(lambda: not office.runner.is_alive(worker))

    assert (office.job(job_id).state, office.job(job_id).crashes) == (JobState.QUEUED, 0)


def test_a_server_ends_though_the_rows_cannot_be_written(
    office: Any, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = office.submit(**UNTIL_TOLD)
    worker = office.claimed(job_id).worker

    def full() -> None:
        raise DiskFull("There is no room.", remedy="Free some.")

    monkeypatch.setattr(office.store, "request_stop", full)

    assert office.queue.ask_workers_to_stop() == [worker]
    wait_for(lambda: not office.runner.is_alive(worker))


@pytest.mark.parametrize(
    "fault",
    [sqlite3.OperationalError("database or disk is full"), psutil.AccessDenied(1), PermissionError(13)],
)
def test_a_tick_that_fails_is_logged_and_the_next_one_comes(
    fault: Exception,
    office: Any,
    wait_for: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticks = []

    def tick() -> None:
        ticks.append(1)
        raise fault

    monkeypatch.setattr(office.queue, "tick", tick)
    supervisor = Supervisor(office.queue, interval_s=0.01)

    supervisor.start()
    wait_for(lambda: len(ticks) > 2)
    supervisor.stop()

    assert "the queue could not be looked after" in caplog.text


def test_an_idle_supervisor_looks_twice_a_second(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[float] = []
    monkeypatch.setattr(office.queue, "tick", lambda: ticks.append(time.monotonic()))
    supervisor = Supervisor(office.queue)
    supervisor.start()
    time.sleep(1.2)
    supervisor.stop()

    assert all(later - earlier > 0.4 for earlier, later in pairwise(ticks))


class Plague:
    """Kills workers and servers at random, and starts servers again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.store, self.runner = Store(folder / "jobs.db"), LocalRunner()
        self.killed_workers = self.killed_servers = 0
        self.server = self.start_server()

    def start_server(self) -> str:
        return self.runner.start(
            [*SERVER, str(self.folder), "3"], log=self.folder / "server.log", environment={}
        )

    def kill_a_worker(self) -> None:
        running = self.store.in_state(JobState.RUNNING)
        spared = [
            job for job in running if job.worker and job.crashes < 2
        ]  # the third crash is meant to be the end
        if spared:
            self.runner.stop(self.random.choice(spared).worker, force=True)
            self.killed_workers += 1

    def kill_the_server(self) -> None:
        self.runner.stop(self.server, force=True)
        self.killed_servers += 1
        self.server = self.start_server()

    def end(self) -> None:
        self.runner.stop(self.server, force=True)
        for job in self.store.in_state(JobState.RUNNING):
            self.runner.stop(job.worker, force=True)
        self.store.close()


def is_whole(store: Store, job: Job) -> bool:
    check_seal(store.folder(job.id) / job.result)
    return (store.folder(job.id) / job.result / "last.txt").read_text() == "whole"


def times_done(store: Store, job: Job) -> int:
    return (store.folder(job.id) / LOG_FILE).read_text().count("headswap.worker: done")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="killed by signals of POSIX")
def test_killed_workers_and_servers_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    plague = Plague(tmp_path, seed=1)  # what is hit still differs in every run
    try:
        plan = json.dumps({"steps": 12, "step_s": 0.02, "save_s": 0.05})
        ids = [plague.store.submit(f"{n % 3}", "p", plan, f"{n}").id for n in range(10)]
        end = time.monotonic() + 1200
        while not all(plague.store.get(job_id).is_over for job_id in ids):
            assert time.monotonic() < end, [plague.store.get(job_id) for job_id in ids]
            time.sleep(plague.random.uniform(0.05, 0.3))
            if plague.random.random() < 0.6:
                plague.kill_a_worker()
            if plague.killed_servers < 5 and plague.random.random() < 0.25:
                plague.kill_the_server()
        jobs = [plague.store.get(job_id) for job_id in ids]

        assert [job.state for job in jobs] == [JobState.DONE] * len(ids)
        assert all(is_whole(plague.store, job) for job in jobs)
        assert not list(tmp_path.rglob("*draft*"))
        assert all(times_done(plague.store, job) <= 1 for job in jobs)
        assert plague.killed_workers >= 5
        assert plague.killed_servers >= 1
    finally:
        plague.end()
