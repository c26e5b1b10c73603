"""A real worker process whose work is that of a cluster: parcels that wait for a file, then a sealed folder.

python worker.py --store DB --job ID --attempt N --on CLUSTER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from headswap.app.jobs import worker
from headswap.cluster.crew import Parcel
from headswap.cluster.driver import DrivenCrew
from headswap.events import Listener, Progress
from headswap.storage.files import sealed_folder
from tests.cluster import tasks

PARCELS = 8


def work(on: str, experiment_json: str, job_folder: Path, listener: Listener) -> str:
    with DrivenCrew(on, paths=[], folder=job_folder.parent.parent / "features") as crew:
        gate = str(job_folder / "gate")
        parcels = (Parcel(facts={"number": number, "gate": gate}) for number in range(PARCELS))
        for done, _ in enumerate(crew.each(tasks.wait_at_the_gate, parcels), start=1):
            listener(Progress("features", done, PARCELS))
    with sealed_folder(job_folder / "bundle") as draft:
        (draft / "told.txt").write_text("whole")
    return "bundle"


if __name__ == "__main__":
    chosen = sys.argv[sys.argv.index("--on") + 1]
    worker.end(worker.main(work=partial(work, chosen), prepare=lambda: None))
