"""Runs on a cluster: how many at once, what is lost waits and goes on by itself, everyone has their turn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headswap.app.jobs import cluster
from headswap.app.jobs.cluster import BACK_S, COUNT_S, ClusterWatch
from headswap.app.jobs.job import NO_CLUSTER, JobState, refused_by_cluster
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.cluster import driver
from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.errors import BadSetting
from headswap.events import silent
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.job import run_job
from headswap.storage.files import to_json

Open = Callable[..., Any]


class Lab:
    """A cluster in name only, and a clock."""

    def __init__(self, processors: int = 8) -> None:
        self.processors, self.now, self.asked = processors, 0.0, 0
        self.watch = ClusterWatch(self._count, clock=lambda: self.now, begin=lambda check: check())

    def _count(self) -> int:
        self.asked += 1
        if not self.processors:
            raise ClusterLost("No cluster answers.", remedy="Start one.")
        return self.processors


def test_a_cluster_that_is_well_is_counted_while_there_are_runs_and_a_lost_one_until_it_is_back() -> None:
    lab = Lab()
    lab.watch.check()
    lab.now = COUNT_S
    lab.watch.check_if_due(is_busy=False)
    idle = lab.asked
    lab.processors = 12
    lab.watch.check_if_due(is_busy=True)
    grown = lab.watch.state.processors

    lab.processors = 0
    lab.watch.lost()
    lab.watch.check_if_due(is_busy=False)
    early = lab.asked
    lab.now += BACK_S
    lab.watch.check_if_due(is_busy=False)
    still_lost = lab.watch.state
    lab.processors, lab.now = 4, lab.now + BACK_S
    lab.watch.check_if_due(is_busy=False)

    assert (idle, grown, early) == (1, 12, 2)
    assert "No cluster answers" in str(still_lost.trouble)
    assert not still_lost.is_well
    assert lab.watch.state.is_well


def test_a_fault_of_a_look_leaves_the_next_one_free() -> None:
    lab = Lab()
    lab.watch._count = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        lab.watch.check_if_due(is_busy=True)
    lab.watch._count = lambda: 3

    lab.watch.check_if_due(is_busy=True)

    assert lab.watch.state.processors == 3


def test_what_can_be_asked_without_ray_is_asked_before_a_process_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(on: str) -> str:
        raise BadSetting(f"{on} asks for no token.", remedy="Start it with one.")

    monkeypatch.setattr(cluster, "find_cluster", refuse)
    watch = cluster.watch_of("auto", tmp_path)

    assert watch is not None
    assert "auto asks for no token" in str(watch.check().trouble)
    assert cluster.watch_of("", tmp_path) is None


def test_a_run_that_lost_the_cluster_waits_for_it_and_goes_on_by_itself(open_office: Open) -> None:
    lab = Lab()
    lab.watch.check()
    office = open_office(cluster=lab.watch)
    job_id = office.submit(then="cluster")
    lab.processors = 0
    office.tick_until(lambda: office.job(job_id).state == JobState.PAUSED)
    paused = office.job(job_id)
    for _ in range(3):
        lab.now += BACK_S
        office.queue.tick()
    still = office.job(job_id)

    lab.processors = 8
    lab.now += BACK_S
    office.tick_until(lambda: office.job(job_id).attempt == 2)

    assert paused.has_lost_cluster
    assert (paused.crashes, still.attempt, still.state) == (0, 1, JobState.PAUSED)
    assert paused.error.problem == "This run waits for the cluster, which it has lost."
    office.queue.cancel(job_id)
    office.run(job_id)


def test_a_run_that_the_cluster_refuses_waits_too_and_says_why(open_office: Open) -> None:
    lab = Lab()
    lab.watch.check()
    office = open_office(cluster=lab.watch)
    job_id = office.submit(then="cluster refuses")
    lab.processors = 0
    office.tick_until(lambda: office.job(job_id).state == JobState.PAUSED)

    assert office.job(job_id).has_lost_cluster
    assert office.job(job_id).error.problem == (
        "This run waits for the cluster. 10.0.0.2 does not see /srv/lab."
    )
    assert office.job(job_id).error.remedy == (
        "Mount it there. Then it goes on by itself; what was seen is kept."
    )
    office.queue.cancel(job_id)


def test_a_run_that_a_cluster_refuses_which_is_well_is_tried_less_and_less_often_and_no_other_waits(
    store: Store,
) -> None:
    lab = Lab()
    lab.watch.check()
    settings = QueueSettings(room_bytes=0, cluster="auto", lease_s=1e9, start_s=1e9)
    queue = Queue(
        store, Hands(), settings, clock=lambda: lab.now, free_memory=lambda: 10**12, cluster=lab.watch
    )
    job_id = queue.submit("ann", "project", "{}", "key")
    unseen = ClusterRefused("10.0.0.2 does not see dataset.json.", remedy="Mount it there.")
    begun: list[float] = []

    while len(begun) < 9:
        queue.tick()
        for job in store.in_state(JobState.RUNNING):
            begun.append(lab.now)
            assert store.claim(job.id, job.attempt)
            assert store.finish(job.id, job.attempt, JobState.PAUSED, error=refused_by_cluster(unseen))
            queue.tick()
        assert (lab.watch.state.is_well, queue.capacity) == (True, 8)
        lab.now += BACK_S
    looks = lab.asked
    lab.now += COUNT_S
    queue.tick()

    assert [after - before for before, after in pairwise(begun)] == [10, 20, 40, 80, 160, 320, 640, 640]
    error = store.get(job_id).error
    assert error is not None
    assert error.problem == "This run waits for the cluster. 10.0.0.2 does not see dataset.json."
    assert lab.asked == looks + 1, "the cluster is looked at as long as a run waits for it"


class Lost:
    """One run, which loses the cluster in every attempt. The clock goes on in steps of ten seconds."""

    def __init__(self, store: Store) -> None:
        self.lab, self.store = Lab(), store
        self.lab.watch.check()
        settings = QueueSettings(room_bytes=0, cluster="auto", lease_s=1e9, start_s=1e9)
        self.queue = Queue(
            store, Hands(), settings, clock=lambda: self.lab.now, free_memory=lambda: 10**12,
            cluster=self.lab.watch,
        )  # fmt: skip
        self.queue.submit("ann", "project", "{}", "key")

    def begun(self, *, lasts_s: float = 0.0) -> float:
        """When its next attempt begins; it loses the cluster so many seconds later."""
        while True:
            self.queue.tick()
            for job in self.store.in_state(JobState.RUNNING):
                begun = self.lab.now
                assert self.store.claim(job.id, job.attempt)
                self.lab.now += lasts_s
                assert self.store.finish(job.id, job.attempt, JobState.PAUSED, error=NO_CLUSTER)
                self.queue.tick()
                return begun
            self.lab.now += BACK_S


def test_a_run_that_loses_a_cluster_which_is_well_each_time_is_tried_less_and_less_often(
    store: Store,
) -> None:
    run = Lost(store)

    begun = [run.begun() for _ in range(9)]
    looks = run.lab.asked
    run.lab.now += BACK_S
    run.queue.tick()
    run.lab.now += COUNT_S
    run.queue.tick()

    assert [after - before for before, after in pairwise(begun)] == [10, 20, 40, 80, 160, 320, 640, 640]
    assert run.lab.watch.state.is_well
    assert run.queue.capacity == 8, "no other run waits"
    assert run.lab.asked == looks + 2, "the cluster is looked at as long as a run waits for it"


def test_the_losses_of_a_run_count_from_one_again_when_the_cluster_was_away_and_after_a_long_attempt(
    store: Store,
) -> None:
    run = Lost(store)
    for _ in range(4):
        run.begun()

    run.lab.processors = 0
    for _ in range(30):  # away for longer than the run would wait
        run.lab.now += BACK_S
        run.queue.tick()
    run.lab.processors, run.lab.now = 8, run.lab.now + BACK_S
    back = run.lab.now
    begun = [run.begun() for _ in range(4)]
    long = [run.begun(lasts_s=700.0) for _ in range(3)]

    assert begun[0] == back
    assert [after - before for before, after in pairwise(begun)] == [10, 20, 40]
    assert [after - before for before, after in pairwise(long)] == [710, 710]


def test_a_cluster_that_was_away_for_a_moment_is_not_waited_for_though_it_was_lost_often_before(
    store: Store,
) -> None:
    run = Lost(store)
    for _ in range(6):
        run.begun()

    run.lab.processors, run.lab.now = 0, run.lab.now + BACK_S
    run.queue.tick()
    run.lab.processors, back = 8, run.lab.now + BACK_S

    assert run.begun() == back
    assert run.begun() == back + BACK_S


def test_a_run_that_is_refused_lets_the_cluster_be_looked_at_at_once(store: Store) -> None:
    lab = Lab()
    lab.watch.check()
    settings = QueueSettings(room_bytes=0, cluster="auto", lease_s=1e9, start_s=1e9)
    queue = Queue(store, Hands(), settings, clock=lambda: lab.now, cluster=lab.watch)
    queue.submit("ann", "project", "{}", "key")
    queue.tick()
    (job,) = store.in_state(JobState.RUNNING)
    store.claim(job.id, job.attempt)
    other = ClusterRefused("oak has torch 1.0.", remedy="Install the same.")
    store.finish(job.id, job.attempt, JobState.PAUSED, error=refused_by_cluster(other))

    lab.processors = 0
    queue.tick()
    queue.tick()
    lost = lab.watch.state
    lab.now += 10 * BACK_S
    queue.tick()

    assert not lost.is_well
    assert [job.attempt for job in store.in_state(JobState.PAUSED)] == [1], "it waits for a look"


def test_a_watch_checks_the_folders_that_a_run_checks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    class Refusing:
        def __init__(self, _on: str, **places: Any) -> None:
            asked.append(places)
            raise ClusterLost("10.0.0.2 does not see the folder.", remedy="Name another.")

    for room in (cluster, driver):
        monkeypatch.setattr(room, "DrivenCrew", Refusing)
    monkeypatch.setattr(cluster, "find_cluster", lambda on: on)
    watch = cluster.watch_of("auto", tmp_path)
    assert watch is not None
    watch.check()
    data = tmp_path / "projects" / "1" / "dataset.json"
    with pytest.raises(ClusterLost):
        run_job(
            to_json(Experiment(data=DataConfig(source=str(data)))), tmp_path / "jobs" / "1", silent, "auto"
        )

    of_watch, of_run = asked
    assert (of_watch["paths"], of_run["paths"]) == ([], [data])
    assert of_watch["folder"] == of_run["folder"] == tmp_path
    assert of_watch["written"] == of_run["written"] == [tmp_path / "features", tmp_path / "jobs"]


def test_one_that_waits_for_the_cluster_can_be_stopped_and_goes_on_here_without_one(
    open_office: Open,
) -> None:
    lab = Lab()
    lab.watch.check()
    office = open_office(cluster=lab.watch)
    stopped, kept = office.submit("a", then="cluster"), office.submit("b", then="cluster")
    lab.processors = 0
    office.tick_until(lambda: len(office.store.in_state(JobState.PAUSED)) == 2)

    office.queue.cancel(stopped)
    later = open_office()  # a server that was started without it
    later.tick_until(lambda: later.job(kept).attempt == 2)

    assert office.job(stopped).state == JobState.CANCELLED
    later.queue.cancel(kept)
    later.run(kept)


@pytest.mark.parametrize(("processors", "hands"), [(0, 2), (1, 2), (5, 5), (64, 8)])
def test_the_queue_has_as_many_hands_as_the_cluster_and_not_too_many(
    open_office: Open, processors: int, hands: int
) -> None:
    lab = Lab(processors)
    lab.watch.check()

    assert open_office(cluster=lab.watch, capacity=2).queue.capacity == hands


class Hands:
    """A runner whose workers are names: the test says when one has done its job."""

    def __init__(self) -> None:
        self.commands: dict[str, tuple[str, ...]] = {}

    def start(self, command: Any, **_: object) -> str:
        handle = f"hand {len(self.commands)}"
        self.commands[handle] = tuple(command)
        return handle

    def is_alive(self, handle: str) -> bool:
        return handle in self.commands

    def stop(self, handle: str, *, force: bool) -> None:
        self.commands.pop(handle, None)

    def taken_bytes(self, handle: str) -> int:
        return 0


def test_sixty_clients_on_eight_hands_have_each_lesson_once_and_fair_turns(store: Store) -> None:
    lab, hands = Lab(8), Hands()
    lab.watch.check()
    settings = QueueSettings(room_bytes=0, cluster="auto", lease_s=1e9, start_s=1e9)
    queue = Queue(store, hands, settings, free_memory=lambda: 10**12, cluster=lab.watch)
    for number in range(3):  # one in three asks three times, before the others come
        for client in range(0, 60, 3):
            queue.submit(f"client {client}", "project", "{}", f"{number}")
    for client in range(60):
        queue.submit(f"client {client}", "project", "{}", "0")
    rounds: list[list[str]] = []

    queue.tick()
    while running := store.in_state(JobState.RUNNING):
        rounds.append([job.owner for job in running])
        for job in running:
            assert hands.commands[job.worker][-2:] == ("--on", "auto")
            assert store.claim(job.id, job.attempt) is not None
            assert store.finish(job.id, job.attempt, JobState.DONE, result="bundle")
        queue.tick()

    served = [owner for one in rounds for owner in one]
    assert max(map(len, rounds)) == 8
    assert len(served) == 100, "20 asked for three, 40 for one, and pressing twice adds none"
    assert len({owner for one in rounds[:8] for owner in one}) == 60, "all firsts before nearly all seconds"
