"""The experiments as a page shows them: what was guessed, what is run, what came of it, how far one is.

Flow:  owner + progress --view--> LessonView;  a guess --run--> the result, read again after a reload

A result is shown to anyone who committed to a guess before. Experiments run on the sample set, or on the
pictures and the network of a project of the same owner. Loads no torch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headswap.app.service.lessons.progress import LearnerProgress, LessonState, ProgressStore
from headswap.app.service.lessons.runs import LessonRuns, LessonRunState
from headswap.app.service.projects import Project, Projects
from headswap.errors import BadSetting, NotFound
from headswap.lessons.catalogue import LESSONS, find_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson, LessonResult

PATH = tuple(lesson.name for lesson in LESSONS if not lesson.for_experts)  # the first round
CORNER = tuple(lesson.name for lesson in LESSONS if lesson.for_experts)
ORDER = (*PATH, *CORNER)
_MOMENT_S = 3.0
DRAWS = 10  # seeds that "again" goes through


@dataclass(frozen=True, kw_only=True)
class ProgressView:
    """How far a person is."""

    id: str
    at: str  # the experiment to show
    done: tuple[str, ...]  # names, in the order of the page


@dataclass(frozen=True, kw_only=True)
class LessonView:
    """One experiment as it stands for one person."""

    lesson: Lesson
    done: tuple[str, ...]  # of all
    guess: int | None  # None: not committed yet
    quiz_answers: tuple[int, ...]
    result: LessonResult | None  # only after a guess
    is_own: bool  # the result is of the person's own pictures
    run: LessonRunState
    seconds: float  # that it usually takes here
    own_images: str  # name of the person's own, when there are any
    own_model: str

    @property
    def is_right(self) -> bool:
        """Whether the guess is what happens on the sample set."""
        return self.guess == self.lesson.right

    @property
    def quiz_right(self) -> int:
        """How many heads were guessed where they are."""
        pairs = zip(self.lesson.quiz, self.quiz_answers, strict=False)
        return sum(question.right == said for question, said in pairs)


class Lessons:
    """The experiments of one installation."""

    def __init__(
        self,
        progress_store: ProgressStore,
        projects: Projects,
        runs: LessonRuns,
        base: LessonConfig,
        check_room: Callable[[str], None],
        check_fetch: Callable[[str], None],
    ) -> None:
        """`base` is the setting of the sample set; a project changes its pictures and network."""
        self._check_fetch = check_fetch
        self._progress_store, self._projects, self._runs = progress_store, projects, runs
        self._base, self._check_room = base, check_room
        self._lock = threading.Lock()  # around changes of a progress record

    def close(self) -> None:
        """Let the child go."""
        self._runs.close()

    def warm(self) -> None:
        """Someone will soon run something: have the network and the sample set loaded."""
        self._runs.make_ready(self._base)

    def open(self, owner: str, progress: str) -> ProgressView:
        """The progress that a browser remembers, or a new one."""
        return self._view(self._progress_store.open(owner, progress))

    def progress(self, owner: str, progress: str) -> ProgressView:
        """How far a person is."""
        return self._view(self._progress_store.get(owner, progress))

    def go_to(self, owner: str, progress: str, lesson: str) -> ProgressView:
        """Open another experiment; a class that follows sees it too."""
        name = find_lesson(lesson).lesson.name
        with self._lock:
            found = self._progress_store.get(owner, progress)
            return self._view(
                self._progress_store.save(replace(found, at=name)) if found.at != name else found
            )

    def was_left(self, owner: str, progress: str, lesson: str) -> bool:
        """Whether another experiment was opened a moment ago: what was asked before it comes too late."""
        found = self._progress_store.get(owner, progress)
        fresh = time.time() - self._progress_store.touched_at(found) < _MOMENT_S
        return fresh and found.at != lesson

    def view(self, owner: str, progress: str, lesson: str, project: str = "") -> LessonView:
        """One experiment as it stands; with a project of the same owner, what that would run on."""
        found, what = self._progress_store.get(owner, progress), find_lesson(lesson).lesson
        lesson_state = found.state_of(what.name)
        own = self._own(owner, project)
        setting = self._base
        if lesson_state is not None and lesson_state.own and own is not None:
            setting = self._setting(own)
        run = self._runs.state(lesson_state.result, found.id) if lesson_state else LessonRunState()
        result = self._runs.result(lesson_state.result) if lesson_state else None
        return LessonView(
            lesson=what,
            done=self._done(found),
            guess=lesson_state.guess if lesson_state else None,
            quiz_answers=lesson_state.quiz_answers if lesson_state else (),
            result=result,
            is_own=lesson_state is not None and lesson_state.own,
            run=run,
            seconds=self._runs.usual_s(what.name, setting.model),
            own_images=own.name if own else "",
            own_model=own.model if own else "",
        )

    def run(
        self,
        owner: str,
        progress: str,
        lesson: str,
        choice: int,
        quiz_answers: Sequence[int] = (),
        *,
        project: str = "",
    ) -> None:
        """Commit to a guess and run; again, with another draw, where it was run before.

        Args:
            owner: who asks.
            progress: of theirs.
            lesson: name of an experiment.
            choice: place of what the person thinks will happen; counts the first time only.
            quiz_answers: index of the option for each question, -1 where none was chosen; likewise.
            project: of theirs, to run on its pictures and network; "": the sample set.

        Raises:
            NotFound: no such progress, experiment or project.
            BadSetting: the choice is none of those offered; the project has no pictures.
        """
        what = find_lesson(lesson).lesson
        with self._lock:
            found = self._progress_store.get(owner, progress)
            setting = self._base if not project else self._setting(self._projects.get(owner, project))
            lesson_state = found.state_of(what.name) or _committed(what, choice, quiz_answers)
            if self._runs.state(lesson_state.result, found.id).is_going:
                return  # pressed twice
            if self._runs.result(lesson_state.result) and lesson_state.own == bool(project):
                lesson_state = replace(lesson_state, draw=(lesson_state.draw + 1) % DRAWS)
            else:
                lesson_state = replace(lesson_state, draw=0, own=bool(project))
            self._check_room(owner)
            if project and not setting.weights:
                self._check_fetch(setting.model)
            setting = replace(setting, seed=self._base.seed + lesson_state.draw)
            key = self._runs.key(what.name, setting)
            self._progress_store.save(replace(found.having(replace(lesson_state, result=key)), at=what.name))
        if self._runs.result(key) is None:
            self._runs.start(key, what.name, setting, found.id)

    def stop(self, owner: str, progress: str, lesson: str) -> None:
        """End a run; the guess stays."""
        found = self._progress_store.get(owner, progress)
        lesson_state = found.state_of(find_lesson(lesson).lesson.name)
        if lesson_state is not None:
            self._runs.leave(lesson_state.result, found.id)

    def summary(self, owner: str, progress: str) -> tuple[LessonView, ...]:
        """Every experiment that has a result, in the order of the page."""
        found = self._progress_store.get(owner, progress)
        return tuple(self.view(owner, found.id, name) for name in self._done(found))

    def reset(self, owner: str, progress: str) -> ProgressView:
        """Forget guesses, results and votes; a class that followed sees nothing any more."""
        with self._lock:
            found = self._progress_store.get(owner, progress)
            for lesson_state in found.lesson_states:
                self._runs.leave(lesson_state.result, found.id)
            self._progress_store.forget_votes(found)
            return self._view(self._progress_store.save(LearnerProgress(id=found.id, owner=found.owner)))

    # ------------------------------------------------------------------------------

    def _done(self, progress: LearnerProgress) -> tuple[str, ...]:
        done = [one.lesson for one in progress.lesson_states if self._runs.has(one.result)]
        return tuple(name for name in ORDER if name in done)

    def _view(self, progress: LearnerProgress) -> ProgressView:
        done = self._done(progress)
        return ProgressView(id=progress.id, at=progress.at or ORDER[0], done=done)

    def _own(self, owner: str, project: str) -> Project | None:
        """A project with pictures, if there is one; a browser may remember one that is gone."""
        if not project:
            return None
        try:
            found = self._projects.get(owner, project)
        except NotFound:
            return None
        return found if found.data else None

    def _setting(self, project: Project) -> LessonConfig:
        dataset, weights = self._projects.dataset(project), self._projects.weights(project)
        if dataset is None:
            raise BadSetting("There are no pictures yet.", remedy="Add some, or use the sample set.")
        return replace(
            self._base,
            data=str(dataset),
            model=project.model,
            weights=str(weights) if weights else "",
            head=project.head_path or "",
        )


def _committed(lesson: Lesson, choice: int, quiz_answers: Sequence[int]) -> LessonState:
    """The first guess: the one that counts."""
    if not 0 <= choice < len(lesson.choices):
        raise BadSetting("Nothing was chosen.", remedy="First say what you think will happen.")
    said = [*quiz_answers, *[-1] * len(lesson.quiz)][: len(lesson.quiz)]
    if not all(-1 <= one < len(question.options) for one, question in zip(said, lesson.quiz, strict=True)):
        raise BadSetting("This network has no such layer to choose.", remedy="Choose one of those offered.")
    return LessonState(lesson=lesson.name, guess=choice, quiz_answers=tuple(said))
