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

from headswap.field_types import keys_on_disk

Step = Literal[
    "fetch",
    "load",
    "pictures",
    "features",
    "views",
    "head",
    "finetune",
    "evaluate",
    "save",
    "predict",
    "race",
    "film",
]


@dataclass(frozen=True)
class StepText:
    """What is said of a step, wherever it is shown, and where it lies on the bar of a whole run."""

    name: str  # next to a bar of its own
    sentence: str  # with {done} and {total}
    share_head: tuple[float, float]  # begin and end, when only the head is trained: the backbone takes most
    share_finetune: tuple[float, float]  # when more than the head may move: that takes most


_ALONE: dict[Literal["predict", "race", "film"], tuple[str, str]] = {
    "predict": ("answering", "{done} of {total} pictures are answered."),
    "race": ("racing", "{done} of {total} tries are over. Each network has one try in each round."),
    "film": ("downloading the film", "{done} of {total} bytes of the film have come."),
}


def text_of_step(step: Step) -> StepText:
    """The one table of steps: a type checker sees when one is missing."""
    match step:
        case "fetch":
            sentence = "Downloading the network's weights: {done} of {total} bytes."
            return StepText("downloading weights", sentence, (0.0, 0.05), (0.0, 0.02))
        case "load":
            return StepText("loading", "Loading the network.", (0.0, 0.05), (0.0, 0.02))
        case "pictures":
            sentence = "Reading picture {done} of {total}."
            return StepText("reading pictures", sentence, (0.05, 0.3), (0.02, 0.04))
        case "features":
            sentence = "The body looks at picture {done} of {total}, once."
            return StepText("running the body", sentence, (0.3, 0.9), (0.04, 0.08))
        case "views":
            sentence = "Trying other ways to prepare the pictures: {done} of {total} steps."
            return StepText("trying ways to prepare pictures", sentence, (0.9, 0.9), (0.08, 0.14))
        case "head":
            return StepText("teaching the head", "The new head learns.", (0.9, 0.95), (0.14, 0.15))
        case "finetune":
            sentence = "Trying on practice pictures how much may move: {done} of {total} steps."
            return StepText("fine-tuning", sentence, (0.9, 0.95), (0.15, 0.97))
        case "evaluate":
            return StepText("examining", "Taking the exam.", (0.95, 0.97), (0.97, 0.98))
        case "save":
            return StepText("saving", "Saving.", (0.97, 1.0), (0.98, 1.0))
        case "predict" | "race" | "film":  # no parts of a run: each has a bar of its own
            name, sentence = _ALONE[step]
            return StepText(name, sentence, (1.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of one step; `total` 0 means no one knows yet."""

    step: Step  # of the run
    done: int  # units so far
    total: int  # units in all; 0: not known yet
    unit: str = "pictures"  # what is counted
    likely: int = 0  # units that will probably be enough, where some may turn out to be needless; 0: total
    kind: Literal["progress"] = "progress"

    @property
    def has_best(self) -> bool:
        """Whether epochs are trained, so there is a best so far: a listener may raise `FinishEarly`."""
        return self.step == "finetune" or (self.step == "head" and self.unit == "passes")


@dataclass(frozen=True)
class EpochEnd:
    """One epoch over the training images, or one iteration of the solver, is over."""

    __pydantic_config__ = keys_on_disk(
        train_right="practice_right",
        train_total="practice_total",
        test_right="exam_right",
        test_total="exam_total",
    )

    number: int  # from 1
    of: int  # at most so many
    train_right: int  # training images answered rightly
    train_total: int  # of so many
    test_right: int  # test images answered rightly
    test_total: int  # of so many
    kind: Literal["pass"] = "pass"


@dataclass(frozen=True)
class Guess:
    """What the network says now of one image it has never trained on."""

    file: str  # of the image
    truth: str  # its label
    label: str  # what the network says
    sure: float  # in [0, 1]


@dataclass(frozen=True)
class Guesses:
    """The guesses on the few fixed images that a person watches."""

    number: int  # the epoch or iteration they belong to
    guesses: tuple[Guess, ...]  # one for each of them
    kind: Literal["guesses"] = "guesses"


@dataclass(frozen=True)
class Note:
    """One sentence worth reading."""

    sentence: str  # for people
    kind: Literal["note"] = "note"
    code: Literal["", "round", "further"] = ""  # "round": one of a race begins; "further": what moving more
    # than the head brought; "": for people alone


Event = Progress | EpochEnd | Guesses | Note
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""
