"""The server is killed while real teachings run: every one finishes, and the page is right again soon."""

from __future__ import annotations

import random
import time
from pathlib import Path

from headswap.data.intake import take_in
from headswap.data.split import split
from headswap.experiment import DataConfig, Experiment
from headswap.files import to_json
from headswap.jobs.job import JobState
from headswap.jobs.store import Store
from headswap.records import write_record
from headswap.runners.local import LocalRunner
from headswap.zoos.catalogue import DEFAULT_MODEL
from tests.soak.board import Line, Size, line
from tests.soak.house import House, new_key, some_drawings
from tests.soak.patience import wait_for
from tests.soak.workers import faults_of

RIGHT_AGAIN_S = 5.0


def killed_servers(size: Size, room: Path) -> list[Line]:
    """SIGKILL `app.py`, start it again, and look whether it knows what goes on."""
    chance, house, runner = random.Random(3), House(room / "workspace"), LocalRunner()
    dataset = room / "dataset.json"
    pictures = some_drawings(room / "pictures")
    write_record(dataset, split(take_in(pictures, store=room / "images").manifest))
    house.start()
    store = Store(house.workspace / "jobs.sqlite")
    ids, waits, wrong = [], [], []
    try:
        for number in range(size.server_kills):
            if not ids or store.get(ids[-1]).is_over:
                ids.append(_submit(store, dataset))
            time.sleep(chance.uniform(0.0, 4.0))
            house.kill()
            before = store.get(ids[-1])
            start_s = house.start()
            begin = time.monotonic()
            if not wait_for(lambda: _is_right(store, runner, ids[-1]), deadline_s=60):
                wrong.append(f"kill {number + 1}: the job stands still as {store.get(ids[-1]).state}")
            waits.append((start_s, time.monotonic() - begin))
            after = store.get(ids[-1])
            if before.state is JobState.RUNNING and before.lease and after.crashes > before.crashes:
                wrong.append(f"kill {number + 1}: the worker did not survive its server")
        wait_for(lambda: all(store.get(job).is_over for job in ids), deadline_s=300)
        wrong += [fault for job in ids for fault in faults_of(store, store.get(job))]
    finally:
        house.stop()
        for job in store.in_state(JobState.RUNNING):
            runner.stop(job.worker, force=True)
        store.close()
    slowest = max(seconds for _, seconds in waits)
    pages = sorted(seconds for seconds, _ in waits)
    seen = (
        f"{len(waits)} kills, {len(ids)} jobs; right within {slowest:.1f} s of the page, "
        f"which was back after {pages[len(pages) // 2]:.1f} s (at most {pages[-1]:.1f} s)"
    )
    return [
        line("killed servers", "jobs finish, page right in 5 s", seen, wrong, also=slowest < RIGHT_AGAIN_S)
    ]


def _submit(store: Store, dataset: Path) -> str:
    experiment = Experiment(data=DataConfig(source=str(dataset)), model=DEFAULT_MODEL)
    return store.submit("ann", "p", to_json(experiment), new_key()).id


def _is_right(store: Store, runner: LocalRunner, job: str) -> bool:
    """The row says what is: over, waiting, or worked on by a process that lives."""
    row = store.get(job)
    return row.is_over or (row.state is JobState.RUNNING and bool(row.worker) and runner.is_alive(row.worker))
