"""Memory: how much a process may take, and how much a run will probably need.

Flow:  limit --hold_memory--> this process cannot take more: an allocation fails, or the process dies
       limit --watching--> another process is ended soon after it has taken more
       experiment --need_of--> bytes, for the queue that admits runs while there is room

The limit counts the memory that a process can write to (RLIMIT_DATA), not the address space: torch and
CUDA reserve far more addresses than they use. Only Linux has such a limit; elsewhere the process that
started it watches what it holds in memory, several times a second, and ends it.

Knows processes and parameter counts; loads no torch.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headswap.errors import BundleDamaged
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import from_json
from headswap.zoos import parameters

LIBRARIES_BYTES = 700_000_000  # torch, timm and scipy, imported and at rest
IMAGES_BYTES = 600_000_000  # prepared inputs (at most 512 MB) and what is being decoded
BYTES_A_PARAMETER = 4 * 3  # as loaded, as folded for the engine, as saved
UNKNOWN_PARAMETERS = 100_000_000  # a network that no one has measured


WATCH_S = 0.1  # between two checks of a process that the system does not hold


def is_held_by_system() -> bool:
    """Whether `hold_memory` holds: macOS takes the limit and ignores it, Windows has none."""
    return sys.platform == "linux"


def hold_memory(limit_bytes: int) -> None:
    """Let this process take so much memory and no more; 0: no limit."""
    if limit_bytes > 0 and sys.platform != "win32" and is_held_by_system():
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, soft))


@contextmanager
def watching(pid: int, limit_bytes: int, end: Callable[[], None]) -> Iterator[None]:
    """Where the system holds nothing: while it lasts, `end` a process that takes more; 0: no limit."""
    if limit_bytes <= 0 or is_held_by_system():
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_S):
            if taken_bytes(pid) > limit_bytes:
                end()
                return

    watcher = threading.Thread(target=watch, name=f"memory-{pid}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def taken_bytes(pid: int) -> int:
    """What a process holds in memory; 0 when it is gone, or not to be looked at."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


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
    return LIBRARIES_BYTES + IMAGES_BYTES + BYTES_A_PARAMETER * (known or UNKNOWN_PARAMETERS)


def free_bytes() -> int:
    """Memory that a new process could take now."""
    import psutil

    return int(psutil.virtual_memory().available)
