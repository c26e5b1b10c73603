"""Make the verdict from logits: figures, calibration, advice.

Flow:  exam logits + practice logits out of fold --build_report--> Report
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headswap.evaluation.advice import advise
from headswap.evaluation.metrics import (
    Floats,
    Labels,
    confusion_matrix,
    expected_calibration_error,
    fit_temperature,
    softmax,
    wilson_interval,
)
from headswap.evaluation.report import Answer, Calibration, ClassScore, Doubt, Report

ENOUGH_FOR_AN_EXAM = 50  # pictures; below, the verdict is cross-validated over all of them
_FEWEST_TO_CALIBRATE = 20  # practice pictures


@dataclass(frozen=True, eq=False, kw_only=True)
class Sitting:
    """Pictures with their true labels and the logits they got."""

    files: Sequence[str]
    sha256s: Sequence[str]
    labels: Labels  # (N,)
    logits: Floats  # (N, C)


def temperature_of(practice: Sitting | None) -> float:
    """Calibrate on out-of-fold logits of practice pictures; 1 when there are too few."""
    if practice is None or len(practice.labels) < _FEWEST_TO_CALIBRATE:
        return 1.0
    return fit_temperature(practice.logits, practice.labels)


def build_report(
    classes: Sequence[str],
    exam: Sitting,
    *,
    practice: Sitting | None,
    practice_right: int,
    practice_counts: Sequence[int],
    temperature: float,
) -> Report:
    """Put the verdict together.

    Args:
        classes: C names.
        exam: pictures the head never practised on, with its logits.
        practice: practice pictures with out-of-fold logits; None when there were too few to fold.
        practice_right: practice pictures that the final head gets right.
        practice_counts: practice pictures of each class.
        temperature: from `temperature_of`.
    """
    probabilities = softmax(exam.logits / temperature)
    said = probabilities.argmax(axis=1)
    right, total = int((said == exam.labels).sum()), len(exam.labels)
    common = int(np.argmax(practice_counts))
    confusion = confusion_matrix(exam.labels, said, len(classes))
    report = Report(
        classes=tuple(classes),
        method="exam",
        answers=tuple(
            Answer(file=file, sha256=sha, truth=int(label), probabilities=tuple(map(float, row)))
            for file, sha, label, row in zip(
                exam.files, exam.sha256s, exam.labels, probabilities, strict=True
            )
        ),
        right=right,
        total=total,
        accuracy=right / total if total else 0.0,
        interval=wilson_interval(right, total),
        baseline_class=classes[common],
        baseline_accuracy=float((exam.labels == common).mean()),
        practice_right=practice_right,
        practice_total=sum(practice_counts),
        class_scores=_class_scores(classes, confusion),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        calibration=_calibration(exam, temperature) if practice is not None else None,
        doubts=_doubts(practice, temperature),
    )
    return advise(report, practice_counts)


def _class_scores(classes: Sequence[str], confusion: np.ndarray) -> tuple[ClassScore, ...]:
    scores = []
    for number, name in enumerate(classes):
        hits, called, true = confusion[number, number], confusion[:, number].sum(), confusion[number].sum()
        scores.append(
            ClassScore(
                name=name,
                pictures=int(true),
                precision=float(hits / called) if called else None,
                recall=float(hits / true) if true else None,
            )
        )
    return tuple(scores)


def _calibration(exam: Sitting, temperature: float) -> Calibration:
    return Calibration(
        temperature=temperature,
        error_before=expected_calibration_error(softmax(exam.logits), exam.labels),
        error_after=expected_calibration_error(softmax(exam.logits / temperature), exam.labels),
    )


def _doubts(practice: Sitting | None, temperature: float, *, most: int = 20) -> tuple[Doubt, ...]:
    """Practice pictures that heads which never saw them call something else, surest first.

    A picture is doubted when another class is believed more than that class is believed, on
    average, for its own pictures: confident learning, Northcutt et al. (2021), arXiv:1911.00068.
    """
    if practice is None:
        return ()
    probabilities = softmax(practice.logits / temperature)
    classes = probabilities.shape[1]
    usual = np.array(
        [
            probabilities[practice.labels == c, c].mean() if (practice.labels == c).any() else 1.0
            for c in range(classes)
        ]
    )
    believed = np.where(probabilities >= usual - 1e-9, probabilities, 0.0)  # (N, C)
    suggested = believed.argmax(axis=1)
    wrong = (believed.max(axis=1) > 0) & (suggested != practice.labels)
    margin = probabilities[np.arange(len(practice.labels)), practice.labels] - probabilities.max(axis=1)
    order = [int(row) for row in np.argsort(margin, kind="stable") if wrong[row]]
    return tuple(
        Doubt(
            file=practice.files[row],
            sha256=practice.sha256s[row],
            label=int(practice.labels[row]),
            suggested=int(suggested[row]),
            sure=float(probabilities[row, suggested[row]]),
        )
        for row in order[:most]
    )
