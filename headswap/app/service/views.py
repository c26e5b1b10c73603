"""What the service tells the page and the shell: plain frozen records, no behaviour that decides."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.store import LOG_FILE
from headswap.events import EpochEnd, Event, Guess, Guesses, Note, Step, text_of_step
from headswap.pipeline.inspect import BackboneBlock, Inspection

__all__ = ["BackboneBlock", "Inspection", "JobView", "ProjectView"]


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """One person's project."""

    id: str
    name: str
    model: str
    head_path: str | None
    has_own_weights: bool
    has_images: bool
    job: str | None  # the newest job, if any
    done_job: str | None  # the newest job that ended well: what Test and Take home use
    is_stale: bool = False  # the pictures were changed since `done_job` was taught on them


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as a page shows it; complete after a reload."""

    id: str
    state: str  # queued, running, done, failed, cancelled, paused
    sentence: str  # what is going on, for people
    share: float  # done, in [0, 1]
    seconds_left: float | None
    queue_position: int | None  # in the queue, from 1; None: not waiting
    epochs: tuple[EpochEnd, ...]
    guesses: tuple[Guess, ...]  # the latest
    first_guesses: tuple[Guess, ...]  # of the first pass
    can_finish: bool = False  # there is a best so far, and it may be asked for
    problem: str = ""  # what went wrong, when it failed
    remedy: str = ""
    details: str = ""  # for anyone who looks after the machine
    has_lost_cluster: bool = False  # it is paused until the cluster is back

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


# A job as a page shows it: from the row and the journal to one view.

_ONE_PASS = 0.015  # of the work of a search, at most: then its pace says something
_BEFORE_EPOCHS = ("features", "head")  # a pass that follows these is newer than they are


class RemainingTime:
    """How long runs will still take, from the pace of the step that each is in since it was first seen there.

    Steps differ in pace, and where more than the head may move one step takes nearly all the time: before it
    no one knows how long it will be, and nothing is said. In it the work counts that is likely, not all that
    is planned: a try that does not help ends early, and then nothing is taught on all pictures.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: dict[str, tuple[Step, float, float]] = {}  # job -> step, when and how far it was seen

    def seconds_left(self, job: Job) -> float | None:
        """None before the pace says anything, and when the job does not run."""
        if job.state is not JobState.RUNNING or job.progress is None:
            self._first.pop(job.id, None)
            return None
        step, now, done, total, least = job.progress.step, self._clock(), share_of(job), 1.0, 0.05
        if step == "finetune":
            done, total = job.progress.done, job.progress.likely or job.progress.total
            least = _ONE_PASS * total
        elif depth_of(job) != "head":
            return None
        if self._first.get(job.id, (None,))[0] != step:
            self._first[job.id] = (step, now, done)
        _, since, first = self._first[job.id]
        if done - first < least or now - since < 1.0:
            return None
        return (now - since) * (total - done) / (done - first)


def view_of(
    job: Job, events: Sequence[Event], *, queue_position: int | None, seconds_left: float | None
) -> JobView:
    """Put row and journal together."""
    epochs = _epochs(events)
    guesses = [event for event in events if isinstance(event, Guesses)]
    return JobView(
        id=job.id,
        state=str(job.state),
        sentence=_sentence(job, events, epochs, queue_position),
        share=share_of(job),
        seconds_left=seconds_left,
        queue_position=queue_position,
        epochs=epochs,
        guesses=guesses[-1].guesses if guesses else (),
        first_guesses=guesses[0].guesses if guesses else (),
        can_finish=_can_finish(job),
        problem=job.error.problem if job.error else "",
        remedy=job.error.remedy if job.error else "",
        details=_details(job),
        has_lost_cluster=job.has_lost_cluster,
    )


def _can_finish(job: Job) -> bool:
    is_asked = job.cancel_requested or job.finish_requested
    return job.state is JobState.RUNNING and not is_asked and bool(job.progress and job.progress.has_best)


def _epochs(events: Sequence[Event]) -> tuple[EpochEnd, ...]:
    """Each pass once: the last is told again with the figures of the report."""
    epochs: list[EpochEnd] = []
    for event in events:
        if isinstance(event, EpochEnd):
            if epochs and (epochs[-1].number, epochs[-1].of) == (event.number, event.of):
                epochs.pop()
            epochs.append(event)
    return tuple(epochs)


def _details(job: Job) -> str:
    """Of a run that failed: its kind of error, and where its log is; no path of this machine."""
    if job.error is None:
        return ""
    started = "once" if job.attempt == 1 else f"{job.attempt} times"
    return (
        f"Kind of error: {job.error.code}. Run {job.id}, started {started}. Its log is {LOG_FILE} in the "
        "run's folder of the workspace."
    )


def depth_of(job: Job) -> str:
    """What the person let move; "head" also for a run whose record says nothing of it."""
    return str(json.loads(job.experiment_json or "{}").get("teach", {}).get("depth", "head"))


def share_of(job: Job) -> float:
    """How much of a job is done, in [0, 1]."""
    if job.state is JobState.DONE:
        return 1.0
    if job.progress is None:
        return 0.0
    step = text_of_step(job.progress.step)
    begin, end = step.share_head if depth_of(job) == "head" else step.share_finetune
    part = job.progress.done / job.progress.total if job.progress.total else 0.0
    return begin + (end - begin) * min(part, 1.0)


def _sentence(
    job: Job, events: Sequence[Event], epochs: Sequence[EpochEnd], queue_position: int | None
) -> str:
    match job.state:
        case JobState.QUEUED:
            return (
                "Waiting for a worker."
                if queue_position in (None, 1)
                else f"Waiting: place {queue_position} in the queue."
            )
        case JobState.PAUSED:
            return job.error.problem if job.error else "Waiting for room on the disk."
        case JobState.CANCELLED:
            return "Stopped. Your pictures are still here."
        case JobState.FAILED:
            return job.error.problem if job.error else "The run failed."
        case JobState.DONE:
            brought = [one.sentence for one in events if isinstance(one, Note) and one.code == "further"]
            return " ".join(["Done.", *brought[-1:], *map(_gets, epochs[-1:])])
        case JobState.RUNNING:
            return "Stopping." if job.cancel_requested else _doing(job, events, epochs)


def _doing(job: Job, events: Sequence[Event], epochs: Sequence[EpochEnd]) -> str:
    again = "The worker stopped and was started again. " if job.crashes else ""
    if job.progress is None:
        return f"{again}Getting ready."
    step = job.progress.step
    if job.finish_requested and job.progress.has_best:
        return f"{again}Ending early, with the best that was found so far."
    if epochs and (step in _BEFORE_EPOCHS or (step == "finetune" and _is_last_run(events))):
        of = f" of {epochs[-1].of}" if step == "finetune" else ""  # the solver stops when it is there
        return f"{again}Pass {epochs[-1].number}{of}. {_gets(epochs[-1])}"
    return again + text_of_step(step).sentence.format(
        done=f"{job.progress.done:,}", total=f"{job.progress.total:,}"
    )


def _is_last_run(events: Sequence[Event]) -> bool:
    """Whether passes have come since it began to go further: they are those of the run that is kept."""
    steps = [getattr(event, "step", "") for event in events]
    began = steps.index("finetune") if "finetune" in steps else len(steps)
    return any(isinstance(event, EpochEnd) for event in events[began:])


def _gets(last: EpochEnd) -> str:
    return (
        f"It gets {last.train_right} of {last.train_total} practice pictures right, "
        f"and {last.test_right} of the {last.test_total} it has never seen."
    )
