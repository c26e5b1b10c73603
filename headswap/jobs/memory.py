"""Memory: how much a process may take, and how much a run will probably need.

Flow:  limit --hold_memory--> this process cannot take more: an allocation fails, or the process dies
       experiment --need_of--> bytes, for the queue that admits runs while there is room

The limit counts the memory that a process can write to (RLIMIT_DATA), not the address space: torch and
CUDA reserve far more addresses than they use. Where the system has no such limit, nothing is held.

Knows processes and parameter counts; loads no torch.
"""

from __future__ import annotations

import sys

from headswap.errors import BundleDamaged
from headswap.experiment import Experiment
from headswap.files import from_json
from headswap.zoos import parameters

LIBRARIES_BYTES = 700_000_000  # torch, timm and scipy, imported and at rest
PICTURES_BYTES = 600_000_000  # prepared inputs (at most 512 MB) and what is being decoded
BYTES_A_PARAMETER = 4 * 3  # as loaded, as folded for the engine, as saved
UNKNOWN_PARAMETERS = 100_000_000  # a network that nobody has measured


def hold_memory(limit_bytes: int) -> None:
    """Let this process take so much memory and no more; 0: no limit."""
    if limit_bytes > 0 and sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, soft))


def need_of(experiment_json: str) -> int:
    """About how many bytes a run will take, at most; 0 when that cannot be said."""
    try:
        experiment: Experiment = from_json(Experiment, experiment_json)
        return need_of_model(experiment.model)
    except BundleDamaged:  # not an experiment: the worker will say so
        return 0


def need_of_model(model: str) -> int:
    """About how many bytes the teaching of a network's head takes, at most."""
    known = parameters.named(model)
    return LIBRARIES_BYTES + PICTURES_BYTES + BYTES_A_PARAMETER * (known or UNKNOWN_PARAMETERS)


def free_bytes() -> int:
    """Memory that a new process could take now."""
    import psutil

    return int(psutil.virtual_memory().available)
