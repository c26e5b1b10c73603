"""The notebook: one by the book of notebooks, and it runs from top to bottom."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from headswap.errors import BadSetting, NotFound
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.config import LessonConfig
from headswap.lessons.notebook import notebook_of, write_notebook

ROOT = Path(__file__).parents[2]
EXECUTE = """
import sys, nbclient, nbformat
from jupyter_client import AsyncKernelManager
notebook = nbformat.read(sys.argv[1], as_version=4)
kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")  # ports may be taken before they are used
nbclient.NotebookClient(notebook, km=kernel, timeout=3600, startup_timeout=900).execute()
nbformat.write(notebook, sys.argv[1])
"""
TINY = LessonConfig(most_images=16, small_px=32, epochs=1, draws=2)  # that every cell runs, not what it shows


def code_cells(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_valid_and_holds_every_lesson(tmp_path: Path) -> None:
    place = write_notebook(tmp_path / "lessons.ipynb", LessonConfig())

    written = nbformat.read(place, as_version=4)
    nbformat.validate(written)
    words = "\n".join(cell.source for cell in written.cells if cell.cell_type == "markdown")
    assert all(lesson.title in words and lesson.question in words for lesson in LESSONS)
    assert json.loads(place.read_text())["nbformat_minor"] == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["which-layer", pytest.param(None, marks=pytest.mark.thorough)],  # each runs without a notebook, too
)
def test_every_cell_runs_from_top_to_bottom_in_a_kernel_of_its_own(
    name: str | None, tmp_path: Path, lesson_workspace: Path
) -> None:
    place = write_notebook(tmp_path / "lessons.ipynb", TINY, name)
    environment = {**os.environ, "XDG_CACHE_HOME": str(lesson_workspace), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])

    ended = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(place)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=7200,
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    cells = [cell for cell in nbformat.read(place, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = {
        run: cell.outputs[-1].data["text/html"]
        for cell in cells
        for run in re.findall(r'^run_lesson\("([\w-]+)"', cell.source)
    }
    assert list(shown) == [lesson.name for lesson in LESSONS if name in (lesson.name, None)]
    assert all("<svg" in html and "16 pictures of the sample set" in html for html in shown.values())


def test_a_notebook_of_one_lesson_holds_only_that() -> None:
    cells = code_cells(notebook_of(LessonConfig(), LESSONS[3:4]))

    assert len(cells) == 4  # the beginning, the run, wrong, right


def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there.ipynb").write_text("")
    for name, words in (
        ("lessons.txt", "does not end in .ipynb"),
        ("there.ipynb", "exists already"),
        ("nowhere/lessons.ipynb", "There is no folder"),
    ):
        with pytest.raises(BadSetting, match=words):
            write_notebook(tmp_path / name, LessonConfig())
    with pytest.raises(NotFound, match="no experiment called 'x'"):
        write_notebook(tmp_path / "one.ipynb", LessonConfig(), "x")
