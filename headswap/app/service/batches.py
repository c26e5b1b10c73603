"""Many pictures tried at once: read, answered in the background, looked through, named, taken home.

Flow:  zip --Batches.begin--> a thread: a confined reader keeps the pictures, the inference child answers them
           --view--> how far it is;  --answers--> every picture with its Prediction
       pictures that a person names --Batches.label--> Datasets.label: they are learned from next time

    projects/ID/tried/NUMBER/     pictures by hash, dataset.json, answers.json: one batch, gone with the next

A batch counts towards its owner's disk. It goes when another one is begun, when it is closed or not looked at
for a day, with its project, and with the server. Loads no torch; decodes nothing but pictures that a reader
has written.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.app.processes.importing import NOTES, Imported, ReadUpload
from headswap.app.service.datasets import Datasets
from headswap.app.service.leftovers import BATCH
from headswap.app.service.projects import Projects
from headswap.app.service.results import Results
from headswap.app.service.thumbnails import thumbnail
from headswap.app.service.uploads import Uploads
from headswap.bundle.prediction import Prediction
from headswap.data.manifest import ImageRecord, Manifest, check_one_class
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.pipeline.many import csv_of, pack_sorted
from headswap.storage.files import discard, from_json, to_json, write_text
from headswap.storage.records import read_record, write_record

DOUBTFUL = 0.7  # what it is less sure of is worth a look
AT_ONCE = 16  # pictures in one question: others get their turn between two
UNSEEN_S = 86_400.0  # a batch that nobody looks at is let go
_ANSWERS, _DATASET, _IMAGES, _READ = "answers.json", "dataset.json", "images", "-"

logger = logging.getLogger(__name__)


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

    @property
    def is_busy(self) -> bool:
        return self.state in ("waiting", "reading", "predicting")


@dataclass(frozen=True, kw_only=True)
class TriedImage:
    """One picture of a batch, and what a run said of it."""

    image: ImageRecord
    said: Prediction

    @property
    def is_doubtful(self) -> bool:
        """Whether a person should look: it is not sure of it."""
        return self.said.sure < DOUBTFUL


@dataclass(frozen=True, kw_only=True)
class BatchAnswers:
    """A batch that was answered."""

    job: str  # the run that answered
    manifest: Manifest  # what could be read, in the order of the files, and what was left out
    predictions: tuple[Prediction, ...]  # of the first so many; fewer than pictures where it was stopped

    @property
    def tried(self) -> tuple[TriedImage, ...]:
        pairs = zip(self.manifest.images, self.predictions, strict=False)
        return tuple(TriedImage(image=image, said=said) for image, said in pairs)


@dataclass(kw_only=True)
class _Batch:
    """One batch; changed by its thread, read by everyone."""

    folder: Path
    view: BatchView = field(default_factory=BatchView)
    stop: threading.Event = field(default_factory=threading.Event)
    is_gone: bool = False  # another one took its place
    seen_at: float = field(default_factory=time.monotonic)


class Batches:
    """The batches of all projects, one for each."""

    def __init__(
        self,
        projects: Projects,
        results: Results,
        images: Datasets,
        uploads: Uploads,
        read: Callable[[str], str],
        check_room: Callable[[str, Path], None],
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            results: answer pictures.
            images: of projects; they learn what a person names.
            uploads: told when a zip has been read.
            read: takes a `ReadUpload` in a process of its own, and gives an `Imported`; both as JSON.
            check_room: raises when an owner has no room for an upload.
        """
        self._projects, self._results, self._images = projects, results, images
        self._uploads, self._read, self._check_room = uploads, read, check_room
        self._lock = threading.Lock()
        self._batches: dict[str, _Batch] = {}  # by project
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="batch")

    def close(self) -> None:
        """Stop all of them; the server ends."""
        with self._lock:
            for batch in self._batches.values():
                batch.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Trying ---------------------------------------------------------------------------

    def begin(self, owner: str, project: str, job: str, upload: Path) -> BatchView:
        """Try every picture of a zip with a run, in the place of what was tried before.

        Raises:
            NotFound: there is no such project or run.
            TooMuch, DiskFull: there is no room for it.
        """
        try:
            batch = self._new(owner, project, job, upload)
        except BaseException:
            self._uploads.taken(owner, upload)
            raise
        self._threads.submit(self._run, owner, batch, lambda: self._take_in(owner, batch, upload))
        return batch.view

    def again(self, owner: str, project: str, job: str) -> BatchView:
        """Try the same pictures with another run."""
        batch = self._batch(owner, project)
        self._results.bundle(owner, job)  # raises for a stranger
        with self._lock:
            if not batch.view.is_busy:
                manifest = _manifest(batch)
                batch.stop.clear()
                batch.view = BatchView(state="waiting", total=len(manifest.images), job=job)
                self._threads.submit(self._run, owner, batch, lambda: manifest)
        return batch.view

    def view(self, owner: str, project: str) -> BatchView:
        """How far it is."""
        batch = self._batches.get(self._projects.get(owner, project).id)
        if batch is None:
            return BatchView()
        batch.seen_at = time.monotonic()
        if batch.view.state == "reading":
            return replace(batch.view, done=already_read(batch.folder / NOTES))
        return batch.view

    def stop(self, owner: str, project: str) -> None:
        """Answer no more of them; what was answered stays."""
        self._batch(owner, project).stop.set()

    def forget(self, owner: str, project: str) -> None:
        """Let go what was tried."""
        self._let_go(self._projects.get(owner, project).id)

    def tidy(self) -> int:
        """Let go what nobody has looked at for long; returns how many."""
        with self._lock:
            now = time.monotonic()
            old = [project for project, one in self._batches.items() if now - one.seen_at > UNSEEN_S]
        for project in old:
            self._let_go(project)
        return len(old)

    # Looking --------------------------------------------------------------------------

    def answers(self, owner: str, project: str) -> BatchAnswers:
        """Every picture that was answered.

        Raises:
            NotFound: nothing was tried, or it is not over.
        """
        return self._answers(self._batch(owner, project))

    def thumbnails(self, owner: str, project: str, sha256s: Iterable[str], px: int = 160) -> dict[str, bytes]:
        """sha256 -> a small JPEG, of those that were tried."""
        manifest, wanted = self.answers(owner, project).manifest, set(sha256s)
        chosen = {one.sha256: one for one in manifest.images if one.sha256 in wanted}
        return {sha256: thumbnail(manifest.path(one), px) for sha256, one in chosen.items()}

    def table(self, owner: str, project: str) -> Path:
        """What it said of each, as CSV: the table of `headswap predict --csv`."""
        batch = self._batch(owner, project)
        answers, target = self._answers(batch), batch.folder / "answers.csv"
        write_text(target, csv_of(answers.predictions, self._classes(owner, answers)))
        return target

    def sorted_zip(self, owner: str, project: str) -> Path:
        """The pictures in one folder for each class, as `headswap sort` lays them out."""
        batch = self._batch(owner, project)
        answers = self._answers(batch)
        said = [(one.said, answers.manifest.path(one.image)) for one in answers.tried]
        target = batch.folder / "sorted.zip"
        return pack_sorted(said, self._classes(owner, answers), target, least_sure=DOUBTFUL)

    # Naming ---------------------------------------------------------------------------

    def label(self, owner: str, project: str, sha256s: Iterable[str], name: str) -> Manifest:
        """Say what tried pictures are: they join the pictures of that class, and are learned from next time.

        Raises:
            NotFound: none of them was tried.
            BadSetting: the name cannot be a class.
        """
        tried, wanted = self.answers(owner, project).manifest, set(sha256s)
        chosen = {one.sha256: one for one in tried.images if one.sha256 in wanted}
        if not chosen:
            raise BadSetting("No picture was chosen.", remedy="Choose one or more, then say what they are.")
        return self._images.label(owner, project, replace(tried, images=tuple(chosen.values())), name)

    # ----------------------------------------------------------------------------------

    def _new(self, owner: str, project: str, job: str, upload: Path) -> _Batch:
        found = self._projects.get(owner, project)
        self._results.bundle(owner, job)  # raises for a stranger
        is_multi_label = self._results.report(owner, job).is_multi_label
        check_one_class("Trying many pictures at once", is_multi_label=is_multi_label)
        self._check_room(owner, upload)
        folder = self._projects.folder(found.id) / BATCH / secrets.token_hex(4)
        (folder / _IMAGES).mkdir(parents=True)
        self._let_go(found.id)
        with self._lock:
            batch = self._batches[found.id] = _Batch(folder=folder)
            batch.view = BatchView(state="waiting", job=job)
        return batch

    def _let_go(self, project: str) -> None:
        with self._lock:
            batch = self._batches.pop(project, None)
            if batch is None:
                return
            batch.is_gone = True
            batch.stop.set()
            is_busy = batch.view.is_busy
        if not is_busy:  # else its thread does, at its end
            discard(batch.folder)

    def _batch(self, owner: str, project: str) -> _Batch:
        batch = self._batches.get(self._projects.get(owner, project).id)
        if batch is None:
            raise _nothing_tried()
        return batch

    def _answers(self, batch: _Batch) -> BatchAnswers:
        if batch.view.state != "done":
            raise _nothing_tried()
        path = batch.folder / _ANSWERS
        return _read_answers(path, path.stat().st_mtime_ns)

    def _classes(self, owner: str, answers: BatchAnswers) -> tuple[str, ...]:
        return self._results.report(owner, answers.job).classes

    def _run(self, owner: str, batch: _Batch, images: Callable[[], Manifest]) -> None:
        """Runs in a thread; leaves answers, or the reason why there are none."""
        try:
            self._answer(owner, batch, images())
        except HeadswapError as error:
            batch.view = replace(batch.view, state="failed", problem=error.problem, remedy=error.remedy)
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("a batch was tried")
            problem = f"The program has a fault ({type(error).__name__})."
            remedy = "Try again; the server's log says more."
            batch.view = replace(batch.view, state="failed", problem=problem, remedy=remedy)
        finally:
            with self._lock:
                is_gone = batch.is_gone
            if is_gone:
                discard(batch.folder)

    def _take_in(self, owner: str, batch: _Batch, upload: Path) -> Manifest:
        """The pictures, kept; a reader that one of them takes down leaves it out by name."""
        batch.view = replace(batch.view, state="reading")
        store, dataset = batch.folder / _IMAGES, batch.folder / _DATASET
        question = ReadUpload(str(upload), str(store), str(dataset), upload.stem, is_sorted=False)
        try:
            came: Imported = from_json(Imported, self._read(to_json(question)))
        finally:
            self._uploads.taken(owner, upload)
        return came.manifest

    def _answer(self, owner: str, batch: _Batch, manifest: Manifest) -> None:
        images, job = manifest.images, batch.view.job
        batch.view = replace(batch.view, state="predicting", done=0, total=len(images))
        said: list[Prediction] = []
        for chunk in _chunks(images):
            if batch.stop.is_set():
                break
            found = self._results.predict(owner, job, tuple(manifest.path(image) for image in chunk))
            said += [replace(one, file=image.file) for one, image in zip(found, chunk, strict=True)]
            batch.view = replace(batch.view, done=len(said))
        answers = BatchAnswers(job=job, manifest=manifest, predictions=tuple(said))
        write_record(batch.folder / _ANSWERS, answers)
        batch.view = replace(batch.view, state="done", is_stopped=len(said) < len(images))


def _chunks(images: Sequence[ImageRecord]) -> Iterable[Sequence[ImageRecord]]:
    return (images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE))


def already_read(notes: Path) -> int:
    """How many files the reader has done with."""
    try:
        return sum(line.startswith(_READ) for line in notes.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:  # it has not begun, or is at its end
        return 0


@lru_cache(maxsize=4)
def _read_answers(path: Path, written_ns: int) -> BatchAnswers:
    """A page that looks through them asks again and again."""
    answers: BatchAnswers = read_record(BatchAnswers, path)
    return answers


def _manifest(batch: _Batch) -> Manifest:
    """The pictures that were read, whatever became of their answers."""
    if not (batch.folder / _DATASET).is_file():
        raise _nothing_tried()
    manifest: Manifest = read_record(Manifest, batch.folder / _DATASET)
    return manifest


def _nothing_tried() -> NotFound:
    return NotFound("These pictures are not kept any more.", remedy="Choose them again.")
