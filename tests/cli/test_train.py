"""`headswap teach`, and that evaluate and predict agree with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.bundle.format import read_card

Ask = Callable[..., dict[str, Any]]


def test_teach_predict_and_evaluate_agree(
    few_drawings: Path, sample: Path, tmp_path: Path, answer: Ask
) -> None:
    tries = [sample / "try" / "vehicle_rocket.png", sample / "try" / "fruit_grapes_01.png"]

    trained = answer("teach", few_drawings, "--out", tmp_path / "b")
    measured = answer("evaluate", tmp_path / "b", few_drawings)
    predicted = answer("predict", tmp_path / "b", *tries)["predictions"]

    assert trained["classes"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert trained["train_images"] + trained["test_images"] == 24
    assert set(trained["seconds"]) >= {"load", "features", "head", "evaluate", "save", "total"}
    assert 0 <= trained["test_accuracy"] <= 1
    assert trained["left_out"] == []
    assert (measured["images"], measured["accuracy"]) == (0, None), "every picture was seen before"
    assert measured["seen"]["train"]["images"] == trained["train_images"]
    assert measured["seen"]["test"]["images"] == trained["test_images"]
    assert measured["seen"]["train"]["accuracy"] > 0.8
    assert [row["file"] for row in predicted] == [str(path) for path in tries]
    assert all(set(row["probabilities"]) == {"bird", "fruit", "vehicle"} for row in predicted)
    assert all(
        row["unlike"] > 0 and len(row["nearest"]) == 3 and len(row["old_head"]) == 5 for row in predicted
    )
    assert trained["method"] == "cross-validated"


@pytest.mark.parametrize(("head", "is_wide"), [("wide", True), ("last", False)])
def test_a_word_says_what_the_head_reads(
    head: str, is_wide: bool, few_drawings: Path, tmp_path: Path, answer: Ask
) -> None:
    answer("teach", few_drawings, "--head", head, "--out", tmp_path / "b")

    site = read_card(tmp_path / "b").site
    assert bool(site.taps) == is_wide
    assert site.paths == (("head",) if is_wide else ("classifier",))


@pytest.mark.parametrize(
    "said",
    [("--depth", "auto"), ("--depth", "head"), ("--seed", "1"), ("--test-share", "0.3"), ("--flip",),
     ("--crop-mode", "crop"), ("--budget", "60"), ("--head", "classifier"), ("--px", "160"),
     ("--model", "resnet18")],
)  # fmt: skip
def test_a_repeated_run_refuses_choices_that_it_would_not_follow(
    said: tuple[str, ...],
    bundle: Path,
    few_drawings: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shell("teach", few_drawings, "--from", bundle, *said) == 2

    sentence = capsys.readouterr().err
    assert "--from (from_bundle) repeats a run choice by choice" in sentence
