"""What to do next, in words: each sentence follows from figures in the report.

Flow:  Report (with its figures) --advise--> the same Report with advice

The ways out are always the same four: more images, let more of the backbone move, another
network, or stop. Which of them is said depends on what was measured, and a difference that chance
explains says nothing: what falls short is shown to fall short, what helps is shown to help.
docs/decisions/0023-advice-that-does-not-contradict-itself.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from headswap.counted import counted
from headswap.evaluation.metrics import wilson_interval
from headswap.evaluation.report import Advice, Report

_FEW = 20  # training images of a class below which more of them help most
_GOOD = 0.92  # accuracy from which no one is told to change much
_DONE = 0.98  # accuracy from which more work hardly pays
_FITS = 0.9  # accuracy on training images below which the features do not fit them
_FEWEST_TO_PRAISE = 20  # test images
_MOVE = (
    "let more of the body move (depth “auto” also tries other ways to prepare the pictures, and keeps "
    "only what is better)"
)


def advise(report: Report, train_counts: Sequence[int]) -> Report:
    """Add advice to a report.

    Args:
        report: with its figures.
        train_counts: training images of each class, in the order of `report.classes`.
    """
    return replace(report, advice=tuple(_advice(report, train_counts)))


def _advice(report: Report, train_counts: Sequence[int]) -> Iterator[Advice]:
    warnings = [*_baseline(report), *_shortcuts(report), *_cross_split_duplicates(report)]
    yield from warnings
    done = None if warnings else _done(report)
    if done:
        yield done
        return
    yield from _more_images(report, train_counts)
    yield from _remedies(report)
    yield from _mixed(report)


def _baseline(report: Report) -> Iterator[Advice]:
    if report.interval[0] <= report.baseline_accuracy:
        yield Advice(
            code="baseline",
            sentence=f"Not shown to be better than always saying “{report.baseline_class}”. "
            "Check that the pictures show what their class names say.",
            figures={"at_least": report.interval[0], "baseline": report.baseline_accuracy},
        )


def _done(report: Report) -> Advice | None:
    """That there is nothing to do, where that was measured."""
    figures = {"right": report.right, "total": report.total}
    if report.total < _FEWEST_TO_PRAISE:
        return None
    if report.right == report.total:
        return Advice(
            code="nothing-to-mend",
            sentence="Every exam picture is right. Try pictures from another place or camera before "
            "relying on it.",
            figures=figures,
        )
    if report.accuracy < _DONE:
        return None
    return Advice(
        code="stop",
        sentence=f"Only {report.total - report.right} of {report.total} are wrong: you can stop here.",
        figures=figures,
    )


def _shortcuts(report: Report) -> Iterator[Advice]:
    for shortcut in report.shortcuts:
        yield Advice(
            code="shortcut",
            sentence=f"{shortcut.name.capitalize()} alone gets {shortcut.right} of {shortcut.total} right: "
            f"the network may have learned {shortcut.lesson} instead of what it shows. Take pictures "
            "of every class in the same light and in the same way.",
            figures={"right": shortcut.right, "total": shortcut.total},
        )


def _cross_split_duplicates(report: Report) -> Iterator[Advice]:
    count = len(report.cross_split_duplicates)
    if count >= max(3, 0.05 * report.test_total):
        yield Advice(
            code="twins",
            sentence=f"{count} exam pictures look to the network almost the same as a practice "
            "picture: if they show the same thing, the true figure is lower.",
            figures={"twins": count, "exam": report.test_total},
        )


def _more_images(report: Report, train_counts: Sequence[int]) -> Iterator[Advice]:
    """Said of classes with few images, unless it was measured that more hardly help."""
    few = [name for name, count in zip(report.classes, train_counts, strict=True) if count < _FEW]
    trend = report.learning.trend if report.learning else "unknown"
    if not few or trend == "flat":
        return
    yield Advice(
        code="more-pictures",
        sentence=(
            f"{'More pictures help' if trend == 'rising' else 'More pictures are the first thing to try'}: "
            f"{_some(few)} {_has(few)} fewer than {_FEW} to practise on{_grown(report)}."
        ),
        figures={"classes": len(few), "fewest": min(train_counts)},
    )


def _remedies(report: Report) -> Iterator[Advice]:
    """For a head that is shown to fall short: what is wrong, and the way out that follows."""
    if report.accuracy >= _GOOD or not report.train_total:
        return
    train = report.train_right / report.train_total
    figures = {"practice": train, "accuracy": report.accuracy, "at_most": report.interval[1]}
    if wilson_interval(report.train_right, report.train_total)[1] < _FITS:
        fix = "try another network" if report.finetune else f"{_MOVE}, or try another network"
        yield Advice(
            code="underfitting",
            sentence=f"Even of the practice pictures it gets only {train:.0%} right (underfitting): the "
            f"features of this body do not fit them. To improve it, {fix}.",
            figures=figures,
            moves_backbone=not report.finetune,
        )
        return
    if train <= report.interval[1]:  # chance explains the gap
        return
    fix = "try another network" if report.finetune else _MOVE
    trend = report.learning.trend if report.learning else "unknown"
    cure = {
        "rising": f"More and more varied pictures help{_grown(report)}. Where there are none, {fix}.",
        "flat": f"More pictures of the same kind hardly helped{_grown(report)}. Rather {fix}.",
        "unknown": f"More and more varied pictures usually help; where there are none, {fix}.",
    }[trend]
    overfits = _overfits(report, train)
    gap = (
        f"It knows {train:.0%} of its practice pictures and {report.accuracy:.0%} of new ones: it has "
        "learned those pictures by heart, rather than what they have in common (overfitting). "
    )
    yield Advice(
        code="memorising" if overfits else "improve",
        sentence=gap + cure if overfits else cure,
        figures=figures,
        moves_backbone=not report.finetune,
    )


def _overfits(report: Report, train: float) -> bool:
    """Whether a fine-tuned backbone also does worse on the images that were held back from its tries.

    A head that is solved on a fixed backbone nearly always separates its training images, however well it
    does on others: their accuracy shows nothing there.
    """
    tuned = report.finetune
    if tuned is None or tuned.depth == "head" or not tuned.validation:
        return False
    return train > wilson_interval(tuned.right_after, tuned.validation)[1]


def _grown(report: Report) -> str:
    """What fewer images gave, where the comparison shows something."""
    learning = report.learning
    if learning is None or learning.trend == "unknown":
        return ""
    fewer, more = learning.fewer_right / learning.total, learning.more_right / learning.total
    return f" (practising on {learning.fewer} gave {fewer:.0%}, on {learning.more} {more:.0%})"


def _mixed(report: Report) -> Iterator[Advice]:
    mixed = _most_mixed(report)
    if mixed:
        first, second, count = mixed
        yield Advice(
            code="mixed",
            sentence=f"It mixes up {first} and {second} most, {counted(count, 'time')}: add pictures that "
            "show the difference.",
            figures={"count": count},
        )


def _some(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _most_mixed(report: Report) -> tuple[str, str, int] | None:
    """The pair of classes confused most and how often, when that is three times or more."""
    size = len(report.classes)
    pairs = [
        (report.confusion[a][b] + report.confusion[b][a], a, b)
        for a in range(size)
        for b in range(a + 1, size)
    ]
    count, first, second = max(pairs, default=(0, 0, 0))
    return (report.classes[first], report.classes[second], count) if count >= 3 else None
