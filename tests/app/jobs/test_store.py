from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headswap.app.jobs.job import Job, JobError, JobState
from headswap.app.jobs.store import Store
from headswap.app.processes.environment import child_environment
from headswap.errors import NotFound, TooMuch
from headswap.events import Progress

FULL = JobError("DiskFull", "The disk is full.", "Free some space.")


def submit(store: Store, key: str = "key", owner: str = "ann") -> Job:
    return store.submit(owner, "project", "{}", key)


def claimed(store: Store) -> Job:
    submit(store)
    job = store.assign_next(1)
    assert job is not None
    taken = store.claim(job.id, job.attempt)
    assert taken is not None
    return taken


def test_a_submitted_job_waits(store: Store) -> None:
    job = submit(store)

    assert (job.state, job.attempt, job.crashes, job.error) == (JobState.QUEUED, 0, 0, None)
    assert store.get(job.id) == job


def test_fifty_starts_at_once_with_one_key_make_one_job(store: Store) -> None:
    ids: list[str] = []
    barrier = threading.Barrier(50)

    def start() -> None:
        barrier.wait()
        ids.append(submit(store).id)

    threads = [threading.Thread(target=start) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 50
    assert len(set(ids)) == len(store.in_state(JobState.QUEUED)) == 1


def test_starts_from_several_processes_with_one_key_make_one_job(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from headswap.app.jobs.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for number in range(10): store.submit('ann', 'project', '{}', f'key {number}')"
    )
    command = [sys.executable, "-c", code, str(store.path)]
    processes = [subprocess.Popen(command, env=child_environment({})) for _ in range(4)]

    assert [process.wait() for process in processes] == [0] * 4
    assert len(store.in_state(JobState.QUEUED)) == 10


def test_the_same_key_of_another_person_is_another_job(store: Store) -> None:
    assert submit(store, owner="ann").id != submit(store, owner="bob").id


def test_somebody_elses_job_reads_like_one_that_does_not_exist(store: Store) -> None:
    job = submit(store, owner="ann")
    answers = []
    for job_id in (job.id, "0" * 32, "../../etc/passwd"):
        with pytest.raises(NotFound, match="There is no such run") as caught:
            store.get(job_id, owner="bob")
        answers.append(str(caught.value))

    assert len(set(answers)) == 1
    assert store.get(job.id, owner="ann") == job


def test_no_folder_is_made_for_an_ill_formed_id(store: Store) -> None:
    with pytest.raises(NotFound, match="There is no such run"):
        store.folder("../outside")

    assert store.folders() == []


def test_order_is_the_order_of_asking_whatever_the_clock_says(tmp_path: Path) -> None:
    days = iter([86_400.0 * 3, 86_400.0, 86_400.0 * 2])
    store = Store(tmp_path / "other.db", wall_clock=lambda: next(days))
    ids = [submit(store, key).id for key in ("first", "second", "third")]

    assert [job.id for job in store.waiting()] == ids
    assert [job.id for job in store.of_project("ann", "project")] == ids[::-1]
    store.close()


def test_an_attempt_is_claimed_once(store: Store) -> None:
    job = claimed(store)

    assert store.claim(job.id, job.attempt) is None


def test_no_more_jobs_are_assigned_than_there_is_capacity(store: Store) -> None:
    submit(store, "one")
    submit(store, "two")

    assert store.assign_next(1) is not None
    assert store.assign_next(1) is None
    assert store.assign_next(2) is not None


def test_people_take_turns_over_time(store: Store) -> None:
    for number in range(3):
        submit(store, f"{number}", owner="ann")
    submit(store, "late", owner="bob")
    served = []
    while (job := store.assign_next(1)) is not None:
        served.append(job.owner)
        store.finish(job.id, job.attempt, JobState.DONE)

    assert served == ["ann", "bob", "ann", "ann"]


def test_a_stale_worker_changes_nothing(store: Store) -> None:
    stale = claimed(store)
    store.crashed(stale.id, stale.attempt)
    fresh = store.assign_next(1)
    assert fresh is not None
    store.claim(fresh.id, fresh.attempt)
    before = store.get(fresh.id)

    assert store.attempt_state(stale.id, stale.attempt) == "lost"
    assert store.claim(stale.id, stale.attempt) is None
    assert not store.renew(stale.id, stale.attempt)
    assert not store.report(stale.id, stale.attempt, Progress("head", 1, 2))
    assert not store.name_worker(stale.id, stale.attempt, "1:2")
    assert not store.finish(stale.id, stale.attempt, JobState.DONE, result="old")
    assert not store.crashed(stale.id, stale.attempt)
    assert store.get(fresh.id) == before


def test_a_living_worker_raises_its_lease_and_tells_how_far_it_is(store: Store) -> None:
    job = claimed(store)

    store.renew(job.id, job.attempt)
    store.report(job.id, job.attempt, Progress("features", 3, 10))
    now = store.get(job.id)

    assert now.lease == job.lease + 2
    assert now.progress == Progress("features", 3, 10)


def test_the_third_crash_is_the_last(store: Store) -> None:
    job_id = submit(store).id
    for _ in range(3):
        job = store.assign_next(1)
        assert job is not None
        store.crashed(job.id, job.attempt)

    job = store.get(job_id)

    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert job.error is not None
    assert job.error.problem == "This run crashed 3 times."


def test_a_stop_of_the_server_counts_as_no_crash(store: Store) -> None:
    job_id = submit(store).id
    for _ in range(5):
        job = store.assign_next(1)
        assert job is not None
        store.finish(job.id, job.attempt, JobState.QUEUED)

    assert (store.get(job_id).state, store.get(job_id).crashes) == (JobState.QUEUED, 0)


def test_cancelling_what_waits_is_done_at_once(store: Store) -> None:
    job = submit(store)

    store.request_cancel(job.id)

    assert store.get(job.id).state == JobState.CANCELLED
    assert store.assign_next(1) is None


def test_a_worker_hears_that_it_was_cancelled(store: Store) -> None:
    job = claimed(store)
    assert store.attempt_state(job.id, job.attempt) == "go"

    store.request_cancel(job.id)

    assert store.attempt_state(job.id, job.attempt) == "cancel"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.PAUSED])
