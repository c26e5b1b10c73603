"""Processes that torchrun has started, on one machine or several: rank 0 leads, the others do what it says.

Flow:  torchrun -m headswap teach ...  --rank 0--> the whole verb; its runs by `Launched.each`
                                       --other ranks--> follow: one task after another, until rank 0 is done

Rank 0 says what to do by a broadcast of their group; a task is named, and its parcel is JSON, as for every
crew. Torchrun itself ends all processes when one ends too early.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from headswap.cluster.crew import Parcel, Task, WorkLost, name_of, run_task
from headswap.errors import Cancelled

_GONE = ("connection closed", "connection reset", "timed out", "broken pipe")  # as gloo says it
_orders: ContextVar[Any] = ContextVar("orders", default=None)  # the group in which rank 0 says what to do
_PATIENCE = timedelta(days=30)  # how long a process waits for something to do: images are read first


def launched_rank() -> int | None:
    """Which of several processes of torchrun this is; None: torchrun started one, or did not start it."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return int(os.environ["RANK"]) if several and "TORCHELASTIC_RUN_ID" in os.environ else None


@contextmanager
def launched() -> Iterator[None]:
    """While it lasts, this process leads or follows the others of torchrun; alone, nothing happens.

    The block of a process that follows is not run for its own sake: it ends in `follow`.
    """
    rank = launched_rank()
    if rank is None:
        yield
        return
    import torch.distributed as dist

    from headswap.cluster.gang_main import backend_here
    from headswap.cluster.ranks import WAIT_S

    local = int(os.environ["LOCAL_RANK"])
    backend = backend_here(local, int(os.environ["LOCAL_WORLD_SIZE"]))
    dist.init_process_group(backend, timeout=timedelta(seconds=WAIT_S))
    _orders.set(dist.new_group(backend="gloo", timeout=_PATIENCE))
    yield
    if rank == 0:  # when it fails it just ends, and torchrun ends the others wherever they are
        _told(None)
        dist.destroy_process_group()  # or its threads, still running at the end, abort the process


def follow() -> None:
    """Do what rank 0 says, until it is done.

    Raises:
        HeadswapError: what a task raises.
        WorkLost: another process ended.
    """
    import torch.distributed as dist

    with _losses_told():
        while (order := _told(None)) is not None:
            with suppress(Cancelled):  # rank 0 ended this task, and says what comes next
                run_task(order["task"], Parcel(facts=json.loads(order["facts"])))
        dist.destroy_process_group()


class Launched:
    """A crew of rank 0: each parcel is done by all processes of torchrun, this one among them."""

    size = 1

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
            WorkLost: another process ended, or did not answer for ten minutes.
        """
        from headswap.cluster.ranks import heard_by

        for number, parcel in enumerate(parcels):
            facts = parcel.packed()[0]
            with _losses_told(), heard_by(meanwhile):
                _told({"task": name_of(task), "facts": facts})
                answer = run_task(name_of(task), Parcel(facts=json.loads(facts)))
            yield number, answer


@contextmanager
def _losses_told() -> Iterator[None]:
    """A step of torch.distributed that failed because another process was gone is told in a sentence."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        message = str(error).lower()
        if not isinstance(error, dist.DistError) and not any(one in message for one in _GONE):
            raise
        raise WorkLost(
            "Another of the processes that make this run together ended or did not answer.",
            remedy="Start the same again: it goes on from its last checkpoint.",
        ) from error


def _told(order: dict[str, str] | None) -> dict[str, str] | None:
    """What rank 0 says, in every process; None: that it is done."""
    from headswap.cluster.ranks import ranks_here

    said = ranks_here().bytes_of_first(json.dumps(order).encode(), _orders.get())
    found: dict[str, str] | None = json.loads(said)
    return found
