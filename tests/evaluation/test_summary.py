from __future__ import annotations

from dataclasses import replace

import numpy as np

from headswap.evaluation.report import Advice, Calibration, Report
from headswap.evaluation.summary import reliability, summary_of


def report_of(method: str = "exam") -> Report:
    return Report(
        classes=("cat", "dog"),
        method=method,  # type: ignore[arg-type]
        answers=(),
        right=17,
        total=20,
        accuracy=0.85,
        interval=(0.64, 0.95),
        baseline_class="cat",
        baseline_accuracy=0.52,
        train_right=40,
        train_total=40,
        class_scores=(),
        confusion=((0, 0), (0, 0)),
        calibration=None,
        test_right=3,
        test_total=4,
        advice=(Advice(code="stop", sentence="Stop."),),
    )


def test_the_headline_says_how_sure_the_figure_is() -> None:
    words = summary_of(report_of())

    assert words[0] == "17 of 20 exam pictures right (85%; the true figure is probably 64% to 95%)."
    assert words[1] == "Always saying “cat” would get 52%."
    assert words[-1] == "Stop."


def test_what_was_tried_beyond_the_head_comes_first() -> None:
    tried = Advice(code="further", sentence="Tried: head and body. Kept: only the head.")
    report = replace(report_of(), advice=(*report_of().advice, tried))

    assert summary_of(report)[0] == tried.sentence
    assert summary_of(report).count(tried.sentence) == 1


def test_a_cross_validated_verdict_says_so() -> None:
    headline = summary_of(report_of("cross-validated"))[0]

    assert "each judged by a head that never saw it" in headline
    assert "an exam of 4 pictures (3 right) would be too small to tell" in headline


def test_reliability_is_counted_and_said() -> None:
    labels = np.array([0] * 60 + [1] * 60)
    probabilities = np.where((np.arange(120) < 60)[:, None], [0.95, 0.05], [0.05, 0.95])
    good = Calibration(temperature=1.0, error_before=0.2, error_after=0.03)
    bad = Calibration(temperature=1.0, error_before=0.2, error_after=0.3)

    assert reliability(probabilities, labels, good) == (
        "Its sureness can be trusted. It was at least 90% sure of 120 answers, and right in 120."
    )
    assert "do not rely on it" in reliability(probabilities, labels, bad)
    assert "take it as a hint" in reliability(probabilities, labels, None)
    assert "rough figure" in reliability(probabilities[:20], labels[:20], good)
