"""`headswap predict --csv` and `headswap sort` in a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.pipeline.many import TABLE

Shell = Callable[..., int]
Said = pytest.CaptureFixture[str]


def test_the_shell_writes_the_table_and_sorts(
    bundle: Path, few_drawings: Path, tmp_path: Path, shell: Shell, capsys: Said
) -> None:
    assert shell("predict", bundle, few_drawings, "--csv", tmp_path / "t.csv") == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 25
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
    assert shell("sort", bundle, few_drawings, tmp_path / "out", "--least-sure", "0.5") == 0
    assert f"holds 24 copies and {TABLE}" in capsys.readouterr().out


def test_what_cannot_be_is_one_sentence(
    bundle: Path, few_drawings: Path, tmp_path: Path, shell: Shell, capsys: Said
) -> None:
    assert shell("sort", bundle, few_drawings, tmp_path / "other", "--least-sure", "7") == 2
    assert "Choose 0 to 1" in capsys.readouterr().err
    assert shell("predict", bundle, few_drawings, "--csv", tmp_path / "no" / "such" / "t.csv") == 2
    assert "There is no folder" in capsys.readouterr().err
