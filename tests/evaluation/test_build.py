from __future__ import annotations

import numpy as np

from headswap.evaluation.build import Sitting, build_report, temperature_of
from headswap.evaluation.report import Report
from headswap.files import from_json, to_json


def sitting(labels: list[int], said: list[int], classes: int = 2, *, sureness: float = 3.0) -> Sitting:
    logits = np.zeros((len(labels), classes))
    logits[np.arange(len(said)), said] = sureness
    names = [f"picture {number}" for number in range(len(labels))]
    return Sitting(files=names, sha256s=names, labels=np.array(labels), logits=logits)


def report_of(exam: Sitting, practice: Sitting | None = None) -> Report:
    return build_report(
        ["cat", "dog"],
        exam,
        practice=practice,
        practice_right=30,
        practice_counts=[20, 10],
        temperature=temperature_of(practice),
    )


def test_the_figures_of_a_small_exam_add_up() -> None:
    report = report_of(sitting([0, 0, 0, 1], [0, 0, 1, 1]))

    assert (report.right, report.total, report.accuracy) == (3, 4, 0.75)
    assert report.confusion == ((2, 1), (0, 1))
    assert report.baseline_class == "cat"
    assert report.baseline_accuracy == 0.75
    assert report.class_scores[0].recall == 2 / 3
    assert report.class_scores[1].precision == 0.5
    assert sum(map(sum, report.confusion)) == report.total
    assert report.hardest[0].file == "picture 2"


def test_a_class_that_is_never_called_has_no_precision() -> None:
    report = report_of(sitting([0, 1], [0, 0]))

    assert report.class_scores[1].precision is None


def test_no_better_than_the_commonest_class_is_said_so() -> None:
    report = report_of(sitting([0, 0, 0, 1], [0, 0, 0, 0]))

    assert "Not shown to be better than always saying “cat”" in report.advice[0]


def test_a_planted_wrong_label_is_doubted_first() -> None:
    labels = [0] * 20 + [1] * 20
    said = list(labels)
    labels[5] = 1  # shown as a cat, labelled dog

    report = report_of(sitting([0, 1], [0, 1]), practice=sitting(labels, said))

    assert report.doubts[0].file == "picture 5"
    assert (report.doubts[0].label, report.doubts[0].suggested) == (1, 0)


def test_a_report_survives_json() -> None:
    report = report_of(
        sitting([0, 0, 1], [0, 1, 1]), practice=sitting([0] * 15 + [1] * 15, [0] * 15 + [1] * 15)
    )

    assert from_json(Report, to_json(report)) == report
