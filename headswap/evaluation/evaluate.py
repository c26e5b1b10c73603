"""Make the report from logits: figures, calibration, advice.

Flow:  EvaluationInputs --build_report--> Report

When the test part is small, the report is cross-validated: every image is judged by a head
that never saw it, near duplicates always together, and its confidence is corrected by a
temperature that never saw it either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headswap.data.manifest import ImageRecord, Manifest
from headswap.evaluation.advice import advise
from headswap.evaluation.label_issues import label_issues_of, wrong_label_odds
from headswap.evaluation.metrics import (
    Floats,
    Labels,
    Logits,
    calibrated,
    confusion_matrix,
    even_share,
    expected_calibration_error,
    fit_temperature,
    wilson_interval,
)
from headswap.evaluation.report import (
    Calibration,
    ClassScore,
    FinetuneSummary,
    LabelIssue,
    LearningCurve,
    Report,
    Shortcut,
    TestAnswer,
)
from headswap.evaluation.shortcuts import Traits, shortcuts_of, traits_of
from headswap.evaluation.summary import reliability

ENOUGH_FOR_A_TEST = 50  # images; below, the report is cross-validated over all of them
FEWEST_TO_CALIBRATE = 20  # training images
_MOST_ISSUES = 20
_MORE_LIKELY_WRONG = 0.5
_MOST_PROBABILITIES, _LIKELIEST = 2**20, 20  # in a report; of each answer where all would be more
_HALVES = 2  # for the temperature of a cross-validated report


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitLogits:
    """Images with their true labels and the logits they got."""

    files: Sequence[str]
    sha256s: Sequence[str]
    labels: Labels  # (N,); or (N, C) of 0 and 1 where an image may have several
    logits: Logits  # (N, C)


@dataclass(frozen=True, eq=False)
class _Calibrated:
    """(N, C) probabilities that are reckoned when they are looked at."""

    logits: Logits
    temperature: float
    share: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.logits.shape

    def __getitem__(self, rows: slice) -> Floats:
        return calibrated(self.logits[rows], self.temperature, self.share)


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationInputs:
    """What a report is made from."""

    manifest: Manifest
    test: SplitLogits  # images that the head never trained on
    train: SplitLogits | None  # with out-of-fold logits; None when there were too few to fold
    train_right: int  # training images that the final head gets right
    cross_validated: SplitLogits | None = None  # all images in order, out of fold; None: the test speaks
    by_last: SplitLogits | None = None  # judged by the last features, for label issues; None: as the others
    learning: LearningCurve | None = None
    cross_split_duplicates: tuple[str, ...] = ()
    finetune: FinetuneSummary | None = None


def temperature_of(train: SplitLogits | None) -> float:
    """Calibrate on out-of-fold logits of training images; 1 when there are too few."""
    if train is None or len(train.labels) < FEWEST_TO_CALIBRATE:
        return 1.0
    return fit_temperature(train.logits, train.labels)


def build_report(inputs: EvaluationInputs, *, temperature: float) -> Report:
    """Put the report together.

    Args:
        inputs: logits and what else was learned on the way.
        temperature: from `temperature_of`.
    """
    test, cross_validated = inputs.test, inputs.cross_validated
    manifest, classes = inputs.manifest, inputs.manifest.classes
    small = cross_validated is not None and len(test.labels) < ENOUGH_FOR_A_TEST
    judged = _with_test(cross_validated, test, manifest) if cross_validated is not None and small else test
    share = even_share(_checked_on(inputs), len(classes))
    probabilities = calibrated(judged.logits, temperature, share)
    if small:
        probabilities = _crosswise(judged, manifest.images, probabilities, share)
    said = probabilities.argmax(axis=1)
    right, total = int((said == judged.labels).sum()), len(judged.labels)
    train_counts = [sum(p.class_name == name for p in manifest.part("train")) for name in classes]
    common = int(np.argmax(train_counts))
    confusion = confusion_matrix(judged.labels, said, len(classes))
    test_right = int((test.logits.argmax(axis=1) == test.labels).sum())
    known = inputs.train is not None and len(inputs.train.labels) >= FEWEST_TO_CALIBRATE
    calibration = _calibration(judged, probabilities, temperature) if known else None
    report = Report(
        classes=tuple(classes),
        method="cross-validated" if small else "exam",
        answers=_answers(judged, probabilities),
        right=right,
        total=total,
        accuracy=right / total if total else 0.0,
        interval=wilson_interval(right, total),
        baseline_class=classes[common],
        baseline_accuracy=float((judged.labels == common).mean()),
        train_right=inputs.train_right,
        train_total=sum(train_counts),
        class_scores=_class_scores(classes, confusion),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        calibration=calibration,
        label_issues=_label_issues(inputs, temperature, share),
        test_right=test_right,
        test_total=len(test.labels),
        reliability=reliability(probabilities, judged.labels, calibration),
        learning=inputs.learning,
        cross_split_duplicates=inputs.cross_split_duplicates,
        finetune=inputs.finetune,
        even_share=share,
    )
    return advise(replace(report, shortcuts=_shortcuts(inputs, report)), train_counts)


def _checked_on(inputs: EvaluationInputs) -> int:
    """Images that say how sure it may be: those that heads answered without having seen them."""
    return len((inputs.train or inputs.test).labels)


def _with_test(cross_validated: SplitLogits, test: SplitLogits, manifest: Manifest) -> SplitLogits:
    """All images, those of the test part as the final head answers them.

    It never saw them either, and was trained on a share as large as that of the folds: so an image of
    the test part gets one answer, here, while training, when it is tried, and from the bundle.
    """
    logits = cross_validated.logits.copy()
    logits[[image.part == "test" for image in manifest.images]] = test.logits
    return replace(cross_validated, logits=logits)


def _crosswise(judged: SplitLogits, images: Sequence[ImageRecord], plain: Floats, share: float) -> Floats:
    """The same with training images calibrated half by half on the other half, groups whole.

    The temperature was fitted on them; images of the test part it never saw.
    """
    if len(images) < _HALVES * FEWEST_TO_CALIBRATE:
        return plain
    half = np.array([image.group for image in images]) % _HALVES
    train = np.array([image.part != "test" for image in images])
    probabilities = plain.copy()
    for number in range(_HALVES):
        mine, other = train & (half == number), half != number
        if mine.any() and other.any():
            own = fit_temperature(judged.logits[other], judged.labels[other])
            probabilities[mine] = calibrated(judged.logits[mine], own, share)
    return probabilities


def _answers(judged: SplitLogits, probabilities: Floats) -> tuple[TestAnswer, ...]:
    """Each with all its probabilities, or, where these are millions, with those that are worth a look."""
    all_of_them = probabilities.size <= _MOST_PROBABILITIES

    def answer(file: str, sha256: str, truth: int, row: Floats) -> TestAnswer:
        if all_of_them:
            return TestAnswer(file=file, sha256=sha256, truth=truth, probabilities=tuple(row.tolist()))
        best = np.argsort(-row, kind="stable")[:_LIKELIEST]
        among = tuple(sorted({truth, *best.tolist()}))
        some = tuple(row[list(among)].tolist())
        return TestAnswer(file=file, sha256=sha256, truth=truth, probabilities=some, among=among)

    rows = zip(judged.files, judged.sha256s, judged.labels.tolist(), probabilities, strict=True)
    return tuple(answer(*one) for one in rows)


def _class_scores(classes: Sequence[str], confusion: np.ndarray) -> tuple[ClassScore, ...]:
    scores = []
    for number, name in enumerate(classes):
        hits, called, true = confusion[number, number], confusion[:, number].sum(), confusion[number].sum()
        scores.append(
            ClassScore(
                name=name,
                images=int(true),
                precision=float(hits / called) if called else None,
                recall=float(hits / true) if true else None,
            )
        )
    return tuple(scores)


def _calibration(judged: SplitLogits, probabilities: Floats, temperature: float) -> Calibration:
    return Calibration(
        temperature=temperature,
        error_before=expected_calibration_error(_Calibrated(judged.logits, 1.0, 0.0), judged.labels),
        error_after=expected_calibration_error(probabilities, judged.labels),
    )


def _label_issues(inputs: EvaluationInputs, temperature: float, share: float) -> tuple[LabelIssue, ...]:
    """By the last features, where every image was judged by them out of fold (few images, a wide head).

    Otherwise by the head that was chosen: out of fold, by every image, or by those of the training part.
    """
    if inputs.by_last is not None:
        return _issues_of(inputs.by_last, temperature_of(inputs.by_last), share)
    cross_validated = inputs.cross_validated
    return _issues_of(cross_validated if cross_validated is not None else inputs.train, temperature, share)


def _issues_of(judged: SplitLogits | None, temperature: float, share: float) -> tuple[LabelIssue, ...]:
    """Images whose label is more probably wrong than right, by heads that never saw them; surest first."""
    if judged is None:
        return ()
    probabilities = _Calibrated(judged.logits, temperature, share)
    odds = wrong_label_odds(judged.labels, judged.logits)
    found = [
        pair for pair in label_issues_of(judged.labels, probabilities) if odds[pair[0]] > _MORE_LIKELY_WRONG
    ]
    return tuple(
        LabelIssue(
            file=judged.files[row],
            sha256=judged.sha256s[row],
            label=int(judged.labels[row]),
            suggested=suggested,
            sure=float(probabilities[slice(row, row + 1)][0, suggested]),
        )
        for row, suggested in found[:_MOST_ISSUES]
    )


def _shortcuts(inputs: EvaluationInputs, report: Report) -> tuple[Shortcut, ...]:
    manifest = inputs.manifest
    numbers = {name: number for number, name in enumerate(manifest.classes)}

    def traits(images: Sequence[ImageRecord]) -> Traits:
        return traits_of(images, np.array([numbers[image.class_name] for image in images]))

    whole = report.method == "cross-validated"
    return shortcuts_of(
        None if whole else traits(manifest.part("train")),
        traits(manifest.images if whole else manifest.part("test")),
        accuracy=report.accuracy,
        baseline=report.baseline_accuracy,
    )
