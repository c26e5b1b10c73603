"""What to do next, in words: each sentence follows from figures in the report.

Flow:  Report (with its figures) --advise--> the same Report with advice

The ways out are always the same four: more pictures, let more of the body move, another
network, or stop. Which one is said first depends on what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from headswap.evaluation.report import Report

_FEW = 20  # practice pictures of a class below which more of them help most
_GOOD = 0.95  # accuracy above which nobody is told to change much
_FITS = 0.9  # accuracy on practice pictures below which the features do not fit them
_GAP = 0.05  # practice over new pictures: memorising
_RISING = 0.02  # accuracy that the last third of the pictures brought
_MOVE = (
    "let more of the body move (depth “auto” also tries other ways to show the pictures, and keeps only "
    "what is better)"
)


def advise(report: Report, practice_counts: Sequence[int]) -> Report:
    """Add advice to a report.

    Args:
        report: with its figures.
        practice_counts: practice pictures of each class, in the order of `report.classes`.
    """
    return replace(report, advice=tuple(_sentences(report, practice_counts)))


def advises_to_move(sentence: str) -> bool:
    """Whether a sentence of the advice says to let more of the body move."""
    return _MOVE in sentence


def _sentences(report: Report, practice_counts: Sequence[int]) -> Iterator[str]:
    if report.interval[0] <= report.baseline_accuracy:
        yield (
            f"Not shown to be better than always saying “{report.baseline_class}”. "
            "Check that the pictures show what their class names say."
        )
    elif report.right == report.total and report.total >= 20:
        yield "Nothing to mend in this exam. Try pictures from another place or camera before relying on it."
    elif report.accuracy >= 0.98:
        yield "It is hard to do better than this on these pictures: you can stop here."
    yield from _shortcuts(report)
    yield from _twins(report)
    few = [name for name, count in zip(report.classes, practice_counts, strict=True) if count < _FEW]
    rising = report.learning is None or report.learning.gain >= _RISING
    if few and rising and report.interval[1] < 0.98:
        yield f"More pictures would help most: {_some(few)} {_has(few)} fewer than {_FEW} to practise on."
    if report.accuracy < _GOOD:
        yield from _way_out(report)
    mixed = _most_mixed(report)
    if mixed:
        yield f"It mixes up {mixed[0]} and {mixed[1]} most: add pictures that show the difference."


def _shortcuts(report: Report) -> Iterator[str]:
    for shortcut in report.shortcuts:
        yield (
            f"{shortcut.name.capitalize()} alone gets {shortcut.right} of {shortcut.total} right: "
            f"the network may have learned {shortcut.lesson} instead of what it shows. Take pictures "
            "of every class in the same light and in the same way."
        )


def _twins(report: Report) -> Iterator[str]:
    if len(report.twins) >= max(3, 0.05 * report.exam_total):
        yield (
            f"{len(report.twins)} exam pictures look to the network almost the same as a practice picture: "
            "if they show the same thing, the true figure is lower."
        )


def _way_out(report: Report) -> Iterator[str]:
    """For a head that falls short: what is wrong, and the way out that follows."""
    practice = report.practice_right / report.practice_total if report.practice_total else 0.0
    learning = report.learning
    if practice < _FITS:
        way = "try another network" if report.further else f"{_MOVE}, or try another network"
        yield (
            f"Even of the practice pictures it gets only {practice:.0%} right (underfitting): the features "
            f"of this body do not fit them. To mend it, {way}."
        )
        return
    if practice - report.accuracy <= _GAP:
        return
    way = "try another network" if report.further else _MOVE
    memorising = f"It knows {practice:.0%} of its practice pictures and {report.accuracy:.0%} of new ones"
    if learning is None or learning.gain >= _RISING:
        grown = ""
        if learning is not None:
            fewer, more = learning.fewer_right / learning.total, learning.more_right / learning.total
            grown = f" (practising on {learning.fewer} gave {fewer:.0%}, on {learning.more} {more:.0%})"
        yield (
            f"{memorising}: it is memorising. More and more varied pictures are the cure{grown}. "
            f"Without more pictures, {way}."
        )
    else:
        yield (
            f"{memorising}: it is memorising, and more pictures of the same kind hardly helped "
            f"({learning.fewer} to practise on did as well as {learning.more}). Rather {way}."
        )


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
