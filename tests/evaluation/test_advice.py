"""Advice over a grid of reports: no two pieces contradict each other, none claims more than its figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

import pytest

from headswap.evaluation.advice import advise
from headswap.evaluation.metrics import wilson_interval
from headswap.evaluation.report import (
    Advice,
    AdviceCode,
    Calibration,
    FinetuneSummary,
    LearningCurve,
    Report,
    Shortcut,
)

CLASSES = ("cat", "dog", "owl")
WORK: set[AdviceCode] = {"more-pictures", "underfitting", "memorising", "improve", "mixed"}
REST: set[AdviceCode] = {"nothing-to-mend", "stop"}
WARNINGS: set[AdviceCode] = {"baseline", "shortcut", "twins"}
FINETUNE = FinetuneSummary(
    asked="auto", depth="head", learning_rate=None, epochs=0, planned_epochs=0, parts=0, tried=0,
    validation=0, right_before=0, right_after=0, sentence="Only the head learned.",
)  # fmt: skip
TUNED = replace(FINETUNE, depth="last", validation=100, right_before=60, right_after=70)
SHORTCUT = Shortcut(name="brightness", lesson="how light the picture is", right=70, total=100)


def report_of(right: int, total: int, train: float, learning: LearningCurve | None) -> Report:
    wrong = total - right
    confusion = ((right, wrong, 0), (0, 0, 0), (0, 0, 0))
    return Report(
        classes=CLASSES, method="exam", answers=(), right=right, total=total, accuracy=right / total,
        interval=wilson_interval(right, total), baseline_class="cat", baseline_accuracy=0.4,
        train_right=round(train * 4 * total), train_total=4 * total, class_scores=(),
        confusion=confusion, calibration=Calibration(temperature=1.0, error_before=0.0, error_after=0.0),
        test_right=right, test_total=total, learning=learning,
    )  # fmt: skip


def learnings(total: int) -> Iterator[LearningCurve | None]:
    yield None
    for gained, lost in product((0, 1, total // 10, total // 3), (0, 1, total // 10)):
        yield LearningCurve(
            fewer=2 * total, fewer_right=total - gained, more=3 * total, more_right=total - lost, total=total,
            gained=gained, lost=lost,
        )  # fmt: skip


def grid() -> Iterator[tuple[Report, tuple[int, int, int]]]:
    """Reports of every accuracy, size, gap and learning curve, with and without what makes one careful."""
    shares = (0.3, 0.5, 0.75, 0.88, 0.91, 0.94, 0.97, 0.985, 1.0)
    for total, share, train, counts in product(
        (2, 8, 20, 60, 96, 500, 5000), shares, (0.6, 0.85, 0.95, 1.0), ((5, 30, 30), (30, 30, 30))
    ):
        for learning in learnings(total):
            plain = report_of(round(share * total), total, train, learning)
            yield plain, counts
            yield replace(plain, finetune=FINETUNE), counts
            yield replace(plain, finetune=TUNED, learning=None), counts
            yield replace(plain, shortcuts=(SHORTCUT,)), counts
            yield replace(plain, cross_split_duplicates=("a",) * max(3, total // 10)), counts


def contradict(one: Advice, other: Advice) -> bool:
    """Whether no one can follow both."""
    codes = {one.code, other.code}
    said = f"{one.sentence} {other.sentence}"
    return (
        (bool(codes & REST) and bool(codes & (WORK | WARNINGS)))
        or (len(codes) == 2 and codes <= {"underfitting", "memorising", "improve"})
        or codes == REST
        or ("hardly helped" in said and ("More pictures" in said.replace("More pictures of the same", "")))
        or ("hardly helped" in said and "varied pictures" in said)
    )


def claims_too_much(one: Advice, report: Report) -> bool:
    """Whether a sentence says what its figures do not show."""
    low, high = report.interval
    train = report.train_right / report.train_total
    trend = report.learning.trend if report.learning else "unknown"
    return (
        (one.code == "nothing-to-mend" and (report.right < report.total or report.total < 20))
        or (one.code == "stop" and (report.accuracy < 0.98 or report.total < 20))
        or (one.code in ("memorising", "improve") and not high < train)
        or ("by heart" in one.sentence and report.finetune is not TUNED)
        or (one.code == "underfitting" and not train < 0.9)
        or (one.code == "baseline" and low > report.baseline_accuracy)
        or (one.moves_backbone and (report.accuracy >= 0.92 or report.finetune is not None))
        or ("hardly helped" in one.sentence and trend != "flat")
        or (
            ("More pictures help" in one.sentence or "varied pictures help" in one.sentence)
            and trend != "rising"
        )
        or ("practising on" in one.sentence and trend == "unknown")
    )


def test_over_a_grid_of_reports_no_advice_contradicts_another_or_its_figures() -> None:
    seen: set[AdviceCode] = set()
    for report, counts in grid():
        advice = advise(report, counts).advice
        seen |= {one.code for one in advice}
        pairs = [(a.sentence, b.sentence) for a, b in combinations(advice, 2) if contradict(a, b)]
        assert not pairs, (report.right, report.total, pairs)
        bold = [one.sentence for one in advice if claims_too_much(one, report)]
        assert not bold, (report.right, report.total, report.learning, bold)
        assert len({one.code for one in advice}) == len(advice)

    assert seen == WORK | REST | WARNINGS


@pytest.mark.parametrize(
    ("total", "gained", "lost", "trend"),
    [(8, 0, 0, "unknown"), (8, 2, 0, "unknown"), (100, 1, 1, "flat"), (100, 15, 3, "rising"),
     (100, 6, 4, "unknown"), (100, 0, 9, "flat"), (1000, 2, 2, "flat")],
)  # fmt: skip
def test_more_images_helped_or_hardly_did_only_where_chance_does_not_explain_it(
    total: int, gained: int, lost: int, trend: str
) -> None:
    learning = LearningCurve(
        fewer=total, fewer_right=0, more=total, more_right=0, total=total, gained=gained, lost=lost
    )

    assert learning.trend == trend


def test_ninety_four_of_a_hundred_right_is_not_told_to_move_the_body() -> None:
    report = advise(report_of(94, 100, 1.0, None), (30, 30, 30))

    assert [one.code for one in report.advice] == ["mixed"]


def test_eight_images_never_say_that_more_hardly_helped() -> None:
    learning = LearningCurve(fewer=12, fewer_right=6, more=18, more_right=6, total=8, gained=0, lost=0)

    report = advise(report_of(6, 8, 1.0, learning), (8, 8, 8))

    assert "hardly helped" not in " ".join(one.sentence for one in report.advice)
    assert "More pictures are the first thing to try" in report.advice[-2].sentence
