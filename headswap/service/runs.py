"""A job as a page shows it: from the row and the journal to one view."""

from __future__ import annotations

from collections.abc import Sequence

from headswap.events import Event, Guesses, Pass
from headswap.jobs.job import Job, JobState
from headswap.service.views import JobView

_SHARES = {  # where each step begins and ends on the bar; measured on small sets: the body takes most
    "fetch": (0.0, 0.05),
    "load": (0.0, 0.05),
    "pictures": (0.05, 0.3),
    "features": (0.3, 0.9),
    "head": (0.9, 0.95),
    "finetune": (0.9, 0.95),
    "evaluate": (0.95, 0.97),
    "save": (0.97, 1.0),
}
_WORDS = {
    "fetch": "Fetching the network's weights: {done} of {total} bytes.",
    "load": "Loading the network.",
    "pictures": "Reading picture {done} of {total}.",
    "features": "The body looks at picture {done} of {total}, once.",
    "head": "The new head learns.",
    "finetune": "The network learns: {done} of {total}.",
    "evaluate": "Sitting the exam.",
    "save": "Saving.",
}


def view_of(job: Job, events: Sequence[Event], *, place: int | None, seconds_left: float | None) -> JobView:
    """Put row and journal together."""
    passes = tuple(event for event in events if isinstance(event, Pass))
    guesses = [event for event in events if isinstance(event, Guesses)]
    return JobView(
        id=job.id,
        state=str(job.state),
        sentence=_sentence(job, passes, place),
        share=share_of(job),
        seconds_left=seconds_left,
        place=place,
        passes=passes,
        guesses=guesses[-1].guesses if guesses else (),
        first_guesses=guesses[0].guesses if guesses else (),
        problem=job.error.problem if job.error else "",
        remedy=job.error.remedy if job.error else "",
    )


def share_of(job: Job) -> float:
    """How much of a job is done, in [0, 1]."""
    if job.state is JobState.DONE:
        return 1.0
    if job.progress is None:
        return 0.0
    begin, end = _SHARES[job.progress.step]
    part = job.progress.done / job.progress.total if job.progress.total else 0.0
    return begin + (end - begin) * min(part, 1.0)


def _sentence(job: Job, passes: Sequence[Pass], place: int | None) -> str:
    match job.state:
        case JobState.QUEUED:
            return "Waiting for a worker." if place in (None, 1) else f"Waiting: place {place} in the queue."
        case JobState.PAUSED:
            return job.error.problem if job.error else "Waiting for room on the disk."
        case JobState.CANCELLED:
            return "Stopped. Your pictures are still here."
        case JobState.FAILED:
            return job.error.problem if job.error else "The run failed."
        case JobState.DONE:
            last = passes[-1] if passes else None
            return _result(last) if last else "Done."
        case JobState.RUNNING:
            return "Stopping." if job.cancel_requested else _doing(job)


def _doing(job: Job) -> str:
    again = "The worker stopped and was started again. " if job.crashes else ""
    if job.progress is None:
        return f"{again}Getting ready."
    return again + _WORDS[job.progress.step].format(done=job.progress.done, total=job.progress.total)


def _result(last: Pass) -> str:
    return (
        f"Done. It gets {last.practice_right} of {last.practice_total} practice pictures right, "
        f"and {last.exam_right} of the {last.exam_total} it has never seen."
    )
