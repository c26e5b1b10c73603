from __future__ import annotations

import pytest

from headswap.app.jobs.job import Job, JobState
from headswap.app.service.views import JobView, RemainingTime, share_of, view_of
from headswap.events import EpochEnd, Event, Progress
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.storage.files import to_json
from headswap.training.config import Depth, TrainConfig

HEAD_PASS = EpochEnd(13, 100, 71, 76, 17, 20)
LAST_PASS = EpochEnd(4, 20, 75, 76, 18, 20)


def job(progress: Progress | None, depth: Depth = "head", **change: object) -> Job:
    experiment = Experiment(data=DataConfig(source="x"), train=TrainConfig(depth=depth))
    row = {
        "id": "a" * 32, "sequence": 1, "owner": "", "project": "p", "experiment_json": to_json(experiment),
        "state": JobState.RUNNING, "attempt": 1, "crashes": 0, "lease": 1, "worker": "w",
        "cancel_requested": False, "progress": progress, "result": "", "error": None, "created_at": 0.0,
    }  # fmt: skip
    return Job(**(row | change))  # type: ignore[arg-type]


def view(row: Job, *events: Event) -> JobView:
    return view_of(row, events, queue_position=None, seconds_left=None)


def test_passes_are_told_as_soon_as_they_come() -> None:
    looked = Progress("features", 96, 96)

    assert view(job(looked)).sentence == "The body looks at picture 96 of 96, once."
    assert view(job(looked), looked, HEAD_PASS).sentence == (
        "Pass 13. It gets 71 of 76 practice pictures right, and 17 of the 20 it has never seen."
    )


def test_going_further_tells_of_the_search_and_then_of_the_passes_of_the_run_that_is_kept() -> None:
    search = Progress("finetune", 1200, 4800)

    trying = view(job(search, "auto"), HEAD_PASS, search)
    last = view(job(search, "auto"), HEAD_PASS, search, LAST_PASS)

    assert trying.sentence == "Trying on practice pictures how much may move: 1,200 of 4,800 steps."
    assert last.sentence.startswith("Pass 4 of 20. It gets 75 of 76")


def test_the_bar_gives_most_room_to_what_takes_longest() -> None:
    half = Progress("finetune", 1, 2)

    assert 0.4 < share_of(job(half, "everything")) < 0.6
    assert round(share_of(job(Progress("features", 96, 96))), 3) == 0.9
    assert share_of(job(Progress("features", 96, 96), "everything")) < 0.1
    assert share_of(job(None)) == 0.0
    assert share_of(job(half, state=JobState.DONE)) == 1.0


def test_a_crash_is_said_and_a_finished_run_says_how_it_went() -> None:
    assert view(job(None, crashes=1)).sentence == "The worker stopped and was started again. Getting ready."
    assert view(job(None, state=JobState.DONE), HEAD_PASS).sentence == (
        "Done. It gets 71 of 76 practice pictures right, and 17 of the 20 it has never seen."
    )
    assert view(job(None, cancel_requested=True)).sentence == "Stopping."


def test_the_last_pass_is_told_once_with_the_figures_of_the_report() -> None:
    before, final = EpochEnd(3, 100, 60, 76, 69, 72), EpochEnd(3, 100, 60, 76, 68, 72)

    seen = view(job(None, state=JobState.DONE), HEAD_PASS, EpochEnd(2, 100, 1, 76, 1, 72), before, final)

    assert [one.number for one in seen.epochs] == [13, 2, 3]
    assert seen.epochs[-1] == final
    assert "68 of the 72" in seen.sentence


def test_time_left_is_told_only_in_the_step_that_takes_it() -> None:
    now = [0.0]
    pace = RemainingTime(lambda: now[0])

    def left(progress: Progress, after_s: float, depth: Depth) -> float | None:
        now[0] += after_s
        return pace.seconds_left(job(progress, depth))

    assert left(Progress("pictures", 0, 100), 0, "everything") is None
    assert left(Progress("features", 100, 100), 2, "everything") is None  # fast, but says nothing
    assert left(Progress("finetune", 0, 1000), 1, "everything") is None
    told = left(Progress("finetune", 100, 1000), 60, "everything")
    assert told == pytest.approx(540)  # nine times as much again
    assert left(Progress("evaluate", 0, 0), 500, "everything") is None


def test_time_left_is_that_of_the_work_that_is_likely_not_of_all_that_was_planned() -> None:
    now = [0.0]
    pace = RemainingTime(lambda: now[0])
    told: list[float | None] = []
    for seconds, progress in (
        (0, Progress("finetune", 0, 1000, likely=800)),
        (20, Progress("finetune", 20, 1000, likely=800)),  # one pass
        (180, Progress("finetune", 200, 1000, likely=800)),
        (200, Progress("finetune", 400, 700, likely=600)),  # a try ended early
    ):
        now[0] += seconds
        told.append(pace.seconds_left(job(progress, "norms")))

    assert told == pytest.approx([None, 780, 600, 200])


def test_a_new_step_has_a_pace_of_its_own() -> None:
    now = [0.0]
    pace = RemainingTime(lambda: now[0])
    for seconds, progress in ((0, Progress("pictures", 0, 100)), (1, Progress("pictures", 100, 100))):
        now[0] += seconds
        pace.seconds_left(job(progress))

    now[0] += 1
    assert pace.seconds_left(job(Progress("features", 0, 100))) is None
    now[0] += 30
    told = pace.seconds_left(job(Progress("features", 50, 100)))

    assert told is not None
    assert 30 < told < 45  # the pace of decoding would have said 2 s
