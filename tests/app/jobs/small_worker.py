"""A real worker process with small work, for the tests of the queue.

    python small_worker.py --store DB --job ID --attempt N

The experiment is JSON: {"steps": 20, "step_s": 0.01, "then": "..."}. Every step is one
event; the result is a sealed folder. `then` says how it ends when it does not end well.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from pathlib import Path

from headswap.app.jobs import worker
from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.errors import FinishEarly, TooFewImages
from headswap.events import EpochEnd, Listener, Note, Progress
from headswap.storage.files import DiskFull, sealed_folder
from headswap.threads import processors


def small_work(experiment_json: str, job_folder: Path, listener: Listener) -> str:
    plan = json.loads(experiment_json)
    steps, step_s, then = plan.get("steps", 5), plan.get("step_s", 0.01), plan.get("then", "")
    time.sleep(plan.get("load_s", 0.0))  # libraries that take long
    if plan.get("counts"):
        (job_folder / "processors").write_text(f"{processors()}")
    listener(Note(f"process {os.getpid()}"))
    for step in range(1, steps + 1):
        time.sleep(step_s)
        try:
            listener(Progress("head", step, steps, unit=plan.get("unit", "pictures")))
        except FinishEarly:
            break
        listener(EpochEnd(step, steps, step, steps, step, steps))
    _end_badly(then)
    if "save_s" in plan:
        listener(Progress("save", 0, 1))
    name = f"result-{uuid.uuid4().hex[:8]}"
    with sealed_folder(job_folder / name) as draft:
        (draft / "weights.bin").write_bytes(os.urandom(20_000))
        time.sleep(plan.get("save_s", 0.0))
        (draft / "last.txt").write_text("whole")
    return name


def _end_badly(then: str) -> None:
    if then == "user error":
        raise TooFewImages("There is one picture.", remedy="Add another.")
    if then == "fault":
        raise ZeroDivisionError("on purpose")
    if then == "memory":
        raise MemoryError
    if then == "swallow":
        bytearray(8_000_000_000)
    if then == "swallow slowly":
        taken = bytearray(b"x") * 500_000_000  # written to, so that it is really there
        time.sleep(600)
        del taken
    if then == "disk":
        raise DiskFull("The disk is full.", remedy="Free some space.")
    if then == "cluster":
        raise ClusterLost("The cluster does not answer any more.", remedy="Wait.")
    if then == "cluster refuses":
        raise ClusterRefused("10.0.0.2 does not see /srv/lab.", remedy="Mount it there.")
    if then == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if then == "hang":
        time.sleep(600)
    if then == "forget a thread":
        threading.Thread(target=time.sleep, args=(600,)).start()
    if then == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    worker.end(worker.main(work=small_work, prepare=lambda: None))
