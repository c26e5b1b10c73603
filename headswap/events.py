"""What long work says while it runs.

A long function takes a `listener` and calls it with one of the events below.
The listener may raise `Cancelled`: work emits between steps, so that is where a
stop is heard, and nothing half-done is left behind.

Knows nothing of who listens: a progress bar, a job row, a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Step = Literal["fetch", "load", "pictures", "features", "views", "head", "finetune", "evaluate", "save"]


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of one step; `total` 0 means nobody knows yet."""

    step: Step
    done: int
    total: int
    unit: str = "pictures"
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True)
class Pass:
    """One pass (epoch) over the practice pictures is over."""

    number: int  # from 1
    of: int
    practice_right: int
    practice_total: int
    exam_right: int
    exam_total: int
    kind: Literal["pass"] = "pass"


@dataclass(frozen=True)
class Guess:
    """What the network says now of one picture it has never practised on."""

    file: str
    truth: str
    label: str
    sure: float  # in [0, 1]


@dataclass(frozen=True)
class Guesses:
    """The guesses on the few fixed pictures that a person watches."""

    number: int  # the pass they belong to
    guesses: tuple[Guess, ...]
    kind: Literal["guesses"] = "guesses"


@dataclass(frozen=True)
class Note:
    """One sentence worth reading."""

    sentence: str
    kind: Literal["note"] = "note"


Event = Progress | Pass | Guesses | Note
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""
