from __future__ import annotations

import json
from pathlib import Path

import pytest

from headswap.cli.main import main


def test_it_says_what_is_well_and_ends_with_2_when_something_needs_mending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)

    code = main(["doctor", "--workspace", str(tmp_path), "--json"])

    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 2
    assert not record["well"]
    assert [part["name"] for part in record["parts"] if not part["well"]][-1] == "job store"


def test_people_read_one_line_for_each_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--workspace", str(tmp_path)])

    said = capsys.readouterr().out
    for name in ("versions", "devices", "engines", "weights", "disk", "workspace", "job store"):
        assert f"  {name}" in said
