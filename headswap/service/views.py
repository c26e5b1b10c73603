"""What the service tells the page and the shell: plain frozen records, no behaviour that decides."""

from __future__ import annotations

from dataclasses import dataclass

from headswap.events import Guess, Pass
from headswap.heads.site import HeadSite
from headswap.network import NetworkCard


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One block of a body, in the order that a picture passes it."""

    path: str
    kind: str
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A network opened up: everything the head view draws."""

    card: NetworkCard
    site: HeadSite
    stages: tuple[Stage, ...]  # of the body
    body_parameters: int  # kept and frozen
    head_parameters: int  # replaced
    class_names: tuple[str, ...]  # of the old head; empty when not stated
    seconds: float  # that finding took


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """One person's project."""

    id: str
    name: str
    model: str
    head_path: str | None
    has_pictures: bool
    job: str | None  # the newest job, if any
    done_job: str | None  # the newest job that ended well: what Test and Take home use


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as a page shows it; complete after a reload."""

    id: str
    state: str  # queued, running, done, failed, cancelled, paused
    sentence: str  # what is going on, for people
    share: float  # done, in [0, 1]
    seconds_left: float | None
    place: int | None  # in the queue, from 1; None: not waiting
    passes: tuple[Pass, ...]
    guesses: tuple[Guess, ...]  # the latest
    first_guesses: tuple[Guess, ...]  # of the first pass
    problem: str = ""  # what went wrong, when it failed
    remedy: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")
