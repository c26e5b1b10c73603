"""Processes of a Ray cluster that do each parcel together, started by Ray Train.

Flow:  parcel --RayGang.each--> one task of the crew --TorchTrainer--> N workers, each with its rank
           --what rank 0 returns--> (number, answer), one parcel after another

Ray Train places the workers, begins torch's process group, and starts all of them again when one dies: what a
task left on the disk it goes on from. The task that holds the trainer takes no processor itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from headswap.cluster.crew import Crew, Parcel, Task, WorkLost, name_of, run_task, task
from headswap.errors import BadSetting, HeadswapError

MOST_STARTS = 6  # of one parcel


class RayGang:
    """A crew that does one parcel after another, each with several processes of a cluster.

    A task must know of it: `headswap.cluster.ranks.ranks_here` says which part each process has.
    """

    size = 1

    def __init__(self, crew: Crew, processes: int, *, on_gpus: bool, folder: Path) -> None:
        """Of a crew that is on a cluster.

        Args:
            crew: holds the trainer of each parcel.
            processes: that work together.
            on_gpus: whether each has a GPU.
            folder: that all machines see, for Ray Train's own records.
        """
        self.crew, self.processes, self.on_gpus, self.folder = crew, processes, on_gpus, folder

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        """As `headswap.cluster.crew.Crew.each` says; `threads` are those of each process."""
        for number, parcel in enumerate(parcels):
            held = Parcel(
                facts={
                    "task": name_of(task),
                    "facts": parcel.packed()[0],
                    "processes": self.processes,
                    "threads": threads,
                    "on_gpus": self.on_gpus,
                    "folder": str(self.folder.resolve()),
                },
                about=parcel.about,
            )
            for _, answer in self.crew.each(do_together, [held], threads=0, meanwhile=meanwhile):
                yield number, answer


@task
def do_together(parcel: Parcel) -> Parcel:
    """Let the workers of a trainer do a task.

    Raises:
        BadSetting: the cluster has too few processors or GPUs, or Ray Train is not installed.
        WorkLost: workers died again and again.
    """
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:
        raise BadSetting(
            "Several processes of a cluster need Ray Train, which is not installed there.",
            remedy='On every machine: pip install "headswap[cluster]".',
        ) from error
    from headswap.cluster.ranks import WAIT_S

    asked = dict(parcel.facts)
    trainer = TorchTrainer(
        work_in_rank,
        train_loop_config={"task": asked["task"], "facts": asked["facts"]},
        torch_config=TorchConfig(
            backend="cpu:gloo,cuda:nccl" if asked["on_gpus"] else "gloo", timeout_s=int(WAIT_S)
        ),
        scaling_config=ScalingConfig(
            num_workers=asked["processes"],
            use_gpu=asked["on_gpus"],
            resources_per_worker=_resources(asked["processes"], asked["threads"], asked["on_gpus"]),
        ),
        run_config=RunConfig(
            storage_path=asked["folder"], failure_config=FailureConfig(max_failures=MOST_STARTS - 1)
        ),
    )
    try:
        result = trainer.fit()
    except TrainingFailedError as error:
        raise _why(error, asked["processes"]) from error
    return Parcel(facts=json.loads(result.return_value))


def work_in_rank(asked: dict[str, str]) -> str:
    """What runs in each worker; the answer as JSON, of which that of rank 0 counts."""
    import torch
    from ray.train.torch import get_device

    if torch.cuda.is_available():
        torch.cuda.set_device(get_device())
    answer = run_task(asked["task"], Parcel(facts=json.loads(asked["facts"])))
    return answer.packed()[0]


def _resources(processes: int, threads: int, on_gpus: bool) -> dict[str, float]:
    """Of each worker: as many processors as it has threads, or as fit when all workers have as many."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    kind = "GPU" if on_gpus else "CPU"
    have = int(sum(node.get(kind, 0) for node in nodes))
    if have < processes:
        name = "GPUs" if on_gpus else "processors"
        raise BadSetting(
            f"{processes} processes were asked for, and the cluster has {have} {name}.",
            remedy=f"Ask for at most {have} (--processes), or let more machines join.",
        )
    fitting = [
        count
        for count in range(1, threads + 1)
        if sum(_fitting(node, count, on_gpus) for node in nodes) >= processes
    ]
    found: dict[str, float] = {"CPU": max(fitting, default=0)}
    return found | ({"GPU": 1} if on_gpus else {})


def _fitting(node: dict[str, float], cpus: int, on_gpus: bool) -> int:
    """How many workers of so many processors a machine has room for."""
    by_cpu = int(node.get("CPU", 0) // cpus)
    return min(by_cpu, int(node.get("GPU", 0))) if on_gpus else by_cpu


def _why(error: Exception, processes: int) -> HeadswapError:
    """What a person can put right, if a worker said so; or that workers died."""
    failures: dict[int, Any] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        for one in (failure, getattr(failure, "cause", None), failure.__cause__):
            if isinstance(one, HeadswapError):
                return one
    return WorkLost(
        f"A run of {processes} processes of the cluster ended {MOST_STARTS} times before it was done.",
        remedy="The log of Ray Train on the dashboard says why. Or leave --processes out.",
    )
