"""A heap of drawings and a table: what to name next, the answers read back, and the table taught with."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import headswap
from headswap.cli.main import main
from headswap.data.ingest import ingest
from headswap.errors import BadSetting
from headswap.pipeline.many import plain_cell, table_cell

KINDS, EACH = ("bird", "fruit", "vehicle"), 8


@pytest.fixture
def heap(sample: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "heap"
    folder.mkdir()
    for kind in KINDS:
        for number, path in enumerate(sorted((sample / "train" / kind).iterdir())[:EACH]):
            shutil.copy(path, folder / f"{kind}-{number}{path.suffix}")
    return folder


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def answer(table: Path, what: list[dict[str, str]]) -> None:
    """Fill in the column of the person for those that are asked, as a spreadsheet would."""
    for row in what:
        row["label"] = row["label"] or (row["file"].split("-")[0] if row["ask"] else "")
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(what[0]))
        writer.writeheader()
        writer.writerows(what)


def test_a_table_is_filled_in_read_back_and_taught_with(
    heap: Path, workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))
    table = heap / "labels.csv"
    line = ["label", str(heap), "--csv", str(table)]
    assert main(line) == 0
    assert "0 of 24 pictures have a label" in capsys.readouterr().out
    first = rows_of(table)
    assert [row["ask"] for row in first[:11]] == [*map(str, range(1, 11)), ""]
    assert {row["suggested"] + row["sure"] + row["label"] for row in first} == {""}
    assert any(row["group"] for row in first)

    answer(table, first)
    assert main(line) == 0
    told = capsys.readouterr().out
    assert "10 of 24 pictures have a label" in told
    assert "left out" not in told, "its own table is no picture that anyone would miss"
    second = rows_of(table)
    named = {row["file"]: row["label"] for row in second if row["label"]}
    assert named == {row["file"]: row["file"].split("-")[0] for row in first[:10]}
    rest = [row for row in second if not row["label"]]
    assert all(row["suggested"] in KINDS and 1 / 3 <= float(row["sure"]) <= 1 for row in rest)
    right = sum(row["file"].startswith(row["suggested"]) for row in rest)
    assert right > len(rest) / 2

    assert ingest(heap).manifest.counts == {kind: list(named.values()).count(kind) for kind in KINDS}
    assert main([*line, "--labels", str(heap / "nowhere.csv")]) == 2
    assert rows_of(table) == second, "answers are not written over by a mistake"


def test_what_cannot_be_an_answer_is_one_sentence(heap: Path, workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"The answers name cat\.png, which is not among these images"):
        headswap.label(heap, labels={"cat.png": "cat"}, workspace=workspace)
    (tmp_path / "other.csv").write_text("picture;name\na;b\n", encoding="utf-8")
    with pytest.raises(BadSetting, match="has no columns “file” and “label”"):
        headswap.label(heap, labels=tmp_path / "other.csv", workspace=workspace)
    for name in ("=1+1", "'quoted'", "plain", "-a", "'"):
        assert plain_cell(table_cell(name)) == name
