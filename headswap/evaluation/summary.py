"""The report in sentences, for the shell and wherever there is no page.

Flow:  Report --summary_of--> sentences, the most important first
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from headswap.counted import counted
from headswap.evaluation.metrics import Floats, Labels
from headswap.evaluation.report import Calibration, LabelScore, Report, trust_in

_SURE = 0.9
_ROUGH = 100  # images judged, below which the figure is rough


def summary_of(report: Report) -> tuple[str, ...]:
    """What moving more than the head brought, headline, baseline, how far to trust it, labels, advice."""
    if report.is_multi_label:
        return tuple(_of_labels(report))
    issues = len(report.label_issues)
    issue_lines = (
        (f"{issues} {'label is' if issues == 1 else 'labels are'} worth a second look, first of all "
         f"{report.label_issues[0].file}.",)
        if issues
        else ()
    )  # fmt: skip
    return (
        *_finetuning_of(report),
        headline(report),
        f"Always saying “{report.baseline_class}” would get {report.baseline_accuracy:.0%}.",
        *filter(None, (reliability_of(report),)),
        *issue_lines,
        *(one.sentence for one in report.advice if one.code != "further"),
    )


def _finetuning_of(report: Report) -> tuple[str, ...]:
    return tuple(one.sentence for one in report.advice if one.code == "further")


def _of_labels(report: Report) -> Iterator[str]:
    """The same where an image may have several labels, with a line for each label."""
    yield from _finetuning_of(report)
    yield headline(report)
    yield baseline_of(report)
    yield from (label_line(one) for one in report.label_scores)
    yield from (one.sentence for one in report.advice if one.code != "further")


def baseline_of(report: Report) -> str:
    """What answering the same of every image would get, and, of several labels, the two means."""
    said = f"Always saying “{report.baseline_class}” would get {report.baseline_accuracy:.0%}."
    if report.mean_average_precision is None or report.macro_f1 is None:
        return said
    precision, f1 = report.mean_average_precision, report.macro_f1
    return f"{said} Over the labels: mean average precision {precision:.2f}, mean F1 {f1:.2f}."


def label_line(score: LabelScore) -> str:
    """How one label fared, in one sentence."""
    if not score.images:
        return f"{score.name}: no picture judged has it, so nothing can be said."
    found = f"{score.right} of {score.images} found ({_range(score.recall_interval)})"
    said = (
        f"{score.right} of {score.said} right when said ({_range(score.precision_interval)})"
        if score.said
        else "never said"
    )
    return (
        f"{score.name}: {found}, {said}; average precision {score.average_precision or 0.0:.2f} "
        f"({_range(score.average_precision_interval)}; a blind guess {score.share:.2f}); said from "
        f"{score.threshold:.0%} on."
    )


def _range(interval: tuple[float, float] | None) -> str:
    return "not known" if interval is None else f"{interval[0]:.0%} to {interval[1]:.0%}"


def headline(report: Report) -> str:
    """How many it gets right, and what that is worth."""
    low, high = report.interval
    probably = f"({report.accuracy:.0%}; the true figure is probably {low:.0%} to {high:.0%})"
    if report.is_multi_label:
        if report.method == "exam":
            return f"Every label right on {report.right} of {report.total} exam pictures {probably}."
        return (
            f"Every label right on {report.right} of {report.total} pictures {probably}, each judged by a "
            "head that never saw it."
        )
    if report.method == "exam":
        return f"{report.right} of {report.total} exam pictures right {probably}."
    return (
        f"{report.right} of {report.total} pictures right {probably}, each judged by a head that "
        f"never saw it: an exam of {report.test_total} pictures ({report.test_right} right) would be "
        "too small to tell."
    )


def reliability_of(report: Report) -> str:
    """The sentence of a report; reckoned for those of older versions, which kept none."""
    if report.reliability or not report.answers:
        return report.reliability
    sureness = np.array([answer.sure for answer in report.answers])
    return _reliability(sureness, np.array([a.is_right for a in report.answers]), report.calibration)


def reliability(probabilities: Floats, labels: Labels, calibration: Calibration | None) -> str:
    """Whether its confidence can be trusted.

    Args:
        probabilities: (N, C) of the images judged, calibrated.
        labels: (N,).
        calibration: None when there were too few images to correct its confidence.
    """
    return _reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, calibration)


def _reliability(sureness: Floats, is_right: NDArray[np.bool_], calibration: Calibration | None) -> str:
    """The same of (N,) answers: how sure each is, and whether it is right."""
    rough = (
        f" With {counted(len(is_right), 'picture')} this is a rough figure." if len(is_right) < _ROUGH else ""
    )
    if calibration is None:
        return f"There were too few pictures to correct its sureness: take it as a hint.{rough}"
    sure = sureness >= _SURE
    right = int(is_right[sure].sum())
    seen = f" It was at least {_SURE:.0%} sure of {counted(int(sure.sum()), 'answer')}, and right in {right}."
    seen = seen if sure.any() else f" It was never {_SURE:.0%} sure."
    trust = trust_in(calibration)
    if trust == "good":
        return f"Its sureness can be trusted.{seen}{rough}"
    if trust == "fair":
        return f"Its sureness is nearly right: off by {calibration.error_after:.0%} on average.{seen}{rough}"
    return f"Its sureness is off by {calibration.error_after:.0%} on average: do not rely on it.{seen}{rough}"
