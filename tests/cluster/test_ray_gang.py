"""Ray Train is asked for the workers that a cluster has room for, and what it says is passed on.

The trainer is a pretended one: it runs the function of its workers in this process. A real one, whose
processes take half a minute, is in a thorough test of tests/contracts/test_crews.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from headswap.cluster import ray_gang
from headswap.cluster.crew import Crew, Parcel, WorkLost
from headswap.errors import BadSetting, UnreadableImage
from tests.cluster.here import Here
from tests.cluster.tasks import refuse
from tests.cluster.tasks_together import add_up


class Failed(Exception):
    """As Ray Train says it."""

    def __init__(self, failures: dict[int, Exception]) -> None:
        super().__init__("training failed")
        self.worker_failures = failures


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What trainers were asked for. A cluster of two machines: four processors and a GPU each."""
    seen: list[dict[str, Any]] = []

    class Trainer:
        def __init__(self, work: Any, **more: Any) -> None:
            seen.append(more)
            self.work, self.config = work, more["train_loop_config"]

        def fit(self) -> SimpleNamespace:
            try:
                return SimpleNamespace(return_value=self.work(self.config))
            except Exception as error:
                raise Failed({0: error}) from error

    node = {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}
    modules: dict[str, dict[str, Any]] = {
        "ray": {"nodes": lambda: [node, node, {"Alive": False, "Resources": {"CPU": 64.0}}]},
        "ray.train": {
            "FailureConfig": dict,
            "RunConfig": dict,
            "ScalingConfig": dict,
            "TrainingFailedError": Failed,
        },
        "ray.train.torch": {"TorchConfig": dict, "TorchTrainer": Trainer, "get_device": lambda: "cpu"},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        for member, value in members.items():
            setattr(module, member, value)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def gang(
    processes: int, folder: Path, *, on_gpus: bool = False, crew: Crew | None = None
) -> ray_gang.RayGang:
    return ray_gang.RayGang(crew or Here(), processes, on_gpus=on_gpus, folder=folder)


def test_parcels_are_done_one_by_one_by_workers_of_a_trainer(
    asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    parcels = [Parcel(facts={"count": count}) for count in (1, 5)]

    answers = list(gang(2, tmp_path).each(add_up, parcels, threads=3))

    assert [(number, len(answer.facts["rows"])) for number, answer in answers] == [(0, 1), (1, 5)]
    for one in asked:
        assert one["scaling_config"] == {
            "num_workers": 2,
            "use_gpu": False,
            "resources_per_worker": {"CPU": 3},
        }
        assert one["torch_config"] == {"backend": "gloo", "timeout_s": 600}
        assert one["run_config"]["storage_path"] == str(tmp_path)
        assert one["run_config"]["failure_config"] == {"max_failures": 5}


@pytest.mark.parametrize(
    ("processes", "threads", "on_gpus", "wanted"),
    [
        (2, 16, False, {"CPU": 4}),
        (3, 4, False, {"CPU": 2}),
        (8, 4, False, {"CPU": 1}),
        (2, 2, True, {"CPU": 2, "GPU": 1}),
    ],
)
def test_a_worker_gets_as_many_processors_as_all_can_have(
    asked: list[dict[str, Any]], tmp_path: Path, processes: int, threads: int, on_gpus: bool,
    wanted: dict[str, float],
) -> None:  # fmt: skip
    list(
        gang(processes, tmp_path, on_gpus=on_gpus).each(add_up, [Parcel(facts={"count": 1})], threads=threads)
    )

    assert asked[0]["scaling_config"]["resources_per_worker"] == wanted
    assert asked[0]["torch_config"]["backend"] == ("cpu:gloo,cuda:nccl" if on_gpus else "gloo")


@pytest.mark.parametrize(("processes", "on_gpus", "kind"), [(9, False, "8 processors"), (3, True, "2 GPUs")])
def test_more_workers_than_there_is_room_for_are_refused(
    asked: list[dict[str, Any]], tmp_path: Path, processes: int, on_gpus: bool, kind: str
) -> None:
    with pytest.raises(BadSetting, match=f"{processes} processes were asked for, and the cluster has {kind}"):
        list(gang(processes, tmp_path, on_gpus=on_gpus).each(add_up, [Parcel()]))

    assert asked == []


def test_what_a_worker_refuses_is_told_and_workers_that_die_too(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreadableImage, match=r"^a\.jpg is no picture\. Leave it out\.$"):
        list(gang(2, tmp_path).each(refuse, [Parcel(facts={"file": "a.jpg"})]))
    with pytest.raises(
        WorkLost, match="A run of 2 processes of the cluster ended 6 times before it was done"
    ):
        list(gang(2, tmp_path).each(add_up, [Parcel()]))  # which lacks a fact: a fault of the task
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(BadSetting, match="Ray Train, which is not installed there"):
        list(gang(2, tmp_path).each(add_up, [Parcel(facts={"count": 1})]))
