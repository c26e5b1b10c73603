from __future__ import annotations

from headswap.app.jobs.fairness import fair_order
from headswap.app.jobs.job import Job, JobState


def job(owner: str, sequence: int) -> Job:
    return Job(
        id=f"{owner}{sequence}",
        sequence=sequence,
        owner=owner,
        project="",
        experiment_json="{}",
        state=JobState.QUEUED,
        attempt=0,
        crashes=0,
        lease=0,
        worker="",
        cancel_requested=False,
        progress=None,
        result="",
        error=None,
        created_at=0.0,
    )


def order(waiting: list[Job], running: list[Job], **last_turn: int) -> list[str]:
    return [job.id for job in fair_order(waiting, running, last_turn)]


def test_one_person_is_served_in_the_order_of_asking() -> None:
    assert order([job("ann", 3), job("ann", 1), job("ann", 2)], []) == ["ann1", "ann2", "ann3"]


def test_a_newcomer_comes_before_the_second_job_of_a_busy_person() -> None:
    waiting = [job("ann", 1), job("ann", 2), job("ann", 3), job("bob", 4)]

    assert order(waiting, []) == ["ann1", "bob4", "ann2", "ann3"]


def test_who_has_a_job_running_waits_for_who_has_none() -> None:
    assert order([job("ann", 2), job("bob", 3)], [job("ann", 1)]) == ["bob3", "ann2"]


def test_between_equals_the_one_served_longest_ago_is_next() -> None:
    assert order([job("ann", 1), job("bob", 2)], [], ann=5, bob=4) == ["bob2", "ann1"]
