from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from headswap.app.jobs.job import JobState
from headswap.app.jobs.journal import read_events
from headswap.app.jobs.queue import QueueSettings
from headswap.errors import BadSetting
from headswap.storage.files import check_seal
from tests.app.jobs.conftest import UNTIL_TOLD

Open = Callable[..., Any]


def pid_of(office: Any, job_id: str) -> int:
    return int(office.job(job_id).worker.partition(":")[0])


def test_a_double_click_makes_one_job(office: Any) -> None:
    first, second = office.submit("same"), office.submit("same")

    office.run(first)

    assert first == second
    assert office.job(first).attempt == 1


def test_everybody_sees_their_place_in_the_queue(office: Any) -> None:
    running = office.submit("1", owner="ann", **UNTIL_TOLD)
    office.claimed(running)
    ann, bob = office.submit("2", owner="ann"), office.submit("1", owner="bob")

    assert [office.queue.position(job_id) for job_id in (running, bob, ann)] == [None, 1, 2]


def test_as_many_workers_run_at_once_as_there_is_capacity_for(open_office: Open) -> None:
    office = open_office(capacity=2)
    ids = [office.submit(f"{number}", **UNTIL_TOLD) for number in range(3)]

    office.tick_until(lambda: sum(office.job(job_id).progress is not None for job_id in ids) == 2)

    assert len(office.store.in_state(JobState.RUNNING)) == 2
    assert all(office.end(job_id).state == JobState.DONE for job_id in ids)


def test_no_settings_with_nobody_at_work() -> None:
    with pytest.raises(BadSetting, match=r"capacity is 0\. Choose 1 or more"):
        QueueSettings(capacity=0)


def test_a_killed_worker_is_noticed_and_its_job_done_by_another(open_office: Open) -> None:
    office = open_office(clock=lambda: 0.0)  # no lease ends: the dead process itself is seen
    job_id = office.submit(**UNTIL_TOLD)
    running = office.claimed(job_id)

    office.runner.stop(running.worker, force=True)
    office.tick_until(lambda: office.job(job_id).attempt == 2)
    job = office.end(job_id)

    assert (job.state, job.attempt, job.crashes) == (JobState.DONE, 2, 1)


def test_a_job_that_kills_every_worker_is_given_up(office: Any) -> None:
    (job,) = office.run(office.submit(steps=1, then="die"))

    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert (job.error.code, job.error.problem) == ("crashed", "This run crashed 3 times.")


@pytest.mark.skipif(os.name == "nt", reason="a process is frozen by a signal")
def test_a_frozen_worker_loses_its_lease_and_is_ended(open_office: Open, wait_for: Open) -> None:
    now = [0.0]
    office = open_office(clock=lambda: now[0])
    job_id = office.submit(steps=2, then="freeze")
    frozen = office.claimed(job_id)
    process = psutil.Process(pid_of(office, job_id))
    wait_for(lambda: process.status() == psutil.STATUS_STOPPED)

    office.queue.tick()
    now[0] += 31
    office.tick_until(lambda: office.job(job_id).attempt == 2)

    assert not office.runner.is_alive(frozen.worker)
    assert office.job(job_id).crashes == 1


def test_a_clock_set_by_a_day_takes_no_job_from_a_living_worker(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = office.submit(steps=40, step_s=0.02)
    office.claimed(job_id)
    real, jumps = time.time, iter([86_400, -86_400] * 10_000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))

    (job,) = office.run(job_id)

    assert (job.state, job.attempt) == (JobState.DONE, 1)


def test_a_restarted_server_finds_its_running_worker_again(open_office: Open) -> None:
    before = open_office()
    job_id = before.submit(**UNTIL_TOLD)
    running = before.claimed(job_id)

    after = open_office()
    after.queue.tick()
    found = after.job(job_id)
    job = after.end(job_id)
    passes = [event.number for event in read_events(after.store.folder(job_id)) if event.kind == "pass"]

    assert (found.worker, found.attempt) == (running.worker, 1)
    assert (job.state, job.attempt) == (JobState.DONE, 1)
    assert passes == list(range(1, len(passes) + 1))
    assert passes


def test_an_attempt_whose_server_died_before_starting_it_waits_again(open_office: Open) -> None:
    now = [0.0]
    office = open_office(clock=lambda: now[0])
    job_id = office.submit()
    office.store.assign_next(1)

    office.queue.tick()
    now[0] += 31
    (job,) = office.run(job_id)

    assert (job.state, job.attempt, job.crashes) == (JobState.DONE, 2, 0)


