"""How many threads torch and numpy use for a while, and how numpy's stay out of the way of torch's.

OpenBLAS, which multiplies numpy's matrices, keeps its threads spinning for a tenth of a second after
each product, in case there is another. Torch's own threads share the processors with them, and
a network takes twice as long meanwhile: so a small product is made by one thread, which waits for no one.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.counted import counted

if TYPE_CHECKING:  # who only counts processors, a worker that has just begun, needs none of these
    import numpy as np
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

_share: ContextVar[int] = ContextVar("share", default=0)  # of the processors; 0: all of them
_LARGE = 5e9  # multiplications, from which on a tenth of a second of spinning no longer matters
_BRING_THEIR_OWN = ("numpy", "scipy.linalg")  # libraries that come with an OpenBLAS


def processors() -> int:
    """How many this process may use; within `share_of_processors` no more than the share."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _share.get() or here))


@cache
def machine_text() -> str:
    """The processor and its cores, such as "AMD EPYC, 2 cores": what a measured time belongs to."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):  # elsewhere than on Linux
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {counted(os.cpu_count() or 1, 'core')}"


@contextmanager
def share_of_processors(count: int) -> Iterator[None]:
    """While it lasts, this thread counts no more `processors` than that, to leave room for others; 0: all."""
    before = _share.set(count)
    try:
        yield
    finally:
        _share.reset(before)


def product(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.floating]:
    """(A, B) times (B, C): what `@` gives."""
    import numpy as np

    if left.size * right.shape[-1] > _LARGE:
        return np.asarray(left @ right)
    with one_blas_thread():
        return np.asarray(left @ right)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While it lasts, numpy and scipy multiply on one thread, in the whole process."""
    loaded = tuple(name in sys.modules for name in _BRING_THEIR_OWN)
    try:
        pools = _pools(loaded)
    except PermissionError:  # a confined process may not look at what it has loaded: slower, not wrong
        yield
        return
    with pools.limit(limits=1, user_api="blas"):
        yield


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """While it lasts, torch uses so many threads, in the whole process; None: as many as before."""
    if count is None:  # then torch need not be there yet
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _pools(_loaded: tuple[bool, ...]) -> ThreadpoolController:
    """The thread pools of the process; looking for them takes milliseconds, so only if there may be more."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
