from __future__ import annotations

from dataclasses import replace

import pytest

from headswap.app.ui.steps.prediction import answer
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.prediction import Prediction
from headswap.evaluation.report import Calibration, Report


def test_every_class_gets_a_bar_and_the_first_is_marked() -> None:
    drawn = rendered(
        answer(Prediction(file="x.png", label="vehicle", probabilities={"vehicle": 0.61, "bug": 0.39}))
    )

    assert "It says <b>vehicle</b>, 61\u00a0% sure." in drawn
    assert drawn.count('class="meter"') == 2
    assert drawn.count('class="top"') == 1
    assert "I have not seen anything like this" not in drawn


def test_a_stranger_is_called_one() -> None:
    drawn = rendered(
        answer(Prediction(file="x.png", label="a", probabilities={"a": 0.9, "b": 0.1}, ood_score=1.4))
    )

    assert "I have not seen anything like this" in drawn


def test_many_classes_are_summed_up_below_the_bars() -> None:
    shares = {f"class {i}": 1 / 40 for i in range(40)}

    assert "28 names more below 2" in rendered(
        answer(Prediction(file="x", label="class 0", probabilities=shares))
    )


def test_the_old_head_stands_beside_the_new_one(hostile: str) -> None:
    drawn = rendered(
        answer(Prediction(file="x", label=hostile, probabilities={hostile: 1.0}, old_head={"missile": 0.44}))
    )

    assert "Old head, its own names" in drawn
    assert hostile not in drawn


@pytest.mark.parametrize(
    ("error", "said", "silent"),
    [(0.02, "Meant to be right 82 times in 100.", "rely"),
     (0.1, "off by 10\u00a0% on average", "Calibrated"),
     (0.3, "Do not rely on this figure", "Calibrated"),
     (None, "take it as a hint", "Calibrated")],
)  # fmt: skip
def test_a_figure_is_called_calibrated_only_where_the_report_says_so(
    error: float | None, said: str, silent: str, report: Report
) -> None:
    calibration = None
    if error is not None:
        calibration = Calibration(temperature=1.0, error_before=0.4, error_after=error)
    prediction = Prediction(file="x.png", label="mug", probabilities={"mug": 0.82, "cup": 0.18})

    drawn = rendered(answer(prediction, report=replace(report, calibration=calibration)))

    assert said in drawn
    assert silent not in drawn
