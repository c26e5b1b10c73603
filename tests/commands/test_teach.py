"""`headswap teach`, and that evaluate and predict agree with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[..., dict[str, Any]]


def test_teach_predict_and_evaluate_agree(
    few_drawings: Path, sample: Path, tmp_path: Path, answer: Ask
) -> None:
    tries = [sample / "try" / "vehicle_rocket.png", sample / "try" / "fruit_grapes_01.png"]

    taught = answer("teach", few_drawings, "--out", tmp_path / "b")
    measured = answer("evaluate", tmp_path / "b", few_drawings)
    predicted = answer("predict", tmp_path / "b", *tries)["predictions"]

    assert taught["classes"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert taught["train_images"] + taught["test_images"] == 24
    assert set(taught["seconds"]) >= {"load", "features", "head", "evaluate", "save", "total"}
    assert 0 <= taught["test_accuracy"] <= 1
    assert taught["left_out"] == []
    assert (measured["images"], measured["accuracy"]) == (0, None), "every picture was seen before"
    assert measured["seen"]["train"]["images"] == taught["train_images"]
    assert measured["seen"]["test"]["images"] == taught["test_images"]
    assert measured["seen"]["train"]["accuracy"] > 0.8
    assert [row["file"] for row in predicted] == [str(path) for path in tries]
    assert all(set(row["probabilities"]) == {"bird", "fruit", "vehicle"} for row in predicted)
    assert all(
        row["unlike"] > 0 and len(row["nearest"]) == 3 and len(row["old_head"]) == 5 for row in predicted
    )
    assert taught["method"] == "cross-validated"
