from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.app.jobs.job import JobState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.processes.child import ChildEnded, ChildProcess
from headswap.app.processes.environment import child_environment
from headswap.app.processes.local import LocalRunner
from headswap.app.processes.memory import free_bytes, need_of, need_of_model, taken_bytes
from headswap.app.service.views import view_of
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.storage.files import to_json

TORCH = """
import json, torch
from headswap.app.jobs.job import error_of
from headswap.app.processes.memory import hold_memory
hold_memory(1_500_000_000)
try:
    torch.zeros(10_000_000_000)
except (RuntimeError, MemoryError) as error:
    found = error_of(error)
    print(json.dumps([found.code, found.problem]))
print(torch.zeros(1000).sum().item())
"""


def test_a_worker_that_takes_too_much_fails_with_a_reason_and_the_next_one_runs(
    open_office: Callable[..., Any],
) -> None:
    office = open_office(worker_bytes=600_000_000)
    greedy, modest = office.submit("greedy", then="swallow"), office.submit("modest")

    failed, done = office.run(greedy, modest)

    assert (failed.state, failed.error.code, failed.crashes) == (JobState.FAILED, "out of memory", 0)
    assert done.state is JobState.DONE
    shown = view_of(failed, (), queue_position=None, seconds_left=None)
    assert shown.problem == "This run needs more memory than it may take here."
    assert shown.remedy == "Choose a smaller network, or fewer pictures."


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no memory")
def test_torch_under_a_limit_says_the_same_and_lives() -> None:
    said = subprocess.run(
        [sys.executable, "-c", TORCH], capture_output=True, text=True, env=child_environment({}), check=True
    )

    first, second = said.stdout.splitlines()
    assert json.loads(first) == ["out of memory", "This run needs more memory than it may take here."]
    assert second == "0.0"


def test_a_run_waits_for_room_beside_others_but_never_for_ever(tmp_path: Path, wait_for: Any) -> None:
    store = Store(tmp_path / "jobs.db")
    free = [0]
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    runner = LocalRunner()
    queue = Queue(
        store,
        runner,
        QueueSettings(capacity=2, room_bytes=0),
        worker=sleeper,
        free_memory=lambda: free[0],
    )
    experiment = to_json(Experiment(data=DataConfig(source="x"), model="tf_efficientnet_lite0"))
    first, second = (queue.submit("ada", "project", experiment, key) for key in ("1", "2"))

    queue.tick()
    assert store.get(first).state is JobState.RUNNING  # alone, it may always try
    queue.tick()
    assert store.get(second).state is JobState.QUEUED
    assert queue.position(second) == 1
    free[0] = 10**12
    queue.tick()
    assert store.get(second).state is JobState.RUNNING

    for job in (first, second):
        runner.stop(store.get(job).worker, force=True)
    store.close()


def test_what_a_run_has_not_taken_yet_is_not_given_to_the_next(tmp_path: Path) -> None:
    store, runner = Store(tmp_path / "jobs.db"), LocalRunner()
    experiment = to_json(Experiment(data=DataConfig(source="x"), model="tf_efficientnet_lite0"))
    need = need_of(experiment)
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")  # takes next to nothing
    settings = QueueSettings(capacity=3, room_bytes=0)
    queue = Queue(store, runner, settings, worker=sleeper, free_memory=lambda: need * 5 // 2)
    jobs = [queue.submit("ada", "project", experiment, key) for key in ("1", "2", "3")]

    queue.tick()
    queue.tick()
    states = [store.get(job).state for job in jobs]

    for worker in (store.get(job).worker for job in jobs):
        runner.stop(worker, force=True)
    store.close()
    assert states == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]


def test_a_large_network_needs_more_than_a_small_one() -> None:
    small, large = need_of_model("tf_efficientnet_lite0"), need_of_model("torchvision/vit_h_14")

    assert 1_000_000_000 < small < 2_000_000_000
    assert large > 5 * small
    assert need_of_model("no such network") > small
    assert need_of_model("timm/tf_efficientnet_lite0.in1k") == small
    assert need_of_model("vit_h_14") == large
    assert need_of("no experiment") == 0
    assert free_bytes() > 0


def test_the_server_asks_how_much_a_run_needs_without_any_library_of_networks() -> None:
    words = (
        "import sys; from headswap.app.processes.memory import need_of_model as need; "
        "need('tf_efficientnet_lite0'); "
        "need('timm/resnet50.a1_in1k'); need('nothing'); "
        "print([name for name in ('torch', 'torchvision', 'timm', 'transformers') if name in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, env=child_environment({})
    )

    assert said.stdout.strip() == "[]"


@pytest.fixture
def unheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system like Windows or macOS: what a process takes is limited by no one."""
    monkeypatch.setattr("headswap.app.processes.memory.is_held_by_system", lambda: False)


def test_where_the_system_holds_no_memory_a_worker_is_watched_and_says_why_it_ended(
    open_office: Callable[..., Any], unheld: None
) -> None:
    office = open_office(worker_bytes=200_000_000)
    job = office.submit("greedy", then="swallow slowly")

    worker = office.claimed(job).worker
    office.tick_until(lambda: office.job(job).is_over)
    office.tick_until(lambda: not office.runner.is_alive(worker))

    failed = office.job(job)
    assert (failed.state, failed.error.code, failed.crashes) == (JobState.FAILED, "out of memory", 0)


def test_where_the_system_holds_no_memory_a_child_that_answers_is_watched(
    unheld: None,
) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    child = ChildProcess("small_answers:answer", memory_bytes=200_000_000, environment=environment)
    try:
        with pytest.raises(ChildEnded, match=r"took more than the 200 MB"):
            child.ask("swallow", str)
        assert child.ask("echo next", str) == "next"
    finally:
        child.close()


def test_what_a_dead_process_takes_is_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert taken_bytes(child.pid) == 0
    assert LocalRunner().taken_bytes(f"{child.pid}:gone") == 0
