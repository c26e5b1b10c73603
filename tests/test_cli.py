"""The shell: one JSON object on the last line, exit codes, one clear sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headswap.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_cache(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return record


def test_models_lists_what_the_zoos_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "efficientnet_lite0", "--json") == 0

    rows = answer(capsys)["models"]

    row = next(row for row in rows if row["name"] == "tf_efficientnet_lite0")
    assert row["zoo"] == "timm"
    assert row["parameters"] == 4_652_008
    assert row["input_size"] == [3, 224, 224]
    assert row["weights"] == "on this machine"


def test_inspect_says_where_the_head_is_and_how_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", "googlenet", "--json") == 0

    record = answer(capsys)

    assert record["model"] == "googlenet"
    assert record["zoo"] == "torchvision"
    assert record["heads"] == [{"path": "fc", "kind": "Linear", "in_features": 1024, "out_features": 1000}]
    assert {head["path"] for head in record["aux_heads"]} == {"aux1.fc2", "aux2.fc2"}
    assert record["input_size"] == [3, 224, 224]
    assert len(record["mean"]) == len(record["std"]) == 3
    assert record["parameters"] > 6_000_000
    assert record["evidence"]


def test_check_counts_classes_and_names_problems(
    few_drawings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (few_drawings / "bird" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")

    code = run("check", few_drawings, "--json")

    (few_drawings / "bird" / "broken.png").unlink()
    record = answer(capsys)
    assert code == 0
    assert record["classes"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert [problem["file"] for problem in record["problems"]] == ["bird/broken.png"]
    assert record["problems"][0]["reason"]
    assert record["warnings"]


def test_teach_predict_and_evaluate_agree(
    few_drawings: Path, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("teach", few_drawings, "--out", tmp_path / "b", "--json") == 0
    taught = answer(capsys)
    assert run("evaluate", tmp_path / "b", few_drawings, "--json") == 0
    measured = answer(capsys)
    tries = [sample / "try" / "vehicle_rocket.png", sample / "try" / "fruit_grapes_01.png"]
    assert run("predict", tmp_path / "b", *tries, "--json") == 0
    predicted = answer(capsys)["predictions"]

    assert taught["classes"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert taught["train_images"] + taught["test_images"] == 24
    assert set(taught["seconds"]) >= {"load", "features", "head", "evaluate", "save", "total"}
    assert 0 <= taught["test_accuracy"] <= 1
    assert taught["left_out"] == []
    assert measured["images"] == 24
    assert measured["accuracy"] > 0.8
    assert [row["file"] for row in predicted] == [str(path) for path in tries]
    assert all(set(row["probabilities"]) == {"bird", "fruit", "vehicle"} for row in predicted)
    assert all(
        row["unlike"] > 0 and len(row["nearest"]) == 3 and len(row["old_head"]) == 5 for row in predicted
    )
    assert taught["method"] == "cross-validated"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("inspect", "resnet5O"), "resnet50"),
        (("teach", "/nowhere/at/all"), "/nowhere/at/all"),
        (("check", "/nowhere/at/all"), "/nowhere/at/all"),
        (("predict", "/nowhere", "x.png"), "There is no bundle at"),
        (("teach", "assets/sample/train", "--test-share", "1.5"), "exam share is 1.5"),
        (("inspect", "hf-hub:somebody/network"), "hf-hub"),
    ],
)
def test_a_person_s_mistake_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_wrong_words_on_the_command_line_are_one_sentence_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headswap.cli", "teach"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_one_unreadable_picture_does_not_stop_the_others(
    bundle: Path, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")

    assert (
        run("predict", bundle, tmp_path / "broken.png", sample / "try" / "vehicle_rocket.png", "--json") == 0
    )

    record = answer(capsys)
    assert len(record["predictions"]) == 1
    assert record["left_out"][0]["file"].endswith("broken.png")
    assert run("predict", bundle, tmp_path / "broken.png", "--json") == 2


def test_a_damaged_bundle_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[-5] ^= 1
    (copy / "weights.safetensors").write_bytes(weights)

    assert run("predict", copy, "assets/sample/try/vehicle_rocket.png") == 2

    assert "weights.safetensors is not what was saved" in capsys.readouterr().err
