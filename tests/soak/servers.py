"""The server is killed while real teachings run: every one finishes, and the page is right again soon."""

from __future__ import annotations

import random
import time
from pathlib import Path

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.storage.files import to_json
from headswap.storage.records import write_record
from headswap.zoos.catalogue import DEFAULT_MODEL
from tests.soak.board import Line, Size, line
from tests.soak.house import House, new_key, some_drawings
from tests.soak.patience import wait_for
from tests.soak.workers import faults_of

END_S = 10.0
STANDS_STILL_S = 600.0


def killed_servers(size: Size, room: Path) -> list[Line]:
    """SIGKILL `app.py`, start it again, and look whether it knows what goes on."""
    chance, house, runner = random.Random(3 + size.seed), House(room / "workspace"), LocalRunner()
    dataset = room / "dataset.json"
    images = some_drawings(room / "pictures")
    write_record(dataset, split(ingest(images, store=room / "images").manifest))
    house.start()
    store = Store(house.workspace / "jobs.sqlite")
    ids: list[str] = []
    waits: list[tuple[float, float]] = []
    wrong: list[str] = []
    try:
        for number in range(size.server_kills):
            if not ids or store.get(ids[-1]).is_over:
                ids.append(_submit(store, dataset))
            time.sleep(chance.uniform(0.0, 4.0))
            house.kill()
            before = store.get(ids[-1])
            start_s = house.start()
            begin = time.monotonic()
            if not wait_for(lambda: _is_right(store, runner, ids[-1]), deadline_s=STANDS_STILL_S):
                wrong.append(f"kill {number + 1}: the job stands still as {store.get(ids[-1]).state}")
            waits.append((start_s, time.monotonic() - begin))
            after = store.get(ids[-1])
            if before.state is JobState.RUNNING and before.lease and after.crashes > before.crashes:
                wrong.append(f"kill {number + 1}: the worker did not survive its server")
        wait_for(lambda: all(store.get(job).is_over for job in ids), deadline_s=1800)
        wrong += [fault for job in ids for fault in faults_of(store, store.get(job))]
        told = _told_to_end(house, store, runner, _submit(store, dataset))
    finally:
        house.stop()
        for job in store.in_state(JobState.RUNNING):
            runner.stop(job.worker, force=True)
        store.close()
    slowest = max(seconds for _, seconds in waits)
    seen = (
        "{kills:.0f} kills, {jobs:.0f} jobs; right within {right_s:.1f} s of the page, "
        "which was back after {page_s:.1f} s at most"
    )
    figures = {
        "kills": len(waits), "jobs": len(ids), "right_s": slowest, "page_s": max(page for page, _ in waits)
    }  # fmt: skip
    goal, also = f"jobs finish, page right in {size.right_again_s:g} s", slowest < size.right_again_s
    return [line("killed servers", goal, seen, wrong, also=also, figures=figures), told]


def _told_to_end(house: House, store: Store, runner: LocalRunner, job: str) -> Line:
    """SIGTERM while a worker is busy: its step is finished, and the job waits for the next start."""
    wait_for(lambda: store.get(job).progress is not None or store.get(job).is_over, deadline_s=STANDS_STILL_S)
    worker, begin = store.get(job).worker, time.monotonic()
    house.stop()
    took_s = time.monotonic() - begin
    wait_for(lambda: not worker or not runner.is_alive(worker), deadline_s=STANDS_STILL_S)  # a long step
    row = store.get(job)
    wrong = [f"the job is {row.state}"] if row.state not in (JobState.QUEUED, JobState.DONE) else []
    wrong += ["it counted as a crash"] if row.crashes else []
    wrong += ["its worker still runs"] if worker and runner.is_alive(worker) else []
    figures = {"ends": 1.0, "took_s": took_s}
    seen = "{ends:.0f} times with a run at work, {took_s:.1f} s at most"
    return line(
        "told to end (SIGTERM)", "< 10 s, the run waits", seen, wrong, also=took_s < END_S, figures=figures
    )


def _submit(store: Store, dataset: Path) -> str:
    experiment = Experiment(data=DataConfig(source=str(dataset)), model=DEFAULT_MODEL)
    return store.submit("ann", "p", to_json(experiment), new_key()).id


def _is_right(store: Store, runner: LocalRunner, job: str) -> bool:
    """The row says what is: over, waiting, or worked on by a process that lives."""
    row = store.get(job)
    return row.is_over or (row.state is JobState.RUNNING and bool(row.worker) and runner.is_alive(row.worker))
