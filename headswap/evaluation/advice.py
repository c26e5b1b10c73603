"""What to do next, in words: each sentence follows from figures in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headswap.evaluation.report import Report

_FEW = 20  # practice pictures of a class below which more of them help most


def advise(report: Report, practice_counts: Sequence[int]) -> Report:
    """Add advice to a report.

    Args:
        report: with its figures.
        practice_counts: practice pictures of each class, in the order of `report.classes`.
    """
    advice: list[str] = []
    low, high = report.interval
    practice = report.practice_right / report.practice_total if report.practice_total else 0.0
    if low <= report.baseline_accuracy:
        advice.append(
            f"Not shown to be better than always saying “{report.baseline_class}”. "
            "Check that the pictures show what their class names say."
        )
    elif report.right == report.total and report.total >= 20:
        advice.append(
            "Nothing to mend in this exam. Try pictures from another place or camera before relying on it."
        )
    few = [name for name, count in zip(report.classes, practice_counts, strict=True) if count < _FEW]
    if few and high < 0.98:
        advice.append(
            f"More pictures would help most: {_some(few)} {_has(few)} fewer than {_FEW} to practise on."
        )
    if report.accuracy < 0.9 and practice - report.accuracy > 0.15:
        advice.append(
            "It knows its practice pictures much better than new ones: it is memorising. "
            "More and more varied pictures are the cure."
        )
    elif report.accuracy < 0.9 and practice < 0.9:
        advice.append(
            "Even the practice pictures are not learned well: the features of this body do not fit them. "
            "Try another network."
        )
    mixed = _most_mixed(report)
    if mixed:
        advice.append(f"It mixes up {mixed[0]} and {mixed[1]} most: add pictures that show the difference.")
    return replace(report, advice=tuple(advice))


def _some(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _most_mixed(report: Report) -> tuple[str, str] | None:
    """The pair of classes confused most, when that is three times or more."""
    size = len(report.classes)
    pairs = [
        (report.confusion[a][b] + report.confusion[b][a], a, b)
        for a in range(size)
        for b in range(a + 1, size)
    ]
    count, first, second = max(pairs, default=(0, 0, 0))
    return (report.classes[first], report.classes[second]) if count >= 3 else None
