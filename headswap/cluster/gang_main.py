"""One process of a gang: `python -m headswap.cluster.gang_main FOLDER`, started by `headswap.cluster.gang`.

Exit codes: 0 done, 2 a person can correct it and its two sentences are in the folder, 1 a fault, 4 the driver
is gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import psutil
import torch
import torch.distributed as dist

from headswap.cluster.crew import Parcel, run_task
from headswap.cluster.gang import WORK, answer_file, error_file
from headswap.cluster.ranks import WAIT_S
from headswap.errors import HeadswapError
from headswap.storage.files import drop, write_text

_GONE = 4


def main(folder: Path) -> int:
    """Join the others, then do every parcel with them."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    work = json.loads((folder / WORK).read_text(encoding="utf-8"))
    if _is_gone(work["driver"]):  # it died while torch was imported
        drop(folder)
        return _GONE
    _end_with(work["driver"], folder)
    dist.init_process_group(
        backend_here(int(os.environ["LOCAL_RANK"]), size),
        store=dist.FileStore(str(folder / "meeting"), size),  # type: ignore[attr-defined]
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=WAIT_S),
    )
    try:
        for number, facts in enumerate(work["parcels"]):
            answer = run_task(work["task"], Parcel(facts=json.loads(facts)))
            if rank == 0:
                write_text(answer_file(folder, number), answer.packed()[0])
        dist.barrier()
    except HeadswapError as error:
        said = {"problem": error.problem, "remedy": error.remedy}
        write_text(error_file(folder, rank), json.dumps(said))
        return 2
    return 0


def backend_here(local_rank: int, processes: int) -> str:
    """Which libraries carry tensors between processes; gives this process a GPU, where there are some.

    NCCL wants a GPU for each process of a machine; gloo carries what is on the processor.
    """
    if not torch.cuda.is_available():
        return "gloo"
    gpus = torch.accelerator.device_count()
    torch.cuda.set_device(local_rank % gpus)
    return "cpu:gloo,cuda:nccl" if dist.is_nccl_available() and processes <= gpus else "gloo"


def _is_gone(driver: int) -> bool:
    """Whether the process that started this one has died; its number may be another's then."""
    return os.getppid() != driver or not psutil.pid_exists(driver)


def _end_with(driver: int, folder: Path) -> None:
    """End this process, and drop the folder, when its driver has died: nothing else would."""

    def watch() -> None:
        while not _is_gone(driver):
            time.sleep(1)
        drop(folder)
        os._exit(_GONE)

    threading.Thread(target=watch, daemon=True).start()


def _leave(code: int) -> NoReturn:
    """End at once: a process that lost the others would wait for them in its destructors."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        _leave(main(Path(sys.argv[1])))
    except Exception:  # noqa: BLE001 - told, then out
        traceback.print_exc()
        _leave(1)
