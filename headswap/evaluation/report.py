"""The report on a trained head: records only, JSON and words.

Flow:  answers on images never trained on --build_report--> Report

Importing this file loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headswap.data.manifest import joined
from headswap.field_types import keys_on_disk

AdviceCode = Literal[
    "further", "head", "unlabeled", "view", "changed",  # what happened in this run
    "hardly-judged", "unknown-labels",
    "baseline", "shortcut", "twins", "near-duplicates",  # warnings
    "nothing-to-mend", "stop",  # what to do
    "more-pictures", "underfitting", "memorising", "improve", "mixed",
    "written",  # by a version that kept sentences only
]  # fmt: skip
Trend = Literal["rising", "flat", "unknown"]
Trust = Literal["good", "fair", "poor", "unknown"]  # in its confidence
_WELL, _NEARLY = 0.05, 0.15  # expected calibration error
_HELPFUL = 0.05  # accuracy; what could bring no more than this hardly helps


@dataclass(frozen=True, kw_only=True)
class TestAnswer:
    """What the network said of one test image."""

    file: str
    sha256: str
    truth: int  # index into Report.classes; -1: see `truths`
    probabilities: tuple[float, ...]  # calibrated, one per class
    among: tuple[int, ...] = ()  # the classes that these are of, ascending; (): all, in order
    truths: tuple[int, ...] | None = None  # labels that it has, ascending, where it may have several
    said: tuple[int, ...] | None = None  # labels that reached their thresholds, where it may have several

    @property
    def label(self) -> int:
        """The class it chose; the first of equals."""
        index = max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
        return self.among[index] if self.among else index

    @property
    def is_right(self) -> bool:
        """Where it may have several labels: whether every one of them was told rightly."""
        if self.truths is not None:
            return self.truths == self.said
        return self.label == self.truth

    @property
    def sure(self) -> float:
        """Confidence in its choice, in [0, 1]; of several labels, in the one that is least sure."""
        if self.truths is not None:
            return min(max(one, 1.0 - one) for one in self.probabilities)
        return max(self.probabilities)

    @property
    def believed(self) -> float:
        """How much its true class was believed, in [0, 1]; of several labels, the one believed least."""
        if self.truths is not None:
            numbers = self.among or range(len(self.probabilities))
            shares = zip(numbers, self.probabilities, strict=True)
            return min(one if number in self.truths else 1.0 - one for number, one in shares)
        return self.probabilities[self.among.index(self.truth) if self.among else self.truth]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How one class fared."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    name: str
    images: int  # test images that are truly of this class
    precision: float | None  # of those called so, the share that is; None: nothing was called so
    recall: float | None  # of those that are, the share called so; None: none in the test part


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """How one label fared, where an image may have several: a question of its own, yes or no."""

    name: str
    threshold: float  # said from this probability on; chosen on training images
    images: int  # images judged that have it
    said: int  # images judged that were said to have it
    right: int  # of these, those that have it
    precision: float | None  # right over said; None: it was never said
    precision_interval: tuple[float, float] | None  # 95 %, Wilson
    recall: float | None  # right over images; None: none has it
    recall_interval: tuple[float, float] | None  # 95 %, Wilson
    average_precision: float | None  # precision over all thresholds; None: none has it
    average_precision_interval: tuple[float, float] | None  # 95 %
    share: float  # of the images judged that have it: the average precision of a blind guess

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall, in [0, 1]; None: no image has it."""
        return 2 * self.right / (self.said + self.images) if self.images else None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether its confidence can be trusted (Guo et al. 2017)."""

    temperature: float  # logits are divided by it
    error_before: float  # expected calibration error, a fraction
    error_after: float


@dataclass(frozen=True, kw_only=True)
class LabelIssue:
    """An image whose label may be wrong; a person decides."""

    file: str
    sha256: str
    label: int
    suggested: int
    sure: float


@dataclass(frozen=True, kw_only=True)
class FinetuneSummary:
    """What came of moving more than the head, measured inside the training part."""

    __pydantic_config__ = keys_on_disk(epochs="passes", planned_epochs="planned_passes")

    asked: str  # "auto", or the depth that the person chose
    depth: str  # what moved in the end; "head": the solved head was kept
    learning_rate: float | None  # of what was kept, or of the best that was tried
    epochs: int  # over the training images, in the run that was kept
    planned_epochs: int  # where its cosine would have ended
    parts: int  # validation parts on which it was tried
    tried: int  # ways that were tried
    validation: int  # images held back, over all tries of the best way
    right_before: int  # of these, with the solved head
    right_after: int  # of these, by the best way that was tried
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A single number per image that tells the classes nearly as well as the network does."""

    name: str  # what it is: "brightness", "size", "shape", "border"
    lesson: str  # what the network may have learned instead of what the images show
    right: int  # of the images judged, by this number alone
    total: int


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """What fewer images would have given: whether more of them would help."""

    fewer: int  # images that each head trained on
    fewer_right: int
    more: int
    more_right: int
    total: int  # images judged, the same for both
    gained: int | None = None  # of them, right only with more; None: not counted (older reports)
    lost: int | None = None  # right only with fewer

    @property
    def gain(self) -> float:
        """Accuracy that the additional images brought."""
        return (self.more_right - self.fewer_right) / self.total

    @property
    def trend(self) -> Trend:
        """What the comparison shows, image by image: more helped, can hardly have helped, or neither.

        Source:
            95 % interval of Agresti and Min (2005), Statistics in Medicine 24, 729-740: half an image is
            added to each of the four outcomes.
        """
        if self.gained is None or self.lost is None:
            return "unknown"
        count, change = self.total + 2, self.gained - self.lost
        centre = change / count
        half = 1.96 * math.sqrt(max(0.0, self.gained + self.lost + 1 - change * change / count)) / count
        if centre - half > 0:
            return "rising"
        return "flat" if centre + half < _HELPFUL else "unknown"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing that the figures of a report say; a program goes by its code, never by its words."""

    __pydantic_config__ = keys_on_disk(moves_backbone="moves_body")

    code: AdviceCode
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)  # what it follows from
    moves_backbone: bool = False  # whether it says to let more of the backbone move

    @property
    def kind(self) -> Literal["happened", "warning", "to do"]:
        """What stands over it."""
        if self.code in ("further", "head", "unlabeled", "view", "changed", "unknown-labels"):
            return "happened"
        return "warning" if self.code in ("baseline", "shortcut", "twins", "near-duplicates") else "to do"


@dataclass(frozen=True, kw_only=True)
class Report:
    """How good a trained head is, with its uncertainty."""

    __pydantic_config__ = keys_on_disk(
        train_right="practice_right",
        train_total="practice_total",
        label_issues="doubts",
        test_right="exam_right",
        test_total="exam_total",
        cross_split_duplicates="twins",
        finetune="further",
    )

    classes: tuple[str, ...]  # in the order of the logits
    method: Literal["exam", "cross-validated"]  # what `answers` are: the test, or every image's own fold
    answers: tuple[TestAnswer, ...]  # one for each image that counts: see `method`
    right: int  # of these answers
    total: int  # answers
    accuracy: float  # right / total, in [0, 1]
    interval: tuple[float, float]  # 95 %, Wilson
    baseline_class: str  # the most common training class
    baseline_accuracy: float  # what always saying it would get in the test
    train_right: int  # training images answered rightly, out of fold where there are folds
    train_total: int  # training images
    class_scores: tuple[ClassScore, ...]  # one for each class
    confusion: tuple[tuple[int, ...], ...]  # rows: truth, columns: said; () where there are several labels
    calibration: Calibration | None  # how its confidence was corrected; None: too few images
    label_issues: tuple[LabelIssue, ...] = ()  # labels that are probably wrong
    advice: tuple[Advice, ...] = ()  # what would help, most important first
    test_right: int = 0  # by the final head, of the images locked away; the report itself when "exam"
    test_total: int = 0  # images in the test part alone
    reliability: str = ""  # whether its confidence can be trusted, in one sentence
    shortcuts: tuple[Shortcut, ...] = ()  # what gives classes away apart from what is shown
    learning: LearningCurve | None = None  # None: too few images to tell
    cross_split_duplicates: tuple[str, ...] = ()  # test images that can hardly be told from a training image
    finetune: FinetuneSummary | None = None  # None: only the head was trained
    even_share: float = 0.0  # of every answer, spread evenly: no one is surer than the images showed
    label_scores: tuple[LabelScore, ...] = ()  # where an image may have several; (): each has one class

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels: right is then an image with every label told rightly."""
        return bool(self.label_scores)

    @property
    def mean_average_precision(self) -> float | None:
        """Over the labels that some image judged has, in [0, 1]; None: there are none."""
        return _mean([one.average_precision for one in self.label_scores])

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 over the labels that some image judged has, in [0, 1]; None: there are none."""
        return _mean([one.f1 for one in self.label_scores])

    @property
    def trust(self) -> Trust:
        """Whether its confidence can be trusted: the one answer for shell, page and zip."""
        return trust_in(self.calibration)

    def truth_of(self, answer: TestAnswer) -> str:
        """What an image is, by name; several labels as one name."""
        return self.classes[answer.truth] if answer.truths is None else self._joined(answer.truths)

    def said_of(self, answer: TestAnswer) -> str:
        """What was said of an image, by name; several labels as one name."""
        return self.classes[answer.label] if answer.said is None else self._joined(answer.said)

    def _joined(self, numbers: Sequence[int]) -> str:
        return joined([self.classes[number] for number in numbers])

    @property
    def hardest(self) -> tuple[TestAnswer, ...]:
        """Test images by how little the true class was believed, worst first."""
        return tuple(sorted(self.answers, key=lambda answer: answer.believed))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def trust_in(calibration: Calibration | None) -> Trust:
    """What a calibration error says of the confidence; None: too few images to correct it."""
    if calibration is None:
        return "unknown"
    error = calibration.error_after
    return "good" if error < _WELL else "fair" if error < _NEARLY else "poor"
