"""Machines of a cluster that go until none is left, and others that join late and are not as the rest.

Ray is pretended: a task runs in this process when its answer is taken. The real one reads its settings when
it is imported, and would keep them for the real cluster of `tests/contracts/test_crews.py`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headswap.cluster import nodes, ray_crew
from headswap.cluster.crew import ClusterRefused, Parcel
from headswap.cluster.ray_crew import NO_ROOM_S, RayCrew
from tests.cluster.tasks import double

PARCEL = Parcel(facts={"number": 4}, arrays={"rows": np.ones(2)})


class RayError(Exception):
    """What Ray itself raises."""


class RayTaskError(RayError):
    """What a task raised."""

    def __init__(self, cause: Exception, ip: str) -> None:
        super().__init__(str(cause))
        self.cause, self.ip = cause, ip


@dataclass(frozen=True, eq=False)
class Asked:
    """A task that was handed to Ray."""

    work: Callable[..., Any]
    given: tuple[Any, ...]


class Pretended:
    """A head without processors, and a machine with two that is away at some times; it may have GPUs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.cancelled, self.in_flight = 0.0, 0, 0
        self.cpus, self.gpus = 2.0, 0.0
        self.options: dict[str, Any] = {}  # of the tasks
        self.is_there: Callable[[float], bool] = lambda _now: True
        self.does: Callable[[Asked], Any] = lambda asked: asked.work(*asked.given)
        pretended = SimpleNamespace(
            remote=self._remote,
            get=lambda asked: self.does(asked),
            exceptions=SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError),
            **{name: getattr(self, name) for name in ("wait", "nodes", "cancel", "cluster_resources")},
        )
        monkeypatch.setitem(sys.modules, "ray", pretended)
        self.crew = RayCrew(clock=lambda: self.now)

    def _remote(self, **options: Any) -> Callable[[Callable[..., Any]], SimpleNamespace]:
        self.options = options
        return self._task_of

    @staticmethod
    def _task_of(work: Callable[..., Any]) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *given: Asked(work, given))

    def wait(
        self, asked: list[Asked], *, num_returns: int, timeout: float
    ) -> tuple[list[Asked], list[Asked]]:
        self.now += timeout
        self.in_flight = max(self.in_flight, len(asked))
        ready = num_returns if self.is_there(self.now) else 0
        return asked[:ready], asked[ready:]

    def nodes(self) -> list[dict[str, Any]]:
        head = {"Alive": True, "Resources": {"CPU": 0.0}, "NodeManagerAddress": "10.0.0.1"}
        other = {
            "Alive": self.is_there(self.now),
            "Resources": {"CPU": self.cpus, "GPU": self.gpus},
            "NodeManagerAddress": "10.0.0.2",
        }
        return [{**head, "NodeManagerHostname": "oak"}, {**other, "NodeManagerHostname": "birch"}]

    def cancel(self, _asked: Asked, *, force: bool) -> None:
        self.cancelled += 1

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus} if self.is_there(self.now) else {}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    return Pretended(monkeypatch)


@pytest.mark.parametrize(("threads", "words"), [(1, "1 processor, as"), (64, "2 processors, as")])
def test_where_the_last_machine_that_can_do_it_is_gone_the_cluster_is_lost(
    pretended: Pretended, threads: int, words: str
) -> None:
    answers = pretended.crew.each(double, [PARCEL] * 3, threads=threads)
    next(answers)
    pretended.is_there = lambda _now: False

    with pytest.raises(ClusterRefused, match=f"For 60 seconds no machine of the cluster has had {words}"):
        list(answers)

    assert pretended.now == 1 + NO_ROOM_S
    assert pretended.cancelled == 2, "what no machine took"


def test_a_machine_that_is_back_in_time_goes_on(pretended: Pretended) -> None:
    pretended.is_there = lambda now: now % 50 == 0  # away for 49 seconds, again and again

    assert len(list(pretended.crew.each(double, [PARCEL] * 3))) == 3
    assert pretended.now == 150


def test_a_machine_that_joins_late_with_other_versions_is_named(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(asked: Asked) -> Any:
        with monkeypatch.context() as there:
            there.setattr(ray_crew, "versions_here", lambda: {**nodes.versions_here(), "torch": "1.0"})
            return asked.work(*asked.given)

    pretended.does = elsewhere

    with pytest.raises(
        ClusterRefused, match=f"^{socket.gethostname()} has torch 1.0, and the machine that asks"
    ):
        list(pretended.crew.each(double, [PARCEL]))


@pytest.mark.parametrize(
    "cause",
    [
        RuntimeError(
            "The remote function failed to import on the worker. This may be because needed library"
        ),
        TypeError("_work() takes 3 positional arguments but 4 were given"),  # an older headswap
    ],
)
def test_a_machine_that_joins_late_without_this_headswap_is_named(
    pretended: Pretended, cause: Exception
) -> None:
    def fail(_asked: Asked) -> Any:
        raise RayTaskError(cause, ip="10.0.0.2")

    pretended.does = fail

    with pytest.raises(ClusterRefused, match=r"^headswap does not run on birch\. Install the same headswap"):
        list(pretended.crew.each(double, [PARCEL]))


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"),
    [(8.0, 1.0, 4), (2.0, 1.0, 2), (64.0, 2.0, 8)],
    ids=["a GPU", "few processors", "two GPUs"],
)
def test_tasks_on_a_gpu_take_a_share_of_it_and_as_many_are_on_their_way_as_have_room_there(
    pretended: Pretended, cpus: float, gpus: float, slots: int
) -> None:
    pretended.cpus, pretended.gpus = cpus, gpus

    answers = list(pretended.crew.each(double, [PARCEL] * 40, gpu_share=1 / 4))

    assert len(answers) == 40
    assert (pretended.options["num_cpus"], pretended.options["num_gpus"]) == (1, 1 / 4)
    assert pretended.options["max_calls"] == 0, "a process keeps its network"
    assert pretended.in_flight == ray_crew.AHEAD * slots


def test_tasks_that_run_on_processors_ask_for_no_gpu(pretended: Pretended) -> None:
    pretended.gpus = 1.0

    list(pretended.crew.each(double, [PARCEL] * 9))

    assert pretended.options["num_gpus"] is None
    assert pretended.in_flight == ray_crew.AHEAD * 2


def test_a_cluster_without_a_gpu_is_refused_before_it_is_given_work(pretended: Pretended) -> None:
    with pytest.raises(ClusterRefused) as refused:
        list(pretended.crew.each(double, [PARCEL], gpu_share=1 / 4))

    assert str(refused.value) == (
        "The machine that asks runs the network on a GPU, and no machine of the cluster has one. Let a "
        "machine with a GPU join it, or ask from a machine that has none."
    )
    assert (pretended.options, pretended.now) == ({}, 0.0)


def test_where_the_last_machine_with_a_gpu_is_gone_the_cluster_is_lost(pretended: Pretended) -> None:
    pretended.gpus = 1.0
    answers = pretended.crew.each(double, [PARCEL] * 3, gpu_share=1 / 4)
    next(answers)
    pretended.is_there = lambda _now: False
    with pytest.raises(ClusterRefused, match="no machine of the cluster has had 1 processor and a GPU, as"):
        list(answers)
