"""Everything of the experiments in one place: built once, tidied now and then, let go at the end.

Flow:  Settings + what the house has already --learning_of--> LessonServices (lessons, following, tidy)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headswap.app.processes.child import ChildProcess
from headswap.app.service.lessons.lessons import Lessons
from headswap.app.service.lessons.progress import ProgressStore
from headswap.app.service.lessons.runs import LessonRuns
from headswap.app.service.lessons.sharing import Sharing
from headswap.app.service.projects import Projects
from headswap.app.service.settings import Settings
from headswap.app.service.views import JobView
from headswap.evaluation.report import Report

_LONGEST_S = 300.0  # for one experiment: a large network of someone's own


@dataclass(frozen=True)
class LessonServices:
    """The nouns of the experiments."""

    lessons: Lessons
    following: Sharing
    tidy: Callable[[float, float], int]  # (now, hours kept; 0: for ever) -> how many things went


def learning_of(
    settings: Settings,
    projects: Projects,
    *,
    check_room: Callable[[str], None],
    check_fetch: Callable[[str], None],
    job: Callable[[str, str], JobView],
    report: Callable[[str, str], Report],
) -> LessonServices:
    """Build it; nothing is started before someone asks."""
    root: Path = settings.workspace / "lessons"
    child = ChildProcess(
        "headswap.app.processes.lessons:answer",
        idle_s=120.0,
        timeout_s=_LONGEST_S,
        memory_bytes=settings.for_queue().worker_bytes,
        log=settings.workspace / "logs" / "lessons.jsonl",
    )
    progress_store = ProgressStore(root / "courses")
    runs = LessonRuns(child, root, settings.workspace)
    lessons = Lessons(progress_store, projects, runs, settings.lesson, check_room, check_fetch)
    following = Sharing(root / "links", progress_store, lessons, job, report)

    def tidy(now: float, hours: float) -> int:
        """Courses that no one opened for so long go, with their votes; then results and links to nothing."""
        gone = 0
        if hours > 0:
            stale = [
                one for one in progress_store.all() if (now - progress_store.touched_at(one)) / 3600 > hours
            ]
            for progress in stale:
                progress_store.remove(progress)
            gone = len(stale) + runs.tidy(hours * 3600, now)
        return gone + following.tidy()

    return LessonServices(lessons, following, tidy)
