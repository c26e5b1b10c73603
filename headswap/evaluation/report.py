"""The honest verdict on a taught head: records only, JSON and words.

Flow:  answers on pictures never practised on --build_report--> Report

Importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the network said of one exam picture."""

    file: str
    sha256: str
    truth: int  # index into Report.classes
    probabilities: tuple[float, ...]  # calibrated, one per class

    @property
    def label(self) -> int:
        """The class it chose; the first of equals."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)

    @property
    def is_right(self) -> bool:
        return self.label == self.truth

    @property
    def sure(self) -> float:
        """Confidence in its choice, in [0, 1]."""
        return self.probabilities[self.label]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How one class fared."""

    name: str
    pictures: int  # exam pictures that are truly of this class
    precision: float | None  # of those called so, the share that is; None: nothing was called so
    recall: float | None  # of those that are, the share called so; None: none in the exam


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether its sureness can be trusted (Guo et al. 2017)."""

    temperature: float  # logits are divided by it
    error_before: float  # expected calibration error, a fraction
    error_after: float


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A picture whose label may be wrong; a person decides."""

    file: str
    sha256: str
    label: int
    suggested: int
    sure: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """How good a taught head is, with its uncertainty."""

    classes: tuple[str, ...]
    method: Literal[
        "exam", "cross-validated"
    ]  # what `answers` are: a locked-away part, or every fold's own part
    answers: tuple[Answer, ...]
    right: int
    total: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson
    baseline_class: str  # the most common practice class
    baseline_accuracy: float  # what always saying it would get in the exam
    practice_right: int
    practice_total: int
    class_scores: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: truth, columns: said
    calibration: Calibration | None
    doubts: tuple[Doubt, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def hardest(self) -> tuple[Answer, ...]:
        """Exam pictures by how little the true class was believed, worst first."""
        return tuple(sorted(self.answers, key=lambda answer: answer.probabilities[answer.truth]))
