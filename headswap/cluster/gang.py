"""Processes of this machine that do each parcel together: one on each GPU, or as many as were asked for.

Flow:  parcels --Gang.each--> a folder; torch's launcher starts `headswap.cluster.gang_main` N times
           --rank 0 writes each answer there--> (number, answer), in order

The processes meet in a file of that folder and talk over the machine's own loopback: no port is open to
others. When one ends too early, torch's launcher ends the rest. Those whose driver is gone end themselves.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from headswap.cluster.crew import Parcel, Task, WorkLost, name_of
from headswap.errors import BadSetting, HeadswapError, TeachingFailed
from headswap.storage.files import write_text

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.api import PContext
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

MOST_PROCESSES = 256
WORK = "work.json"
_POLL_S, _MEANWHILE_S = 0.2, 1.0
_LOOPBACKS = ("lo", "lo0")
logger = logging.getLogger(__name__)


def processes_asked(asked: int | None = None) -> int | None:
    """How many processes will make one run: as asked, or as HEADSWAP_PROCESSES says; None: not said.

    Raises:
        BadSetting: not a whole number from 1 to 256, or more than one on Windows.
    """
    said = str(asked) if asked is not None else os.environ.get("HEADSWAP_PROCESSES", "").strip()
    if not said:
        return None
    if not (said.isascii() and said.isdigit() and 1 <= int(said) <= MOST_PROCESSES):
        raise BadSetting(
            f"The number of processes is {said}.",
            remedy=f"Give --processes or HEADSWAP_PROCESSES a whole number from 1 to {MOST_PROCESSES}.",
        )
    if int(said) > 1 and sys.platform == "win32":
        raise BadSetting(
            "Several processes cannot make one run on Windows.",
            remedy="Leave --processes and HEADSWAP_PROCESSES out, or use Linux or macOS.",
        )
    return int(said)


def gpus_here() -> int:
    """How many GPUs torch finds in this machine that processes can have for themselves."""
    import torch

    is_windows = sys.platform == "win32"
    return 0 if is_windows or not torch.cuda.is_available() else torch.accelerator.device_count()


class Gang:
    """A crew that does one parcel after another, each with all of its processes.

    A task must know of it: `headswap.cluster.ranks.ranks_here` says which part each process has.
    """

    size = 1

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        """As `headswap.cluster.crew.Crew.each` says, but a process that dies ends the work.

        Raises:
            WorkLost: a process was ended.
        """
        listed = [one.packed()[0] for one in parcels]
        with tempfile.TemporaryDirectory(prefix="headswap-gang-") as name:
            folder = Path(name)
            work = json.dumps({"task": name_of(task), "parcels": listed, "driver": os.getpid()})
            write_text(folder / WORK, work)
            running = _started(folder, self.processes, threads)
            try:
                for number in range(len(listed)):
                    yield number, self._answer(running, answer_file(folder, number), meanwhile)
            finally:
                running.close(timeout=10)

    def _answer(self, running: PContext, file: Path, meanwhile: Callable[[], None] | None) -> Parcel:
        told = time.monotonic()
        while not file.is_file():
            ended = running.wait(0)
            if ended is not None and not file.is_file():
                raise _why(ended.failures, file.parent, self.processes)
            if meanwhile is not None and time.monotonic() - told >= _MEANWHILE_S:
                meanwhile()
                told = time.monotonic()
            time.sleep(_POLL_S)
        return Parcel(facts=json.loads(file.read_text(encoding="utf-8")))


def answer_file(folder: Path, number: int) -> Path:
    """Where rank 0 puts the answer to a parcel."""
    return folder / f"answer-{number}.json"


def error_file(folder: Path, rank: int) -> Path:
    """Where a process puts what a person can put right."""
    return folder / f"error-{rank}.json"


def _started(folder: Path, processes: int, threads: int) -> PContext:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std, start_processes

    logging.getLogger("torch.distributed.elastic.multiprocessing").setLevel(logging.CRITICAL)
    return start_processes(
        name="headswap",
        entrypoint=sys.executable,
        args={rank: program(rank, folder) for rank in range(processes)},
        envs={rank: _environment(rank, processes, threads) for rank in range(processes)},
        logs_specs=DefaultLogsSpecs(log_dir=str(folder), redirects=Std.ALL),
    )


def program(rank: int, folder: Path) -> tuple[str, ...]:
    """What Python runs in the process of a rank."""
    return "-m", "headswap.cluster.gang_main", str(folder)


def _environment(rank: int, processes: int, threads: int) -> dict[str, str]:
    """In addition to this process's own; names of torchrun. Modules are found as they are found here."""
    found = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    loopback = next((name for name in _LOOPBACKS if name in psutil.net_if_addrs()), None)
    if loopback is not None:
        found["GLOO_SOCKET_IFNAME"] = loopback
    return found


def _why(failures: Mapping[int, ProcessFailure], folder: Path, processes: int) -> HeadswapError:
    """What ended them: what a process said, or that one was killed; the others failed because of it."""
    for rank in range(processes):
        if error_file(folder, rank).is_file():
            said: dict[str, Any] = json.loads(error_file(folder, rank).read_text(encoding="utf-8"))
            return TeachingFailed(said["problem"], remedy=said["remedy"])
    ended = {rank: int(failures[rank].exitcode) for rank in sorted(failures)}
    killed = [rank for rank, code in ended.items() if code < 0 and code != -signal.SIGTERM]
    first = next(iter(killed or ended), 0)
    if not killed:  # a fault, of which the sentence does not say enough
        logger.error("process %d of %d: %s", first + 1, processes, _last_output(folder, first))
    return lost(first, processes, ended.get(first, 0))


def lost(rank: int, processes: int, code: int) -> WorkLost:
    """One process of several ended too early.

    Args:
        rank: of it, from 0.
        processes: that worked together.
        code: with which it ended; below 0 is the number of a signal.
    """
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return WorkLost(
        f"Process {rank + 1} of the {processes} that made this run together {how}, so all of them ended.",
        remedy="Start the same again: it goes on from its last checkpoint. Where memory was short, ask for "
        "fewer processes (--processes).",
    )


def _last_output(folder: Path, rank: int) -> str:
    """The end of what a process wrote."""
    files = sorted(folder.rglob(f"{rank}/stderr.log"))
    return files[-1].read_text(encoding="utf-8", errors="replace")[-4000:] if files else ""
