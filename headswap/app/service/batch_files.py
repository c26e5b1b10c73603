"""What a batch of tried pictures keeps on the disk, so that a server that was killed goes on with it.

    projects/ID/tried/NUMBER/
        batch.json            which run answers; a folder without it is gone
        upload.zip            until its pictures are read
        images/, dataset.json the pictures by hash, when they are read
        answers.part          each answer as it came (`headswap.pipeline.kept_answers`)
        answers.json          all of them, when it is over

Knows files and records; starts nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.app.service.leftovers import BATCH, BATCH_RECORD
from headswap.bundle.prediction import Prediction
from headswap.data.manifest import Manifest
from headswap.errors import BundleDamaged, NotFound
from headswap.storage.files import discard, link, make_folder, remove
from headswap.storage.records import read_record, write_record


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """What a batch is."""

    job: str  # the run that answers
    name: str  # of what was chosen


@dataclass(frozen=True, kw_only=True)
class BatchView:
    """How far a batch is, for a page that may have been reloaded."""

    state: Literal["none", "waiting", "reading", "predicting", "done", "failed"] = "none"
    done: int = 0  # pictures read, or answered
    total: int = 0  # pictures to answer; 0: not known yet
    is_stopped: bool = False  # the person did not want the rest
    job: str = ""  # the run that answers
    problem: str = ""  # when failed
    remedy: str = ""
    can_resume: bool = False  # some of them have no answer yet, and can get one

    @property
    def is_busy(self) -> bool:
        return self.state in ("waiting", "reading", "predicting")


@dataclass(frozen=True, kw_only=True)
class SavedAnswers:
    """What was said of the first so many pictures."""

    job: str  # the run that answered
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True)
class BatchFiles:
    """The folder of one batch."""

    folder: Path

    @property
    def upload(self) -> Path:
        return self.folder / "upload.zip"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset.json"

    @property
    def kept(self) -> Path:
        return self.folder / "answers.part"

    @property
    def answers(self) -> Path:
        return self.folder / "answers.json"

    @property
    def record(self) -> BatchRecord:
        found: BatchRecord = read_record(BatchRecord, self.folder / BATCH_RECORD)
        return found

    @property
    def manifest(self) -> Manifest:
        """The pictures that were read, whatever became of their answers.

        Raises:
            NotFound: they are not read yet, or gone.
        """
        if not self.dataset.is_file():
            raise nothing_tried()
        return _manifest(self.dataset, self.dataset.stat().st_mtime_ns)

    @property
    def saved(self) -> SavedAnswers | None:
        """The answers of the run of the record; None: it is not over."""
        if not self.answers.is_file():
            return None
        found = _saved(self.answers, self.answers.stat().st_mtime_ns)
        return found if found.job == self.record.job else None

    def write(self, record: BatchRecord) -> None:
        """Note what it is; from now on a server that starts again goes on with it."""
        write_record(self.folder / BATCH_RECORD, record)

    def save(self, job: str, said: Iterable[Prediction], *, is_whole: bool) -> None:
        """Write all answers down; what was kept one by one goes if nothing is left to answer."""
        write_record(self.answers, SavedAnswers(job=job, predictions=tuple(said)))
        if is_whole:
            remove(self.kept)

    def take(self, upload: Path) -> None:
        """Keep what was uploaded until it is read."""
        make_folder(self.images)
        link(upload, self.upload)

    def end(self) -> None:
        """From now on it counts as gone, also for a server that starts again."""
        remove(self.folder / BATCH_RECORD)
        remove(self.folder / f"{BATCH_RECORD}.before")


def new_batch(project: Path) -> BatchFiles:
    """A folder for the next batch in the folder of a project; made when something is written."""
    return BatchFiles(project / BATCH / secrets.token_hex(4))


def left_batch(project: Path) -> BatchFiles | None:
    """The batch that another server has left in the folder of a project; of several, the newest stays.

    A folder without a record is being filled right now, or goes with the next start of the server.
    """
    found = None
    for folder in sorted((project / BATCH).glob("*"), key=_written_at):
        files = BatchFiles(folder)
        if not (folder / BATCH_RECORD).is_file():
            continue
        try:
            _ = files.record
        except BundleDamaged:
            discard(folder)
            continue
        if found is not None:  # killed between the new one and the end of the old
            discard(found.folder)
        found = files
    return found


def view_of(files: BatchFiles) -> BatchView:
    """How far a batch is that another server has left."""
    record, saved = files.record, files.saved
    if saved is None:
        return BatchView(state="waiting", job=record.job)
    done, total = len(saved.predictions), len(files.manifest.images)
    is_part = done < total
    return BatchView(
        state="done", job=record.job, done=done, total=total, is_stopped=is_part, can_resume=is_part
    )  # fmt: skip


def unseen_for_s(files: BatchFiles) -> float:
    """Seconds since anything of it was written."""
    return time.time() - _written_at(files.folder)


def nothing_tried() -> NotFound:
    """What to say where nothing is kept."""
    return NotFound("These pictures are not kept any more.", remedy="Choose them again.")


def _written_at(folder: Path) -> float:
    try:
        return (folder / BATCH_RECORD).stat().st_mtime
    except FileNotFoundError:
        return 0.0


@lru_cache(maxsize=4)
def _manifest(path: Path, written_ns: int) -> Manifest:
    """Read it once: a page that shows the pictures asks for it again and again."""
    found: Manifest = read_record(Manifest, path)
    return found


@lru_cache(maxsize=4)
def _saved(path: Path, written_ns: int) -> SavedAnswers:
    found: SavedAnswers = read_record(SavedAnswers, path)
    return found
