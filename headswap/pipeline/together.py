"""Which processes make a run of fine-tuning together: one on each GPU, or as many as were asked for.

Flow:  TrainingTask + number of processes --with_processes--> the same task, with a gang for its runs

docs/decisions/0059-one-run-over-several-processes.md says how N processes learn what one would.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from headswap.cluster.crew import Crew
from headswap.cluster.gang import Gang, gpus_here, processes_asked
from headswap.cluster.launched import Launched
from headswap.cluster.ranks import ranks_here
from headswap.cluster.ray_gang import RayGang
from headswap.pipeline.loading import NetworkOrigin
from headswap.pipeline.spread_runs import runs_on
from headswap.training.finetune.modes import training_engine
from headswap.training.task import TrainingTask


def with_processes(
    task: TrainingTask,
    asked: int | None,
    origin: NetworkOrigin,
    head_path: str | None,
    crew: Crew | None = None,
) -> TrainingTask:
    """Let several processes make each run of a task, where there is more to train than the head.

    Args:
        task: what is trained.
        asked: how many processes; None: as HEADSWAP_PROCESSES says, or else one on each GPU of this machine.
        origin: of the network, before it had its new head.
        head_path: the person's own choice of layer; None: found.
        crew: of a cluster, whose processes they are if their number was asked for; None: this machine's.

    Raises:
        BadSetting: that is no number of processes.
    """
    if task.config.depth == "head":
        return task
    gang, count, threads = _gang(task, asked, crew)
    if gang is None:
        return task
    runs = runs_on(gang, origin, head_path, task.manifest, threads=threads)
    return replace(task, runs_together=runs, processes=count)


def _gang(task: TrainingTask, asked: int | None, crew: Crew | None) -> tuple[Crew | None, int, int]:
    """Who makes the runs, how many processes that is, and the threads of each; None: one process alone."""
    ranks, threads = ranks_here(), torch.get_num_threads()
    if not ranks.is_alone:  # torchrun started them, and divided the threads
        return Launched(), ranks.size, threads
    count = count_of(asked, task.config.finetune.batch_size)
    if count < 2:
        return None, 1, threads
    if crew is not None and processes_asked(asked) and task.checkpoints is not None:
        on_gpus = training_engine().device == "cuda"
        return RayGang(crew, count, on_gpus=on_gpus, folder=task.checkpoints / "ray"), count, threads
    return Gang(count), count, max(1, threads // count)


def count_of(asked: int | None, batch_size: int) -> int:
    """How many processes make a run.

    Args:
        asked: as for `with_processes`.
        batch_size: images of one step, of which each process has one at least.

    Raises:
        BadSetting: that is no number of processes.
    """
    usual = gpus_here() if training_engine().device == "cuda" else 1
    return max(1, min(processes_asked(asked) or usual, batch_size))
