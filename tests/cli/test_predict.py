"""`headswap predict`."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.bundle.format import read_dataset

Ask = Callable[..., dict[str, Any]]


def test_one_unreadable_image_does_not_stop_the_others(
    bundle: Path, sample: Path, tmp_path: Path, shell: Callable[..., int], answer: Ask
) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")

    record = answer("predict", bundle, tmp_path / "broken.png", sample / "try" / "vehicle_rocket.png")

    assert len(record["predictions"]) == 1
    assert record["left_out"][0]["file"].endswith("broken.png")
    assert shell("predict", bundle, tmp_path / "broken.png", "--json") == 2


def test_the_table_names_the_nearest_training_images_by_their_files(
    bundle: Path, sample: Path, tmp_path: Path, answer: Ask
) -> None:
    answer("predict", bundle, sample / "try" / "vehicle_rocket.png", "--csv", tmp_path / "said.csv")

    (row,) = csv.DictReader((tmp_path / "said.csv").read_text(encoding="utf-8").splitlines())
    files = {image.file for image in read_dataset(bundle).images}
    assert len(row["nearest"].split("; ")) == 3
    assert set(row["nearest"].split("; ")) <= files


def test_a_damaged_bundle_is_refused(
    bundle: Path, tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[-5] ^= 1
    (copy / "weights.safetensors").write_bytes(weights)

    assert shell("predict", copy, "assets/sample/try/vehicle_rocket.png") == 2

    assert "weights.safetensors is not what was saved" in capsys.readouterr().err


def test_the_help_promises_no_more_than_a_cluster_does(
    shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("predict", "--help") == 0

    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "After a kill the same call goes on where it was, but not with `on`" in said


def test_a_folder_without_pictures_is_said_and_leaves_nothing_behind(
    bundle: Path, tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (empty := tmp_path / "empty").mkdir()

    assert shell("predict", bundle, empty, "--json") == 2
    assert shell("predict", bundle, empty, "--csv", tmp_path / "t.csv") == 2
    assert shell("sort", bundle, empty, tmp_path / "out") == 2
    assert shell("evaluate", bundle, empty) == 2

    assert capsys.readouterr().err.count(f"No picture was found in {empty}.") == 3
    assert list(tmp_path.iterdir()) == [empty]
