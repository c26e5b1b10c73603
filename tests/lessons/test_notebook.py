"""The notebook: one by the book of notebooks, and it runs from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from headswap.errors import BadSetting, NotFound
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.lesson import Result
from headswap.lessons.material import Material
from headswap.lessons.notebook import notebook_of, write_notebook
from headswap.lessons.setting import Setting

TINY = Setting(most_pictures=16, small_px=32, passes=1, draws=2)  # that every cell runs, not what it shows


def code_cells(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_valid_and_holds_every_lesson(tmp_path: Path) -> None:
    place = write_notebook(tmp_path / "lessons.ipynb", Setting())

    written = nbformat.read(place, as_version=4)
    nbformat.validate(written)
    words = "\n".join(cell.source for cell in written.cells if cell.cell_type == "markdown")
    assert all(lesson.title in words and lesson.question in words for lesson in LESSONS)
    assert json.loads(place.read_text())["nbformat_minor"] == 5


@pytest.mark.slow
def test_every_code_cell_runs_from_top_to_bottom(
    monkeypatch: pytest.MonkeyPatch, lesson_workspace: Path, material: Material
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(lesson_workspace))
    names: dict[str, Any] = {}
    results = []

    for cell in code_cells(notebook_of(TINY)):
        if cell.startswith("run_lesson("):  # a notebook shows the value of its last line
            exec(f"shown = {cell}", names)
            results.append(names["shown"])
        else:
            exec(cell, names)
            if "material" in names and "network" not in names["material"].__dict__:
                names["material"].__dict__["network"] = material.network  # loaded once for all tests

    assert [result.lesson for result in results] == [lesson.name for lesson in LESSONS]
    assert all(isinstance(result, Result) and "<svg" in result._repr_html_() for result in results)


def test_a_notebook_of_one_lesson_holds_only_that() -> None:
    cells = code_cells(notebook_of(Setting(), LESSONS[3:4]))

    assert len(cells) == 4  # the beginning, the run, wrong, right


def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there.ipynb").write_text("")
    for name, words in (
        ("lessons.txt", "does not end in .ipynb"),
        ("there.ipynb", "exists already"),
        ("nowhere/lessons.ipynb", "There is no folder"),
    ):
        with pytest.raises(BadSetting, match=words):
            write_notebook(tmp_path / name, Setting())
    with pytest.raises(NotFound, match="no lesson called 'x'"):
        write_notebook(tmp_path / "one.ipynb", Setting(), "x")
