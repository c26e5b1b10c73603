from __future__ import annotations

from dataclasses import replace

import pytest

from headswap.app.ui.steps.advice import advice, learning
from headswap.app.ui.steps.report_summary import summary
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.advice import advise
from headswap.evaluation.report import Advice, FinetuneSummary, LearningCurve, Report

FINETUNE = FinetuneSummary(
    asked="auto", depth="head", learning_rate=None, epochs=0, planned_epochs=0, parts=0, tried=0,
    validation=0, right_before=0, right_after=0, sentence="Only the head learned.",
)  # fmt: skip


def test_advice_stays_text(report: Report) -> None:
    assert "Add &lt;pictures&gt;." in rendered(advice(report))


def test_advice_to_let_more_move_comes_with_a_button_that_sets_it_up(report: Report) -> None:
    weak = replace(report, train_right=5, accuracy=0.4, interval=(0.7, 0.8), baseline_accuracy=0.3)

    drawn = rendered(advice(advise(weak, (30, 30))))

    assert drawn.count('data-way="auto"') == 1
    assert 'data-way="auto"' not in rendered(advice(report))


@pytest.mark.parametrize(
    ("is_wide", "way", "words"),
    [(1.0, "head-last", "with the last layer"), (0.0, "head-wide", "with every layer")],
)
def test_the_other_head_comes_with_a_button_that_says_what_it_does(
    is_wide: float, way: str, words: str, report: Report
) -> None:
    told = Advice(code="head", sentence="It reads something.", figures={"is_wide": is_wide})

    drawn = rendered(advice(replace(report, advice=(told,))))

    assert f'data-way="{way}"' in drawn
    assert f"Teach again {words}</button>" in drawn


def test_cross_validation_is_explained_where_it_is_said(report: Report) -> None:
    told = Advice(code="head", sentence="60 of 80 pictures it had not seen (cross-validation) were right.")
    other = Advice(code="mixed", sentence="Add some.")

    drawn = rendered(advice(replace(report, advice=(told, other))))

    assert drawn.count('aria-label="folds? ') == 1
    assert drawn.index("(cross-validation) were right. <button") < drawn.index("Add some.")


def test_what_came_of_going_further_is_said_as_that(report: Report) -> None:
    said = (
        Advice(code="further", sentence=FINETUNE.sentence),
        Advice(code="shortcut", sentence="Brightness alone gets most right."),
        Advice(code="mixed", sentence="Add some."),
    )

    report = replace(report, finetune=FINETUNE, advice=said)
    drawn, first = rendered(advice(report)), rendered(summary(report))

    assert "Only the head learned." not in drawn
    assert first.index("What came of letting more of it move.") < first.index("Only the head learned.")
    assert first.index("Only the head learned.") < first.index("the true figure is")
    assert drawn.index("Take care.") < drawn.index("Brightness alone") < drawn.index("Worth trying.")
    assert drawn.count("Worth trying.") == drawn.count("Take care.") == 1


def test_whether_more_images_would_help_follows_from_what_fewer_gave(report: Report) -> None:
    rising = LearningCurve(fewer=20, fewer_right=20, more=30, more_right=30, total=40, gained=11, lost=1)
    same = LearningCurve(fewer=100, fewer_right=170, more=150, more_right=170, total=200, gained=2, lost=2)

    assert "Yes, probably" in rendered(learning(replace(report, learning=rising)))
    assert "Hardly" in rendered(learning(replace(report, learning=same)))
    assert "cannot be told" in rendered(learning(replace(report, learning=replace(rising, gained=5, lost=4))))
    assert "cannot be told" in rendered(
        learning(replace(report, learning=replace(rising, gained=None, lost=None)))
    )
    assert rendered(learning(report)) == ""
