"""The bare server, queue and supervisor without the page, is killed again and again over small work."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from tests.soak.board import Line, Size, line
from tests.soak.patience import wait_for
from tests.soak.workers import PLAN, faults_of

SERVER = (sys.executable, str(Path(__file__).parents[1] / "app" / "jobs" / "small_server.py"))


def killed_queues(size: Size, room: Path) -> list[Line]:
    """SIGKILL the server, start another; every job is done once, and the next one is soon looked after."""
    chance, runner, store = random.Random(17 + size.seed), LocalRunner(), Store(room / "jobs.db")
    ids, waits, wrong = [], [], []

    def start() -> str:
        return runner.start([*SERVER, str(room), "2"], log=room / "server.log", environment={})

    server = start()
    try:
        for number in range(size.server_kills):
            ids.append(store.submit("ann", "p", json.dumps(PLAN), f"{number}").id)
            time.sleep(chance.uniform(0.0, 0.8))
            runner.stop(server, force=True)
            begin, server = time.monotonic(), start()
            if not wait_for(lambda: not _is_forgotten(store, runner), deadline_s=600):
                wrong.append(f"kill {number + 1}: a job stands still")
            waits.append(time.monotonic() - begin)
        wait_for(lambda: all(store.get(job).is_over for job in ids), deadline_s=1200)
        wrong += [fault for job in ids for fault in faults_of(store, store.get(job))]
        wrong += [f"left over: {path.name}" for path in room.rglob("*draft*")]
    finally:
        runner.stop(server, force=True)
        for job in store.in_state(JobState.RUNNING):
            runner.stop(job.worker, force=True)
        store.close()
    seen = f"{len(waits)} kills, {len(ids)} jobs, right within {max(waits):.1f} s of the start"
    goal = f"jobs done once, right in {size.right_again_s:g} s"
    return [line("killed queues", goal, seen, wrong, also=max(waits) < size.right_again_s)]


def _is_forgotten(store: Store, runner: LocalRunner) -> bool:
    """Whether a job waits although there is a free worker's place, or is said to run and does not."""
    running = store.in_state(JobState.RUNNING)
    alive = [job for job in running if job.worker and runner.is_alive(job.worker)]
    return len(alive) < len(running) or (not running and bool(store.in_state(JobState.QUEUED)))
