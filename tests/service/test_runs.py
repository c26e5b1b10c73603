from __future__ import annotations

from headswap.events import Event, Pass, Progress
from headswap.experiment import DataConfig, Experiment
from headswap.files import to_json
from headswap.jobs.job import Job, JobState
from headswap.service.runs import share_of, view_of
from headswap.service.views import JobView
from headswap.training.config import Depth, TeachConfig

HEAD_PASS = Pass(13, 100, 71, 76, 17, 20)
LAST_PASS = Pass(4, 20, 75, 76, 18, 20)


def job(progress: Progress | None, depth: Depth = "head", **change: object) -> Job:
    experiment = Experiment(data=DataConfig(source="x"), teach=TeachConfig(depth=depth))
    row = {
        "id": "a" * 32, "sequence": 1, "owner": "", "project": "p", "experiment_json": to_json(experiment),
        "state": JobState.RUNNING, "attempt": 1, "crashes": 0, "lease": 1, "worker": "w",
        "cancel_requested": False, "progress": progress, "result": "", "error": None, "created_at": 0.0,
    }  # fmt: skip
    return Job(**(row | change))  # type: ignore[arg-type]


def view(row: Job, *events: Event) -> JobView:
    return view_of(row, events, place=None, seconds_left=None)


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

    assert trying.sentence == "Trying on practice pictures how far to go: 1,200 of 4,800 looks."
    assert last.sentence.startswith("Pass 4 of 20. It gets 75 of 76")
    assert trying.goes_further
    assert not view(job(search)).goes_further


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
