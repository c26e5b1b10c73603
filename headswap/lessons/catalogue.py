"""The eleven experiments in their order, and the one way to run one.

Flow:  name + LessonConfig --run_lesson--> LessonResult

Importing this file loads no torch: the words are at hand at once, and what runs an experiment
loads it when it runs.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.errors import NotFound
from headswap.events import Listener, silent
from headswap.lessons import (
    all_at_once,
    every_layer,
    everything,
    glasses,
    how_many,
    no_magic,
    norms,
    old_optimizer,
    two_heads,
    what_is_a_head,
    which_layer,
)
from headswap.lessons.chance import UNDECIDED
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson, LessonFindings, LessonResult
from headswap.storage.locations import folder_of_copies
from headswap.zoos.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from headswap.lessons.material import Material


@dataclass(frozen=True)
class RunnableLesson:
    """A lesson and what runs it."""

    lesson: Lesson
    run: Callable[[Material], LessonFindings]


LESSON_MODULES = tuple(
    RunnableLesson(module.LESSON, module.run)
    for module in (
        what_is_a_head,
        everything,
        which_layer,
        old_optimizer,
        all_at_once,
        glasses,
        norms,
        no_magic,
        two_heads,
        how_many,
        every_layer,
    )
)
LESSONS = tuple(runnable.lesson for runnable in LESSON_MODULES)


def find_lesson(name: str) -> RunnableLesson:
    """The experiment of that name, or of that number from 1.

    Raises:
        NotFound: there is none; the nearest name is suggested.
    """
    for number, runnable in enumerate(LESSON_MODULES, start=1):
        if name in (runnable.lesson.name, str(number)):
            return runnable
    names = [lesson.name for lesson in LESSONS]
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(names)}."
    raise NotFound(f"There is no experiment called {name[:60]!a}.", remedy=remedy)


def run_lesson(
    name: str,
    setting: LessonConfig | None = None,
    *,
    workspace: Path,
    material: Material | None = None,
    listener: Listener = silent,
) -> LessonResult:
    """Run one experiment.

    Args:
        name: of the lesson, or its number from 1.
        setting: pictures, network and seed; the defaults work.
        workspace: a folder for features; safe to delete between runs.
        material: of the same setting from an earlier run, to load the network only once.
        listener: hears every step; may raise `Cancelled`.

    Raises:
        NotFound: there is no such lesson.
        HeadswapError: the pictures or the network cannot be used.
    """
    runnable = find_lesson(name)
    from headswap.features.engines import choose_engine
    from headswap.lessons.material import Material
    from headswap.training.finetune.modes import own_random

    setting = setting or LessonConfig()
    material = material or Material(setting, workspace, listener)
    material.begin()
    start = time.perf_counter()
    with own_random(choose_engine(), material.setting.seed):
        seen = runnable.run(material)
    undecided = "" if seen.shows else UNDECIDED
    return LessonResult(
        lesson=runnable.lesson.name,
        model=material.setting.model,
        data=material.manifest.name,
        images=len(material.manifest.images),
        seed=material.setting.seed,
        sentences=tuple(filter(None, (*seen.sentences, undecided, material.slowness))),
        numbers=seen.numbers,
        figure=seen.figure,
        texts=seen.texts,
        shows=seen.shows,
        seconds=round(time.perf_counter() - start, 3),
    )


def lesson(
    name: str,
    *,
    data: str | Path = "",
    model: str = DEFAULT_MODEL,
    seed: int = 0,
    workspace: str | Path | None = None,
    listener: Listener = silent,
) -> LessonResult:
    """Run one experiment: `headswap.lesson("old-optimizer")`.

    Args:
        name: of the lesson, or its number from 1.
        data: a folder of class folders, or a zip; "": the sample set.
        model: a network whose head is one linear layer.
        seed: another seed, another draw.
        workspace: where features are kept between runs; None: the system's cache folder.
        listener: hears every step; may raise `Cancelled`.

    Returns:
        Sentences, numbers and a figure; a notebook shows it as it is.

    Raises:
        NotFound: there is no such lesson.
        HeadswapError: the pictures or the network cannot be used.
    """
    folder = folder_of_copies(workspace)
    setting = LessonConfig(data=str(data), model=model, seed=seed)
    return run_lesson(name, setting, workspace=folder, listener=listener)
