from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from headswap.app.jobs import heartbeat as attempt_module
from headswap.app.jobs.heartbeat import Attempt
from headswap.app.jobs.job import Job
from headswap.app.jobs.journal import read_events
from headswap.app.jobs.store import Store
from headswap.errors import Cancelled
from headswap.events import EpochEnd, Event, Note, Progress


@pytest.fixture
def job(store: Store) -> Job:
    store.submit("ann", "project", "{}", "key")
    assigned = store.assign_next(1)
    assert assigned is not None
    taken = store.claim(assigned.id, assigned.attempt)
    assert taken is not None
    return taken


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "POLL_S", 0.01)
    monkeypatch.setattr(attempt_module, "BEAT_S", 0.02)


def test_the_row_is_written_a_few_times_a_second_at_most(
    store: Store, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.count(step=0.001)  # whatever the machine takes, it is a second and a bit
    monkeypatch.setattr(attempt_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with Attempt(store, job) as attempt:
        for done in range(1000):
            attempt.listen(Progress("features", done, 1000))

        assert store.get(job.id).lease - job.lease <= 3


def test_the_last_image_of_a_step_is_always_told(store: Store, job: Job) -> None:
    with Attempt(store, job) as attempt:
        for done in range(11):
            attempt.listen(Progress("features", done, 10))

    assert store.get(job.id).progress == Progress("features", 10, 10)


def test_every_pass_is_kept_for_the_curve(store: Store, job: Job) -> None:
    said: list[Event] = [EpochEnd(number, 200, 1, 2, 1, 2) for number in range(1, 201)]
    with Attempt(store, job) as attempt:
        for event in said:
            attempt.listen(event)

    assert list(read_events(store.folder(job.id))) == said


def test_events_from_several_threads_are_each_kept_whole(store: Store, job: Job) -> None:
    with Attempt(store, job) as attempt:

        def speak(who: int) -> None:
            for number in range(50):
                attempt.listen(Note(f"{who} says {number}"))

        threads = [threading.Thread(target=speak, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(read_events(store.folder(job.id))) == 200


@pytest.mark.usefixtures("_quick")
def test_a_wish_to_cancel_is_heard_at_the_next_event(
    store: Store, job: Job, wait_for: Callable[..., None]
) -> None:
    with Attempt(store, job) as attempt:
        attempt.listen(Note("before"))
        store.request_cancel(job.id)
        wait_for(lambda: attempt.state == "cancel")

        with pytest.raises(Cancelled):
            attempt.listen(Note("after"))

    assert read_events(store.folder(job.id)) == (Note("before"),)


@pytest.mark.usefixtures("_quick")
def test_a_silent_worker_keeps_its_lease(store: Store, job: Job, wait_for: Callable[..., None]) -> None:
    with Attempt(store, job):
        wait_for(lambda: store.get(job.id).lease > job.lease + 2)


def test_a_lost_fence_stops_a_stale_worker(store: Store, job: Job) -> None:
    with Attempt(store, job) as attempt:
        store.crashed(job.id, job.attempt)

        with pytest.raises(Cancelled):
            attempt.listen(Progress("head", 1, 2))

        assert attempt.state == "lost"
    assert read_events(store.folder(job.id)) == ()


def test_a_stop_of_the_server_is_heard_between_two_steps(store: Store, job: Job) -> None:
    with Attempt(store, job) as attempt:
        attempt.ask_to_stop()

        with pytest.raises(Cancelled):
            attempt.listen(Note("too late"))

        assert attempt.state == "stop"


def test_a_busy_disk_costs_a_word_and_not_the_work(
    store: Store, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with Attempt(store, job) as attempt:
        with monkeypatch.context() as patch:
            patch.setattr(store, "report", fail)
            attempt.listen(Progress("head", 1, 2))
        attempt.listen(Progress("head", 2, 2))

    assert store.get(job.id).progress == Progress("head", 2, 2)
