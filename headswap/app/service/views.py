"""What the service tells the page and the shell: plain frozen records, no behaviour that decides."""

from __future__ import annotations

from dataclasses import dataclass

from headswap.events import EpochEnd, Guess
from headswap.pipeline.inspect import BodyBlock, Inspection

__all__ = ["BodyBlock", "Inspection", "JobView", "ProjectView"]


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """One person's project."""

    id: str
    name: str
    model: str
    head_path: str | None
    has_own_weights: bool
    has_pictures: bool
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
    place: int | None  # in the queue, from 1; None: not waiting
    passes: tuple[EpochEnd, ...]
    guesses: tuple[Guess, ...]  # the latest
    first_guesses: tuple[Guess, ...]  # of the first pass
    goes_further: bool = False  # more than the head may move
    problem: str = ""  # what went wrong, when it failed
    remedy: str = ""
    details: str = ""  # for whoever looks after the machine

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")
