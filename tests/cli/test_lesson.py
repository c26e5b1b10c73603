"""`headswap lesson`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., dict[str, Any]]
Shell = Callable[..., int]


def test_without_a_name_all_lessons_are_listed(answer: Ask) -> None:
    rows = answer("lesson")["lessons"]

    assert len(rows) == 11
    assert rows[3]["name"] == "old-optimizer"


def test_a_lesson_gives_its_numbers_as_json(answer: Ask, few_drawings: Path) -> None:
    record = answer("lesson", "which-layer", "--data", few_drawings)

    numbers = {number["name"]: number["value"] for number in record["numbers"]}
    assert numbers["answers_wrong_attribute"] == 1000
    assert numbers["answers_right"] == 3
    assert (record["pictures"], record["data"]) == (24, "drawings")


def test_people_read_what_happened_why_and_the_code(
    shell: Shell, few_drawings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("lesson", "which-layer", "--data", few_drawings) == 0

    words = capsys.readouterr().out
    assert "The wrong attribute and `out_features` change nothing" in words
    assert "# wrong: an attribute no one uses" in words
    assert "network.classifier[3] = torch.nn.Linear(old.in_features, 4)" in words


def test_an_unknown_lesson_is_one_sentence(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("lesson", "norm") == 2

    assert "There is no experiment called 'norm'. Did you mean norms?" in capsys.readouterr().err


def test_the_lessons_are_written_as_a_notebook(answer: Ask, tmp_path: Path) -> None:
    place = tmp_path / "lessons.ipynb"

    assert answer("lesson", "--notebook", place) == {"notebook": str(place)}

    assert json.loads(place.read_text())["nbformat"] == 4
