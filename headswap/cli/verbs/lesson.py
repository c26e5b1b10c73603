"""`headswap lesson [NAME]`: break it on purpose, and see; all of them as a notebook."""

from __future__ import annotations

import argparse
from pathlib import Path

from headswap.cli.progress import Bars
from headswap.cli.verb import VerbAnswer, Verbs, new_verb
from headswap.counted import counted
from headswap.lessons.catalogue import LESSONS, find_lesson, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.storage.files import to_plain
from headswap.zoos.catalogue import DEFAULT_MODEL


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "lesson", run)
    sub.add_argument("name", nargs="?", help="of a lesson, or its number; without it they are listed")
    sub.add_argument("--data", metavar="DIR", default="", help="your own pictures; default: the sample set")
    sub.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    sub.add_argument("--seed", type=int, default=0, help="another seed, another draw; default: %(default)s")
    sub.add_argument("--notebook", metavar="FILE", help="write all of them as a notebook (.ipynb) instead")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Run an experiment about what goes wrong when a head is swapped."""
    setting = LessonConfig(data=choices.data, model=choices.model, seed=choices.seed)
    if choices.notebook:
        from headswap.lessons.notebook import write_notebook

        path = write_notebook(Path(choices.notebook), setting, choices.name)
        return VerbAnswer(
            {"notebook": str(path)}, f"{path} is ready. Open it with Jupyter and run all cells."
        )
    if not choices.name:
        return _listed()
    lesson = find_lesson(choices.name).lesson
    with Bars() as bars:
        result = run_lesson(choices.name, setting, workspace=choices.workspace, listener=bars)
    return VerbAnswer(to_plain(result), _text(lesson, result))


def _listed() -> VerbAnswer:
    rows = [{"name": one.name, "title": one.title, "question": one.question} for one in LESSONS]
    lines = [f"{number:2} {one.name:16} {one.title}" for number, one in enumerate(LESSONS, start=1)]
    lines.append("Run one with `headswap lesson NAME`.")
    return VerbAnswer({"lessons": rows}, "\n".join(lines))


def _text(lesson: Lesson, result: LessonResult) -> str:
    """Question, what happened, the numbers, the reason, the lines that did it."""
    lines = [lesson.title, "", lesson.question]
    lines += [f"  {'*' if at == lesson.right else '-'} {choice}" for at, choice in enumerate(lesson.choices)]
    lines += ["", *result.sentences, *result.texts, ""]
    for number in result.numbers:
        between = f" ({number.low:.3g} to {number.high:.3g})" if number.low is not None else ""
        lines.append(f"  {number.value:12.6g}  {number.text}{between}")
    lines += ["", *lesson.why]
    for code in lesson.codes:
        lines += ["", code.before, "", f"# wrong: {code.wrong_text}", code.wrong]
        lines += ["", f"# right: {code.right_text}", code.right]
    lines += [
        "",
        f"{counted(result.images, 'picture')} of {result.data}, {result.model}, {result.seconds:.1f} s.",
    ]
    return "\n".join(lines)
