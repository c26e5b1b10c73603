"""`headswap export`."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_bundle_becomes_one_zip_with_measured_agreement(
    bundle: Path, few_drawings: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
) -> None:
    record = answer("export", bundle, tmp_path / "mine.zip", "--no-onnx", "--pictures", few_drawings)

    assert record["agree"]
    assert [way["name"] for way in record["ways"]] == ["bundle", "predict.py"]
    assert record["pictures"] == 10
    assert zipfile.is_zipfile(tmp_path / "mine.zip")


@pytest.mark.parametrize(
    ("out", "sentence"),
    [("mine.tar", "is not the name of a zip"), ("no/such/folder/mine.zip", "There is no folder")],
)
def test_a_zip_that_cannot_be_written_is_said_before_the_work(
    out: str,
    sentence: str,
    bundle: Path,
    tmp_path: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shell("export", bundle, tmp_path / out) == 2
    assert sentence in capsys.readouterr().err
