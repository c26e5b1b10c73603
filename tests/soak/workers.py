"""A queue whose workers are killed, fifty clicks at once, and stops at any moment."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path

from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import LOG_FILE, Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.local import LocalRunner
from headswap.storage.files import check_seal
from tests.soak.board import Line, Size, line
from tests.soak.patience import wait_for

WORKER = (sys.executable, str(Path(__file__).parents[1] / "app" / "jobs" / "small_worker.py"))
AT_ONCE, KILLS_OF_ONE_JOB = 3, 2  # the third crash of a job is meant to be its end
PLAN = {"steps": 10, "step_s": 0.02, "save_s": 0.05}


class Office:
    """A store, a queue and a supervisor over small work in real processes."""

    def __init__(self, folder: Path, *, plan: dict[str, float] | None = None) -> None:
        self.store, self.runner = Store(folder / "jobs.db"), LocalRunner()
        settings = QueueSettings(capacity=AT_ONCE, lease_s=30.0, force_s=10.0, room_bytes=0)
        self.queue = Queue(self.store, self.runner, settings, worker=WORKER)
        self.supervisor = Supervisor(self.queue, interval_s=0.05)
        self.plan = json.dumps(plan or PLAN)

    def submit(self, number: int) -> str:
        return self.queue.submit(f"owner {number % 3}", "p", self.plan, f"{number}")

    def close(self) -> None:
        self.supervisor.stop()
        workers = [job.worker for job in self.store.in_state(JobState.RUNNING) if job.worker]
        for worker in workers:
            self.runner.stop(worker, force=True)
        wait_for(lambda: not any(map(self.runner.is_alive, workers)), deadline_s=600)
        self.store.close()


def killed_workers(size: Size, room: Path) -> list[Line]:
    """SIGKILL workers at random while a queue is worked off."""
    chance, office = random.Random(11 + size.seed), Office(room)
    ids = [office.submit(number) for number in range(-(-size.worker_kills // KILLS_OF_ONE_JOB) + 4)]
    office.supervisor.start()
    kills, deadline = 0, time.monotonic() + 1200 + 6 * size.worker_kills
    try:
        while not all(office.store.get(job).is_over for job in ids) and time.monotonic() < deadline:
            time.sleep(chance.uniform(0.05, 0.25))
            mortal = [
                job
                for job in office.store.in_state(JobState.RUNNING)
                if job.worker and job.crashes < KILLS_OF_ONE_JOB and office.runner.is_alive(job.worker)
            ]
            if mortal and kills < size.worker_kills:
                office.runner.stop(chance.choice(mortal).worker, force=True)
                kills += 1
        office.queue.tick()
        jobs = [office.store.get(job) for job in ids]
        wrong = [fault for job in jobs for fault in faults_of(office.store, job)]
        wrong += [f"left over: {path.name}" for path in room.rglob("*draft*")]
        attempts = max(job.attempt for job in jobs)
    finally:
        office.close()
    seen = f"{kills} kills, {len(jobs)} jobs, at most {attempts} attempts"
    return [line("killed workers", "0 lost, 0 done twice, 0 bad artefacts", seen, wrong)]


def faults_of(store: Store, job: Job) -> list[str]:
    """What is wrong with a job that should have been done once."""
    if job.state is not JobState.DONE:
        return [f"job {job.sequence} is {job.state}: {job.error.problem if job.error else ''}"]
    folder = store.folder(job.id)
    check_seal(folder / job.result)
    times = (folder / LOG_FILE).read_text().count("headswap.worker: done")
    return [f"job {job.sequence} was done {times} times"] if times > 1 else []


def one_click_fifty_times(size: Size, room: Path) -> list[Line]:
    """The same start from many threads and connections at the same moment."""
    stores = [Store(room / "jobs.db") for _ in range(size.starts)]
    barrier, ids, wrong = threading.Barrier(size.starts), [], []

    def start(store: Store) -> None:
        barrier.wait()
        try:
            ids.append(store.submit("ann", "p", "{}", "click").id)
        except Exception as error:  # noqa: BLE001  any error is a finding here
            wrong.append(repr(error))

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = len(stores[0].in_state(JobState.QUEUED))
    for store in stores:
        store.close()
    seen = f"{len(ids)} starts, {rows} job"
    return [line("simultaneous starts with one key", "1 job", seen, wrong, also=rows == 1 == len(set(ids)))]


def stopped_at_any_moment(size: Size, room: Path) -> list[Line]:
    """Cancel jobs at random moments, also while they save."""
    chance, office = (
        random.Random(5 + size.seed),
        Office(room, plan={"steps": 6, "step_s": 0.03, "save_s": 0.1}),
    )
    ids = [office.submit(number) for number in range(size.cancels)]
    left = list(ids)
    office.supervisor.start()
    try:
        deadline = time.monotonic() + 1200 + 3 * size.cancels
        while left and time.monotonic() < deadline:
            running = [job.id for job in office.store.in_state(JobState.RUNNING) if job.id in left]
            for job in running[:1] if chance.random() < 0.9 else left[-1:]:
                time.sleep(chance.uniform(0, 0.5))
                office.queue.cancel(job)
                left.remove(job)
            time.sleep(0.02)
            left = [job for job in left if not office.store.get(job).is_over]
        wait_for(lambda: all(office.store.get(job).is_over for job in ids), deadline_s=1200)
        jobs = [office.store.get(job) for job in ids]
        wrong = [fault for job in jobs if job.state is not JobState.CANCELLED
                 for fault in faults_of(office.store, job)]  # fmt: skip
        wrong += [f"left over: {path.name}" for path in room.rglob("*draft*")]
        for folder in room.glob("jobs/*/result-*"):
            check_seal(folder)
    finally:
        office.close()
    cancelled = sum(job.state is JobState.CANCELLED for job in jobs)
    seen = f"{cancelled} cancelled, {len(jobs) - cancelled} done before they heard"
    return [line("stops at any moment", "cancelled or done, artefact whole or absent", seen, wrong)]