def test_cancelling_a_running_job_stops_it_between_two_steps(open_office: Open) -> None:
    office = open_office(clock=lambda: 0.0)  # the queue's own patience never ends
    job_id = office.submit(steps=100_000, step_s=0.01)
    running = office.claimed(job_id)

    office.queue.cancel(job_id)
    (job,) = office.run(job_id)

    assert (job.state, job.result) == (JobState.CANCELLED, "")
    office.tick_until(lambda: not office.runner.is_alive(running.worker))


def test_a_run_that_is_ended_early_keeps_its_best_and_is_done(open_office: Open) -> None:
    office = open_office(clock=lambda: 0.0)
    job_id = office.submit(steps=100_000, step_s=0.01, unit="passes")
    office.claimed(job_id)

    office.queue.finish_early(job_id)
    (job,) = office.run(job_id)

    assert (job.state, job.finish_requested) == (JobState.DONE, True)
    check_seal(office.store.folder(job_id) / job.result)


def test_a_step_that_goes_on_long_after_a_cancel_is_cut(open_office: Open) -> None:
    office = open_office(clock=lambda: 0.0)  # the queue's own patience never ends
    job_id = office.submit(steps=1, then="hang")
    running = office.claimed(job_id)

    office.queue.cancel(job_id)
    (job,) = office.run(job_id)

    assert job.state == JobState.CANCELLED
    office.tick_until(lambda: not office.runner.is_alive(running.worker))


def test_a_save_is_not_cut_by_a_cancel(open_office: Open) -> None:
    office = open_office(clock=lambda: 0.0)
    job_id = office.submit(steps=1, save_s=3.0)
    office.claimed(job_id)
    office.tick_until(lambda: getattr(office.store.get(job_id).progress, "step", "") == "save")

    office.queue.cancel(job_id)
    (job,) = office.run(job_id)

    assert job.state == JobState.DONE
    check_seal(office.store.folder(job_id) / job.result)


def test_a_worker_that_does_not_hear_is_ended_by_force(open_office: Open, wait_for: Open) -> None:
    now = [0.0]
    office = open_office(clock=lambda: now[0])
    job_id = office.submit(steps=1, then="freeze")
    running = office.claimed(job_id)
    process = psutil.Process(pid_of(office, job_id))
    wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
    office.queue.cancel(job_id)
    office.queue.tick()

    now[0] += 9
    office.queue.tick()
    before = office.runner.is_alive(running.worker)
    now[0] += 2
    (job,) = office.run(job_id)

    assert before
    assert job.state == JobState.CANCELLED


def test_force_in_the_middle_of_a_save_leaves_nothing_half_done(open_office: Open) -> None:
    now = [0.0]
    office = open_office(clock=lambda: now[0])
    job_id = office.submit(steps=1, save_s=60)
    office.tick_until(lambda: list(office.store.folder(job_id).glob("*draft*/weights.bin")))
    office.queue.cancel(job_id)
    office.queue.tick()

    now[0] += 11
    (job,) = office.run(job_id)

    assert job.state == JobState.CANCELLED
    assert [path for path in office.store.folder(job_id).iterdir() if path.is_dir()] == []


def test_a_cancel_at_any_moment_ends_cancelled_or_done_with_a_whole_result(open_office: Open) -> None:
    office = open_office(capacity=4)
    ids = [office.submit(f"{number}", owner=f"{number}", steps=8, step_s=0.02) for number in range(20)]
    moments = {job_id: 0.05 * number for number, job_id in enumerate(ids)}
    start = time.monotonic()

    def cancel_when_due() -> bool:
        for job_id in [due for due, moment in moments.items() if time.monotonic() - start > moment]:
            office.queue.cancel(job_id)
            del moments[job_id]
        return not moments

    office.tick_until(cancel_when_due)
    jobs = office.run(*ids)

    for job in jobs:
        folder = office.store.folder(job.id)
        assert job.state in (JobState.DONE, JobState.CANCELLED)
        if job.state == JobState.DONE:
            check_seal(folder / job.result)
        assert list(folder.glob("*draft*")) == []


