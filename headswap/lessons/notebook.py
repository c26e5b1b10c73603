"""All eleven experiments as one notebook that runs from top to bottom.

Flow:  LessonConfig --notebook_of--> cells --write_notebook--> .ipynb (nbformat 4.5)

Each experiment is the question, a cell that runs it, the reason, and both versions of the code as
cells of their own. What is written holds no results: anyone who opens it makes their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headswap.errors import BadSetting
from headswap.lessons.catalogue import LESSONS, find_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson
from headswap.storage.files import write_text
from headswap.storage.locations import why_not_writable

_START = """from pathlib import Path

from platformdirs import user_cache_path

from headswap.lessons.catalogue import run_lesson
from headswap.lessons.material import Material
from headswap.lessons.config import LessonConfig

workspace = Path(user_cache_path("headswap"))     # features are kept here; safe to delete
material = Material({setting!r}, workspace)"""


def write_notebook(path: Path, setting: LessonConfig, name: str | None = None) -> Path:
    """Write one lesson, or all of them, as a notebook.

    Args:
        path: the file; must end in .ipynb and not exist.
        setting: pictures, network and seed of every run in it.
        name: of one lesson; None: all of them.

    Raises:
        BadSetting: the name of the file cannot be used.
        NotFound: there is no such lesson.
    """
    if path.suffix != ".ipynb":
        raise BadSetting(
            f"{path.name} does not end in .ipynb.", remedy="Choose a name such as lessons.ipynb."
        )
    reason = why_not_writable(path)
    if reason and path.parent.is_dir():
        raise BadSetting(f"{path} cannot be written: {reason}.", remedy="Choose another place for it.")
    if path.exists():
        raise BadSetting(f"{path} exists already.", remedy="Choose another name for the notebook.")
    if not path.parent.is_dir():
        raise BadSetting(f"There is no folder {path.parent}.", remedy="Make it first, or choose another.")
    lessons = LESSONS if name is None else (find_lesson(name).lesson,)
    write_text(path, json.dumps(notebook_of(setting, lessons), indent=1, ensure_ascii=False) + "\n")
    return path


def notebook_of(setting: LessonConfig, lessons: tuple[Lesson, ...] = LESSONS) -> dict[str, Any]:
    """The notebook in its JSON form."""
    cells = [
        _text_cell(
            "# Break it on purpose\n\nShort experiments about what goes wrong when a head is swapped. "
            "Guess first, then run the cell and see."
        ),
        _code(_START.format(setting=setting)),
    ]
    for number, lesson in enumerate(lessons, start=1):
        cells += _cells(number, lesson)
    for at, cell in enumerate(cells):
        cell["id"] = f"cell-{at}"
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cells(number: int, lesson: Lesson) -> list[dict[str, Any]]:
    choices = "\n".join(f"- {choice}" for choice in lesson.choices)
    terms = "; ".join(f"*{term.word}*: {term.field}" for term in lesson.terms)
    why = "\n\n".join(lesson.why) + (f"\n\nThe field says: {terms}." if terms else "")
    cells = [
        _text_cell(
            f"## {number}. {lesson.title}\n\nBefore you look: {lesson.question}\n\n{choices}\n\n{lesson.plan}"
        ),
        _code(f'run_lesson("{lesson.name}", workspace=workspace, material=material)'),
        _text_cell(f"**{lesson.choices[lesson.right]}.**\n\n{why}"),
    ]
    for code in lesson.codes:
        cells += [
            _text_cell(f"Wrong: {code.wrong_text}."),
            _code(f"{code.before}\n\n{code.wrong}"),
            _text_cell(f"Right: {code.right_text}."),
            _code(f"{code.before}\n\n{code.right}"),
        ]
    return cells


def _text_cell(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