def test_a_cancelled_job_does_not_wait_again(store: Store, state: JobState) -> None:
    job = claimed(store)
    store.request_cancel(job.id)

    store.finish(job.id, job.attempt, state, error=FULL)

    assert (store.get(job.id).state, store.get(job.id).error) == (JobState.CANCELLED, None)


def test_a_cancelled_job_whose_worker_died_is_cancelled(store: Store) -> None:
    job = claimed(store)
    store.request_cancel(job.id)

    store.crashed(job.id, job.attempt)

    assert store.get(job.id).state == JobState.CANCELLED


def test_a_cancel_that_comes_after_the_result_changes_nothing(store: Store) -> None:
    job = claimed(store)
    store.finish(job.id, job.attempt, JobState.DONE, result="bundle")

    store.request_cancel(job.id)

    assert (store.get(job.id).state, store.get(job.id).result) == (JobState.DONE, "bundle")


def test_a_paused_job_says_why_and_waits_again_when_there_is_room(store: Store) -> None:
    job = submit(store)

    store.pause(job.id, FULL)
    paused = store.get(job.id)
    store.unpause(job.id)

    assert (paused.state, paused.error) == (JobState.PAUSED, FULL)
    assert store.get(job.id) == job


def test_only_the_spare_that_is_meant_finds_its_job(store: Store) -> None:
    submit(store)
    job = store.assign_next(1, spare="token")
    assert job is not None

    assert store.meant_for("another") is None
    assert store.meant_for("") is None
    assert store.meant_for("token") == (job.id, job.attempt)


def test_a_person_may_have_so_many_runs_waiting_and_the_same_press_is_no_new_one(store: Store) -> None:
    first = store.submit("ann", "project", "{}", "1", most_waiting=2)
    store.submit("ann", "project", "{}", "2", most_waiting=2)

    with pytest.raises(
        TooMuch, match=r"2 runs wait for you already, and no more than 2 may\. Wait until one"
    ):
        store.submit("ann", "project", "{}", "3", most_waiting=2)

    assert store.submit("ann", "project", "{}", "1", most_waiting=2).id == first.id
    assert store.submit("bob", "project", "{}", "3", most_waiting=2).owner == "bob"
    store.request_cancel(first.id)
    assert store.submit("ann", "project", "{}", "3", most_waiting=2).state is JobState.QUEUED


def test_a_run_that_is_over_can_be_forgotten_and_no_other(store: Store) -> None:
    over, waiting = store.submit("ann", "p", "{}", "1"), store.submit("ann", "p", "{}", "2")
    place = store.folder(over.id)
    store.request_cancel(over.id)

    assert store.forget(over.id)
    assert not store.forget(waiting.id)

    assert not place.exists()
    assert store.ids() == {waiting.id} == {job.id for job in store.of_owner("ann")}