def test_a_paused_job_starts_again_by_itself_when_there_is_more_room(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(room_bytes=100)
    free = [1000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    job_id = office.submit(then="disk")
    office.tick_until(lambda: office.job(job_id).state == JobState.PAUSED)
    for _ in range(3):
        office.queue.tick()
    still = office.job(job_id).attempt

    free[0] = 1100
    office.tick_until(lambda: office.job(job_id).attempt == 2)

    assert still == 1


def test_a_job_that_paused_before_a_restart_is_tried_when_there_is_any_room(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(room_bytes=100)
    free = [1000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    job_id = office.submit(then="disk")
    office.tick_until(lambda: office.job(job_id).state == JobState.PAUSED)
    paused = office.job(job_id)

    later = open_office(room_bytes=100)  # room was made while no server was there: no one saw it grow
    later.tick_until(lambda: later.job(job_id).attempt == 2)

    assert paused.error is not None
    assert paused.error.problem == "There is no room left on the server's disk."
    assert "goes on by itself when there is room" in paused.error.remedy


def test_with_too_little_disk_no_job_starts_and_each_says_why(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(room_bytes=200_000_000)
    free = [199_999_999]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    job_id = office.submit()
    office.queue.tick()
    waiting = office.job(job_id)

    free[0] = 200_000_000
    (job,) = office.run(job_id)

    assert waiting.state == JobState.PAUSED
    assert str(waiting.error.remedy) == "It starts by itself when 200 MB are free."
    assert job.state == JobState.DONE


def test_a_worker_that_cannot_be_started_is_tried_three_times(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office.queue, "_worker", ("/no/such/program",))
    (job,) = office.run(office.submit())

    assert job.error.code == "crashed"


def test_what_killed_workers_left_behind_is_swept_at_the_start(office: Any) -> None:
    idle, busy = office.submit("idle", steps=0), office.submit("busy", **UNTIL_TOLD)
    office.run(idle)
    office.claimed(busy)
    for job_id in (idle, busy):
        (office.store.folder(job_id) / "result.draft-0").mkdir()

    office.queue.sweep()

    assert not list(office.store.folder(idle).glob("*draft*"))
    assert list(office.store.folder(busy).glob("*draft*"))


def test_a_spare_worker_takes_the_job_at_once(open_office: Open) -> None:
    office = open_office(spare_idle_s=60)
    office.queue.warm()
    office.queue.tick()
    spare = office.queue._spare

    (job,) = office.run(office.submit(steps=3))

    assert (job.state, job.attempt) == (JobState.DONE, 1)
    note = next(event for event in read_events(office.store.folder(job.id)) if event.kind == "note")
    assert note.sentence == f"process {spare.handle.partition(':')[0]}"


def test_one_spare_at_most_is_kept_and_none_beside_a_full_house(open_office: Open) -> None:
    office = open_office(spare_idle_s=60)
    office.queue.warm()
    for _ in range(3):
        office.queue.tick()
    spare = office.queue._spare

    job_id = office.submit(**UNTIL_TOLD)
    office.tick_until(lambda: office.job(job_id).state == JobState.RUNNING)

    assert spare is not None
    assert office.job(job_id).worker == spare.handle
    assert office.queue._spare is None


def test_an_idle_spare_gives_its_memory_back(open_office: Open) -> None:
    now = [0.0]
    office = open_office(clock=lambda: now[0], spare_idle_s=60)
    office.queue.warm()
    office.queue.tick()
    spare = office.queue._spare

    now[0] += 61
    office.tick_until(lambda: not office.runner.is_alive(spare.handle))

    assert office.queue._spare is None


def test_a_spare_that_was_killed_costs_no_job_and_is_not_replaced_unasked(open_office: Open) -> None:
    office = open_office(spare_idle_s=60)
    office.queue.warm()
    office.queue.tick()
    spare = office.queue._spare
    office.runner.stop(spare.handle, force=True)
    office.tick_until(lambda: office.queue._spare is None)

    (job,) = office.run(office.submit())

    assert (job.state, job.crashes) == (JobState.DONE, 0)


def test_a_spare_that_dies_with_its_job_is_noticed_like_any_worker(open_office: Open) -> None:
    office = open_office(spare_idle_s=60)
    office.queue.warm()
    office.queue.tick()
    job_id = office.submit(**UNTIL_TOLD)
    running = office.claimed(job_id)

    office.runner.stop(running.worker, force=True)
    office.tick_until(lambda: office.job(job_id).attempt == 2)
    job = office.end(job_id)

    assert (job.state, job.attempt, job.crashes) == (JobState.DONE, 2, 1)


def test_threads_of_a_worker_are_held_to_the_settings(open_office: Open) -> None:
    office = open_office(threads=1)
    job_id = office.submit(counts=True, **UNTIL_TOLD)
    office.claimed(job_id)

    assert (office.store.folder(job_id) / "processors").read_text() == "1"
    if os.path.exists("/proc"):
        with open(f"/proc/{pid_of(office, job_id)}/environ") as file:
            assert "OMP_NUM_THREADS=1" in file.read().split("\0")
