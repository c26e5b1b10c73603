from __future__ import annotations

import json
from pathlib import Path

import pytest

from headswap.app.service.accounts import AccessCodes
from headswap.cli.main import main


def test_codes_are_shown_once_and_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "class.json")

    assert main(["users", "add", place, "ada", "bob", "--json"]) == 0
    made = json.loads(capsys.readouterr().out.splitlines()[-1])["codes"]
    assert main(["users", "remove", place, "bob"]) == 0
    assert main(["users", "list", place]) == 0

    assert capsys.readouterr().out == "ada\nada\n"
    assert AccessCodes(tmp_path / "class.json").knows("ada", made["ada"])


def test_mistakes_end_with_2_and_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "class.json")

    assert main(["users", "list", place]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert main(["users", "add", place]) == 2
    assert "No name was given." in capsys.readouterr().err
