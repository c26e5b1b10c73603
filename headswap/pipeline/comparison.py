"""What comparing networks gives: a row for each, and of a race its rounds and its end. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headswap.data.manifest import SkippedFile
from headswap.field_types import keys_on_disk
from headswap.plots.scatter import ACCURACY, Dot, Scale
from headswap.training.config import HeadKind

_AVERAGE_PRECISION = Scale(title="mean average precision", subject="Mean average precision", is_percent=False)


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One network."""

    __pydantic_config__ = keys_on_disk(ms_per_image="ms_per_picture")

    model: str  # zoo/name, or the name as it was asked for when there is none
    state: Literal["done", "not done"]  # "not done": see `reason`
    reason: str = ""  # why not
    right: int = 0  # images, each judged by a head that never saw it
    total: int = 0  # of these
    accuracy: float | None = None  # None: not done, or images may have several labels
    interval: tuple[float, float] | None = None  # where the true score lies, 95 of 100 times
    seconds: float | None = None  # to load, to run the backbone and to solve, when it was measured
    computed: int = 0  # images that the backbone had to look at; of the others features were at hand
    parameters: int | None = None  # of the whole network
    size_bytes: int | None = None  # of its weights
    ms_per_image: float | None = None  # one prediction, the median of several
    head: HeadKind = "last"  # what the better head reads: the last features, or every block too
    right_last: int = 0  # by a head that reads the last features alone
    note: str = ""  # what to know of its figures
    licence: str | None = None  # of the weights, as the library states it; None: not stated
    mean_average_precision: float | None = None  # where images may have several labels

    @property
    def score(self) -> float | None:
        """What networks are compared by, in [0, 1]: accuracy, or mean average precision."""
        return self.accuracy if self.mean_average_precision is None else self.mean_average_precision


@dataclass(frozen=True, kw_only=True)
class RoundFigure:
    """One network in one round of a race, compared with the best of it."""

    __pydantic_config__ = keys_on_disk(text="words")

    model: str
    right: int  # images, each judged by a head that never saw it
    total: int
    interval: tuple[float, float]  # where the true score lies, 95 of 100 times
    head: HeadKind
    behind: float  # how much smaller its score is, on the same images; 0: it leads
    behind_interval: tuple[float, float]  # where that difference lies, 95 of 100 times
    is_tie: bool  # the difference is within its standard error
    is_kept: bool  # for the next round
    text: str  # what became of it and why
    mean_average_precision: float | None = None  # where images may have several labels; `right` is 0 then

    @property
    def score(self) -> float:
        """What networks are compared by, in [0, 1]: accuracy, or mean average precision."""
        return self.accuracy if self.mean_average_precision is None else self.mean_average_precision

    @property
    def accuracy(self) -> float:
        return self.right / self.total


@dataclass(frozen=True, kw_only=True)
class RaceRound:
    """One round: some of the training images, the same for every network."""

    images: int
    figures: tuple[RoundFigure, ...]  # the best first


@dataclass(frozen=True, kw_only=True)
class TestFigure:
    """The winner on images that the race never looked at."""

    __test__ = False  # no test, whatever a collector of tests makes of its name

    right: int  # where images may have several labels: with every label told rightly
    total: int
    interval: tuple[float, float]  # of the share of right ones
    mean_average_precision: float | None = None  # where images may have several labels

    @property
    def accuracy(self) -> float:
        return self.right / self.total


@dataclass(frozen=True, kw_only=True)
class Race:
    """How a race among networks went."""

    __pydantic_config__ = keys_on_disk(text="words")

    train_images: int  # it was decided on these alone
    test_images: int  # of which the winner alone answers, once
    rounds: tuple[RaceRound, ...]  # the first one has all networks
    winner: str = ""  # full name; "": it was stopped, or no network could be judged
    text: str = ""  # why the winner is taken, in sentences
    test: TestFigure | None = None  # of the winner; None: no images were kept for one
    test_reason: str = ""  # why the winner has no test


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of comparing networks, in the order that they were asked for; of a race, the winner first."""

    counts: dict[str, int]  # images of each class, or with each label
    folds: int  # of the cross-validation
    rows: tuple[ComparisonRow, ...]  # one for each network
    left_out: tuple[SkippedFile, ...]  # what could not be read
    baseline_class: str  # always saying this; "" where images may have several labels
    baseline_accuracy: float  # would get so many right; or the mean average precision of a blind guess
    stopped: bool = False  # by the person, before all were judged
    race: Race | None = None  # with models="auto"; its rows are of the last round that each network ran in
    is_multi_label: bool = False  # networks are compared by mean average precision, not by accuracy

    @property
    def best(self) -> ComparisonRow | None:
        """The winner of a race; else the one with the best score, of equals the fastest."""
        if self.race is not None:
            return next((row for row in self.rows if row.model == self.race.winner), None)
        done = [row for row in self.rows if row.score is not None]
        return min(done, key=lambda row: (-(row.score or 0), row.ms_per_image or 0), default=None)

    @property
    def scale(self) -> Scale:
        """What the height of a dot is, in a plot of these networks."""
        return _AVERAGE_PRECISION if self.is_multi_label else ACCURACY


def dots_of(found: Comparison) -> list[Dot]:
    """Accuracy, or mean average precision, against speed: one dot for each network judged and timed."""
    return [
        Dot(
            name=row.model.partition("/")[2],
            ms=row.ms_per_image,
            accuracy=row.score,
            low=row.interval[0],
            high=row.interval[1],
        )
        for row in found.rows
        if row.ms_per_image and row.score is not None and row.interval is not None
    ]
