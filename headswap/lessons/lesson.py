"""What an experiment is, in words, and what one run of it gave, in numbers.

Flow:  Lesson (question, answers to choose from, reason, code) --run--> LessonResult (sentences,
           numbers, figure)

Every number of a result was measured in that run; a figure is drawn from numbers alone.
Records only; importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headswap.counted import counted
from headswap.field_types import keys_on_disk
from headswap.lessons.glossary import Term
from headswap.plots.draw import drawn
from headswap.plots.figure import Figure
from headswap.plots.svg import shape, written

Unit = Literal["share", "count", "seconds", "number"]


@dataclass(frozen=True, kw_only=True)
class Code:
    """The PyTorch lines that did it: both versions run after the same beginning."""

    before: str  # what both begin with
    wrong: str
    right: str
    wrong_text: str  # what is wrong with it, in a few words
    right_text: str


@dataclass(frozen=True, kw_only=True)
class QuizQuestion:
    """A small question in addition to the large one: where is the head of this network?"""

    network: str
    options: tuple[str, ...]  # module paths that the network really has
    right: int  # index in `options`


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One experiment in words. `choices[right]` is what happens on the sample set."""

    name: str  # in the shell
    title: str
    question: str
    choices: tuple[str, ...]
    right: int
    plan: str  # what the button runs
    why: tuple[str, ...]  # the reason in plain sentences
    codes: tuple[Code, ...]
    terms: tuple[Term, ...] = ()
    quiz: tuple[QuizQuestion, ...] = ()
    for_experts: bool = False  # can be left out at first


@dataclass(frozen=True, kw_only=True)
class Number:
    """One measured number. `name` is for programs, `text` for people."""

    __pydantic_config__ = keys_on_disk(text="words")

    name: str
    value: float
    text: str
    unit: Unit = "share"
    low: float | None = None  # where the true value probably lies
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class LessonResult:
    """What one run of one experiment gave."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    lesson: str  # its name
    model: str  # an architecture
    data: str  # name of the set of pictures
    images: int  # that it was run on
    seed: int  # of all that was drawn
    sentences: tuple[str, ...]  # what happened, from the numbers
    numbers: tuple[Number, ...]  # what was measured
    figure: Figure  # the drawing
    texts: tuple[str, ...] = ()  # what was said on the way, such as an error, word for word
    seconds: float = 0.0  # that it took
    shows: bool = True  # whether these numbers by themselves show what the lesson says

    def __getitem__(self, name: str) -> float:
        """The value of one number."""
        return next(number.value for number in self.numbers if number.name == name)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return as_html(self)


def as_html(result: LessonResult) -> str:
    """What a run gave: what happened, the drawing, and where the numbers come from."""
    sentences = [shape("p", {}, sentence) for sentence in result.sentences]
    texts = [shape("pre", {"style": "white-space:pre-wrap"}, text) for text in result.texts]
    origin = f"{counted(result.images, 'picture')} of {result.data}, {result.model}, {result.seconds:.1f} s"
    last = shape("p", {}, inside=(shape("small", {}, origin),))
    return written(shape("div", {}, inside=(*sentences, drawn(result.figure), *texts, last)))


@dataclass(frozen=True, kw_only=True)
class LessonFindings:
    """What an experiment itself gives: a result without where it came from."""

    sentences: tuple[str, ...]
    numbers: tuple[Number, ...]
    figure: Figure
    texts: tuple[str, ...] = ()
    shows: bool = True  # whether these numbers by themselves show what the lesson says


def measured(unit: Unit, *rows: tuple[str, float, str]) -> tuple[Number, ...]:
    """Numbers of one unit: name, value, words."""
    return tuple(Number(name=name, value=float(value), text=text, unit=unit) for name, value, text in rows)


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %"
