"""Real teachings, each killed once at a random moment: they finish as an undisturbed one does."""

from __future__ import annotations

import random
import time
from pathlib import Path

from headswap.app.jobs.job import JobState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.local import LocalRunner
from headswap.bundle.format import read_report
from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.storage.files import sha256_of, to_json
from headswap.storage.records import write_record
from headswap.zoos.catalogue import DEFAULT_MODEL
from tests.soak.board import Line, Size, line
from tests.soak.house import some_drawings
from tests.soak.patience import wait_for

LONGEST_S = 600.0


def killed_teachings(size: Size, room: Path) -> list[Line]:
    """Teach once undisturbed; then again and again, each in a workspace of its own, killed on the way."""
    chance = random.Random(13 + size.seed)
    dataset = room / "dataset.json"
    images = some_drawings(room / "pictures")
    write_record(dataset, split(ingest(images, store=room / "images").manifest))
    truth, busy_s, _ = _teach(room / "undisturbed", dataset)
    wrong: list[str] = [] if truth else ["the undisturbed one failed"]
    interrupted = equal = 0
    for number in range(size.teachings):
        given, _, kills = _teach(room / f"{number}", dataset, kill_after_s=chance.uniform(0, busy_s))
        interrupted += kills
        equal += given == truth
        if given != truth:
            wrong.append(f"teaching {number}: {'another result' if given else 'did not finish'}")
    seen = "{equal:.0f} finished equal to the undisturbed one, {killed:.0f} of them really interrupted"
    figures: dict[str, float] = {"equal": equal, "killed": interrupted}
    return [line("killed teachings", "all finish, equal to uninterrupted", seen, wrong, figures=figures)]


def _teach(
    workspace: Path, dataset: Path, *, kill_after_s: float | None = None
) -> tuple[tuple[str, str] | None, float, int]:
    """One teaching in real processes; gives what it left, how long it was busy, how often it was killed."""
    store, runner = Store(workspace / "jobs.sqlite"), LocalRunner()
    queue = Queue(store, runner, QueueSettings(threads=1, room_bytes=0))
    supervisor = Supervisor(queue, interval_s=0.1)
    experiment = Experiment(data=DataConfig(source=str(dataset)), model=DEFAULT_MODEL)
    job = queue.submit("ann", "p", to_json(experiment), "key")
    supervisor.start()
    kills = 0
    try:
        wait_for(lambda: store.get(job).lease or store.get(job).is_over, deadline_s=LONGEST_S)
        begin = time.monotonic()
        if kill_after_s is not None:
            wait_for(lambda: store.get(job).is_over, deadline_s=kill_after_s)
            row = store.get(job)
            if row.worker and not row.is_over:
                runner.stop(row.worker, force=True)
                kills = 1
        wait_for(lambda: store.get(job).is_over, deadline_s=LONGEST_S)
        row = store.get(job)
        if row.state is not JobState.DONE:
            return None, time.monotonic() - begin, kills
        bundle = store.folder(job) / row.result
        left = sha256_of(bundle / "weights.safetensors"), to_json(read_report(bundle))
        return left, time.monotonic() - begin, kills
    finally:
        supervisor.stop()
        worker = store.get(job).worker
        if worker:
            runner.stop(worker, force=True)
        store.close()
