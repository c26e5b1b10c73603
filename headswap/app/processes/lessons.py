"""Run an experiment in a process of its own, the only place where a lesson page needs torch.

Flow:  AskLesson  --answer--> LessonReply ;  meanwhile  folder/progress.json <-- how far it is
                                                            folder/stop          --> it ends between two steps

Runs in a `ChildProcess`. The material of the last setting stays loaded, so a second
experiment on the same pictures loads no network. Importing this file loads no torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headswap.app.processes.run_folder import RunFolder
from headswap.errors import Cancelled
from headswap.events import Event, Progress
from headswap.imports import import_libraries
from headswap.lessons.catalogue import run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import LessonResult

if TYPE_CHECKING:
    from headswap.lessons.material import Material


@dataclass(frozen=True, kw_only=True)
class AskLesson:
    """Run this experiment."""

    lesson: str
    setting: LessonConfig
    workspace: str  # features are kept here
    folder: str  # of this run: progress comes out, a stop goes in
    kind: Literal["lesson"] = "lesson"


@dataclass(frozen=True, kw_only=True)
class AskReady:
    """Someone will soon ask: load the network and the pictures."""

    setting: LessonConfig
    workspace: str
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True)
class LessonReply:
    """What came of it."""

    result: LessonResult | None  # None: it was stopped, or there was nothing to run


Question = AskLesson | AskReady


class _Telling:
    """Listens to a run: notes how far it is, and ends it when someone says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = RunFolder(folder)

    def __call__(self, event: Event) -> None:
        if self._folder.is_stopped:
            raise Cancelled
        if isinstance(event, Progress):
            self._folder.note_progress(event)


class _Kept:
    """The material of the last setting: a network and its pictures."""

    def __init__(self) -> None:
        self._last: Material | None = None

    def of(self, setting: LessonConfig, workspace: Path, listener: _Telling | None = None) -> Material:
        """The same material again, or a fresh one; another draw of the same pictures keeps the network."""
        from headswap.lessons.material import Material

        last = self._last
        if last is None or last.workspace != workspace:
            last = Material(setting, workspace)
        elif last.setting != setting:
            last = last.with_setting(setting)
        self._last = last
        if listener is not None:
            last.listener = listener
        return last


@lru_cache(maxsize=1)
def _kept() -> _Kept:
    """One for this process."""
    return _Kept()


def answer(question: Question) -> object:
    """Run one experiment; called in the child process."""
    import_libraries()
    workspace = Path(question.workspace)
    if isinstance(question, AskReady):
        material = _kept().of(question.setting, workspace)
        _ = material.network, material.images
        return LessonReply(None)
    _take_free_cores()
    material = _kept().of(question.setting, workspace, _Telling(Path(question.folder)))
    try:
        return LessonReply(run_lesson(question.lesson, workspace=workspace, material=material))
    except Cancelled:
        return LessonReply(None)


def _take_free_cores() -> None:
    """Use as many threads as there are free cores: more would wait for each other."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    torch.set_num_threads(max(1, min(cores, round(cores - busy))))
