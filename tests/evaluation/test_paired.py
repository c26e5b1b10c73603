"""Two reports are compared image by image, and chance is not called progress."""

from __future__ import annotations

import pytest

from headswap.evaluation import report as reports
from headswap.evaluation.metrics import exact_mcnemar
from headswap.evaluation.paired import compare_reports


def report(classes: tuple[str, ...], said: dict[str, tuple[str, str]]) -> reports.Report:
    """image -> (what it is, what was said)."""
    answers = tuple(
        reports.TestAnswer(
            file=f"{name}.png", sha256=name, truth=classes.index(truth),
            probabilities=tuple(float(one == label) for one in classes),
        )
        for name, (truth, label) in said.items()
    )  # fmt: skip
    right = sum(answer.is_right for answer in answers)
    return reports.Report(
        classes=classes, method="exam", answers=answers, right=right, total=len(answers), accuracy=0.5,
        interval=(0.0, 1.0), baseline_class=classes[0], baseline_accuracy=0.5, train_right=1,
        train_total=1, class_scores=(), confusion=(), calibration=None,
    )  # fmt: skip


def test_only_what_both_judged_under_the_same_class_is_compared() -> None:
    pairs = {"a": ("mug", "pen"), "b": ("mug", "mug"), "c": ("pen", "mug"), "d": ("pen", "pen")}
    before = report(("mug", "pen"), {**pairs, "e": ("mug", "mug")})
    pairs = {"a": ("mug", "mug"), "b": ("mug", "bowl"), "c": ("pen", "pen"), "d": ("pen", "pen")}
    after = report(("bowl", "mug", "pen"), {**pairs, "e": ("bowl", "bowl"), "new": ("bowl", "mug")})

    change = compare_reports(before, after)

    assert (change.common, change.alone) == (4, 2)
    assert (change.right_before, change.right_after) == (2, 3)
    assert (change.gained, change.lost) == (2, 1)
    assert [(flip.sha256, flip.truth, flip.before, flip.after) for flip in change.flips] == [
        ("a", "mug", "pen", "mug"), ("c", "pen", "mug", "pen"), ("b", "mug", "mug", "bowl"),
    ]  # fmt: skip
    assert change.p_value == 1.0
    assert not change.is_clear


def test_six_more_and_none_fewer_are_more_than_chance_and_five_are_not() -> None:
    for gained, is_clear in ((6, True), (5, False)):
        before = report(("mug", "pen"), {str(i): ("mug", "pen") for i in range(gained)})
        after = report(("mug", "pen"), {str(i): ("mug", "mug") for i in range(gained)})
        assert compare_reports(before, after).is_clear is is_clear


@pytest.mark.parametrize(
    ("gained", "lost", "chance"),
    [(0, 0, 1.0), (1, 0, 1.0), (3, 1, 0.625), (1, 3, 0.625), (6, 0, 0.03125), (10, 2, 0.03857421875)],
)
def test_the_exact_test_of_mcnemar_is_the_binomial_of_the_flips(
    gained: int, lost: int, chance: float
) -> None:
    from scipy.stats import binomtest

    assert exact_mcnemar(gained, lost) == pytest.approx(chance)
    if gained + lost:
        assert exact_mcnemar(gained, lost) == pytest.approx(binomtest(gained, gained + lost).pvalue)
