"""A person's progress in the experiments, on the disk: what they guessed, and what was run for them.

    lessons/courses/ID/course.json      guesses, runs, the key of the class link
    lessons/courses/ID/vote-NAME.json   what a class thinks will happen

A progress record belongs to its owner as a project does; where no one logs in, its id is the only way to it.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.errors import HeadswapError, NotFound
from headswap.field_types import keys_on_disk
from headswap.storage.files import discard, is_discarded, make_folder, remove
from headswap.storage.records import read_record, write_record

ID = re.compile(r"[0-9a-f]{32}")
TOUCH_S = 600.0  # a look is noted at most so often
_RECORD = "course.json"


@dataclass(frozen=True, kw_only=True)
class LessonState:
    """What a person did with one experiment."""

    __pydantic_config__ = keys_on_disk(quiz_answers="riddles")

    lesson: str
    guess: int  # index of the choice
    quiz_answers: tuple[int, ...] = ()  # index of the option for each question; -1: not answered
    result: str = ""  # key of the newest result; "": none yet
    draw: int = 0  # seed of the newest run
    own: bool = False  # it was run on the person's own pictures


@dataclass(frozen=True)
class CastVote:
    """What one browser of a class chose; no name, only a number that the browser was given."""

    __pydantic_config__ = keys_on_disk(address_key="place")

    who: str
    choice: int
    address_key: str = ""  # tells browsers of one address apart from others; no address can be read in it


@dataclass(frozen=True, kw_only=True)
class ClassVote:
    """What a class thinks will happen in one experiment."""

    lesson: str
    is_open: bool = True
    votes: tuple[CastVote, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LearnerProgress:
    """One person's progress."""

    id: str
    owner: str
    at: str = ""  # the experiment that was opened last
    lesson_states: tuple[LessonState, ...] = ()
    key: str = ""  # of the link by which a class follows; "": none

    def state_of(self, lesson: str) -> LessonState | None:
        """What was done with one experiment; None: not begun."""
        return next((one for one in self.lesson_states if one.lesson == lesson), None)

    def having(self, lesson_state: LessonState) -> LearnerProgress:
        """The same with one experiment's part put in or replaced."""
        others = tuple(one for one in self.lesson_states if one.lesson != lesson_state.lesson)
        return replace(self, lesson_states=(*others, lesson_state))


class ProgressStore:
    """All progress of one installation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, owner: str, progress: str) -> LearnerProgress:
        """The progress of this id, else the newest of someone who has logged in, else a new one."""
        with suppress(NotFound):
            return self.get(owner, progress)
        own = [one for one in self.all() if one.owner == owner] if owner else []
        if own:
            return max(own, key=self.touched_at)
        fresh = LearnerProgress(id=secrets.token_hex(16), owner=owner)
        folder = make_folder(self.folder(fresh.id))
        try:
            return self.save(fresh)
        except BaseException:  # no room for the record: no empty folder either
            discard(folder)
            raise

    def get(self, owner: str, progress: str) -> LearnerProgress:
        """One record of one owner.

        Raises:
            NotFound: there is none, or it is someone else's; no one can tell which.
        """
        record = self.folder(progress) / _RECORD
        if not record.is_file() or is_discarded(record.parent):
            raise _no_such_progress()
        found: LearnerProgress = read_record(LearnerProgress, record)
        if found.owner != owner:
            raise _no_such_progress()
        if abs(time.time() - record.stat().st_mtime) > TOUCH_S:
            os.utime(record)
        return found

    def all(self) -> tuple[LearnerProgress, ...]:
        """Every record that can be read, of everyone: for the server itself, never for a person."""
        found = []
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if ID.fullmatch(folder.name) and (folder / _RECORD).is_file() and not is_discarded(folder):
                with suppress(HeadswapError):
                    found.append(read_record(LearnerProgress, folder / _RECORD))
        return tuple(found)

    def touched_at(self, progress: LearnerProgress) -> float:
        """When someone last looked at it, in seconds since 1970; give or take `TOUCH_S`."""
        return (self.folder(progress.id) / _RECORD).stat().st_mtime

    def save(self, progress: LearnerProgress) -> LearnerProgress:
        """Write the record as a whole; the one before is kept next to it."""
        write_record(self.folder(progress.id) / _RECORD, progress)
        return progress

    def remove(self, progress: LearnerProgress) -> None:
        """Let a record go, with its votes."""
        discard(self.folder(progress.id))

    def vote(self, progress: LearnerProgress, lesson: str) -> ClassVote | None:
        """What the class said before an experiment; None: it was not asked."""
        path = self.folder(progress.id) / f"vote-{lesson}.json"
        if not path.is_file():
            return None
        found: ClassVote = read_record(ClassVote, path)
        return found

    def save_vote(self, progress: LearnerProgress, vote: ClassVote) -> ClassVote:
        """Write a vote as a whole."""
        write_record(self.folder(progress.id) / f"vote-{vote.lesson}.json", vote)
        return vote

    def forget_votes(self, progress: LearnerProgress) -> None:
        """Let all of its votes go."""
        for path in self.folder(progress.id).glob("vote-*.json*"):
            remove(path)

    def folder(self, progress: str) -> Path:
        """The folder of a record.

        Raises:
            NotFound: the id is not well-formed; no path is ever built from it.
        """
        if not ID.fullmatch(progress):
            raise _no_such_progress()
        return self._root / progress


def _no_such_progress() -> NotFound:
    return NotFound("This series of experiments was not found.", remedy="Open the page again to begin one.")
