"""A crew of the processes of a Ray cluster that this machine has joined.

Flow:  parcels --a few ahead of the work--> Ray tasks, one processor each --as they end--> answers

Ray is asked for little: stateless tasks, spread over the machines, tried again when a process or a machine
dies. Its store is never the record of anything: what must last, a task writes to the disk itself.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from headswap.cluster.crew import ClusterRefused, Parcel, Task, WorkLost, name_of, run_task
from headswap.cluster.nodes import not_there, other_versions, versions_here
from headswap.counted import counted
from headswap.errors import HeadswapError

MOST_TRIES = 20  # of one parcel: without an end, an image that ends its reader would be tried for ever
AHEAD = 2  # parcels of each processor that are on their way
_MOST_ASKED = 3  # of one machine: a process of it may be ended meanwhile, as any other
_WAKE_S = 1.0  # how long no one looks whether the work was stopped
NO_ROOM_S = 60.0  # without a machine that could take a parcel, the cluster is lost; Ray would wait for ever
_NOT_THERE = (
    "failed to import on the worker",
    "_work() takes",
)  # no headswap, or one that is given other things

Packed = tuple[str, dict[str, "NDArray[Any]"]]


class RayCrew:
    """All processors of a cluster. This process must have joined it: `headswap.cluster.joining`."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    @property
    def size(self) -> int:
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        import ray

        each_cpus = min(threads, max(1, _most_cpus())) if threads > 1 else threads
        if gpu_share and not _has_room(0, gpu_share):
            raise _no_gpu()
        remote = ray.remote(
            num_cpus=each_cpus,
            num_gpus=gpu_share or None,
            max_calls=0,  # or a process on a GPU would end after one parcel, and load its network again
            max_retries=MOST_TRIES,
            scheduling_strategy="SPREAD",
        )(_work)
        coming, versions = enumerate(parcels), versions_here()
        running: dict[Any, tuple[int, str]] = {}
        had_room_at = self._clock()
        try:
            while True:
                free = AHEAD * self._slots(gpu_share) - len(running)  # below 0 after a machine died
                for number, parcel in islice(coming, max(0, free)):
                    running[remote.remote(name_of(task), *parcel.packed(), versions)] = number, parcel.about
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_WAKE_S)
                if ready or _has_room(each_cpus, gpu_share):
                    had_room_at = self._clock()
                elif self._clock() - had_room_at >= NO_ROOM_S:
                    raise _no_room(each_cpus, gpu_share)
                if meanwhile is not None and not ready:
                    meanwhile()
                for one in ready:
                    number, about = running.pop(one)
                    yield number, _answer(one, about)
        finally:
            for one in running:
                ray.cancel(one, force=True)

    def _slots(self, gpu_share: float) -> int:
        """Parcels at the same time: each has a processor, and its share of one GPU."""
        if not gpu_share:
            return self.size
        return max(1, sum(min(cpus, int(gpus / gpu_share)) for cpus, gpus in _machines()))

    def everywhere(self, task: Task, parcel: Parcel, *, most_s: float) -> dict[str, Parcel | None]:
        """The answer of each machine, by its address; None: it gave none in so many seconds.

        One that dies while it is asked is left out: what is left of the cluster can do the work.
        """
        import ray
        from ray.exceptions import RayError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(num_cpus=0, max_retries=_MOST_ASKED)(_work)
        asked = {
            remote.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(name_of(task), *parcel.packed(), None): node
            for node in ray.nodes()
            if node["Alive"]
        }
        waiting, done, end = list(asked), [], self._clock() + most_s
        while waiting and self._clock() < end:
            ready, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=_WAKE_S)
            done += ready
            alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
            waiting = [one for one in waiting if asked[one]["NodeID"] in alive]
        found: dict[str, Parcel | None] = {}
        for one, node in asked.items():
            answer = None
            if one in done:
                with suppress(RayError):  # headswap is not there, or not this one
                    answer = _opened(ray.get(one))
            else:
                ray.cancel(one, force=True)
            if answer is not None or node["NodeID"] in alive:
                found[f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"] = answer
        return found


def _machines() -> list[tuple[int, float]]:
    """Processors and GPUs of each machine, also those that are taken just now."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(int(one.get("CPU", 0)), one.get("GPU", 0.0)) for one in alive]


def _most_cpus() -> int:
    """Of the largest machine: a task that wants more would wait for ever."""
    return max([cpus for cpus, _ in _machines()], default=-1)


def _has_room(cpus: int, gpu_share: float) -> bool:
    """Whether there is a machine that could take a task."""
    return any(has_cpus >= cpus and gpus >= gpu_share for has_cpus, gpus in _machines())


def _work(
    name: str, facts: str, arrays: dict[str, NDArray[Any]], versions: dict[str, str] | None
) -> Packed | HeadswapError:
    """What runs in a process of the cluster. What a person can put right comes back as an answer.

    `versions` are those that it needs: a machine may join when the others were checked. None: any.
    """
    try:
        if versions is not None and (
            error := other_versions(socket.gethostname(), versions_here(), versions)
        ):
            return error
        return run_task(name, Parcel(facts=json.loads(facts), arrays=arrays)).packed()
    except HeadswapError as error:
        return error


def _answer(done: Any, about: str) -> Parcel:
    """What came of a parcel; what was raised there is raised as it was."""
    import ray

    try:
        return _opened(ray.get(done))
    except ray.exceptions.RayTaskError as error:
        if any(part in str(error.cause) for part in _NOT_THERE):
            raise not_there(_host_at(error.ip)) from error
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise _lost(about) from error


def _host_at(address: str) -> str:
    """The name of a machine of the cluster."""
    import ray

    names = {node["NodeManagerAddress"]: node["NodeManagerHostname"] for node in ray.nodes()}
    return str(names.get(address, address))


def _no_gpu() -> ClusterRefused:
    return ClusterRefused(
        "The machine that asks runs the network on a GPU, and no machine of the cluster has one.",
        remedy="Let a machine with a GPU join it, or ask from a machine that has none.",
    )


def _no_room(cpus: int, gpu_share: float) -> ClusterRefused:
    needs = counted(cpus, "processor") + (" and a GPU" if gpu_share else "")
    return ClusterRefused(
        f"For {NO_ROOM_S:.0f} seconds no machine of the cluster has had {needs}, as the work needs.",
        remedy="Let one join it, then ask for the same again: what was done is kept.",
    )


def _opened(answer: Packed | HeadswapError) -> Parcel:
    if isinstance(answer, HeadswapError):
        raise answer
    facts, arrays = answer
    return Parcel(facts=json.loads(facts), arrays=arrays)


def _lost(about: str) -> WorkLost:
    return WorkLost(
        f"{about or 'A part of the work'} ended {MOST_TRIES + 1} processes of the cluster in turn.",
        remedy="Leave these files out, or run it on this machine alone, without --on.",
    )
