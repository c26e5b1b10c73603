"""Many pictures tried at once: read, answered in the background, looked through, named, taken home.

Flow:  zip --Batches.begin--> a thread: a confined reader keeps the pictures, the inference child answers them
           --view--> how far it is;  --answers--> every picture with its Prediction
       pictures that a person names --Batches.label--> Datasets.label: they are learned from next time

A batch counts towards its owner's disk (`headswap.app.service.batch_files` says what is kept). It goes when
another one is begun, when it is closed or not looked at for a day, and with its project. A server that is
started again goes on where the one before was killed: no picture is asked twice. Loads no torch; decodes
nothing but pictures that a reader has written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from headswap.app.processes.importing import NOTES, Imported, ReadUpload
from headswap.app.service.batch_files import (
    BatchFiles,
    BatchRecord,
    BatchView,
    left_batch,
    new_batch,
    nothing_tried,
    unseen_for_s,
    view_of,
)
from headswap.app.service.datasets import Datasets
from headswap.app.service.projects import Projects
from headswap.app.service.results import Results
from headswap.app.service.thumbnails import thumbnail
from headswap.app.service.uploads import Uploads
from headswap.bundle.format import read_dataset
from headswap.bundle.prediction import Prediction
from headswap.data.manifest import NO_LABEL, ImageRecord, Manifest
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.pipeline.kept_answers import KeptAnswers
from headswap.pipeline.many import csv_of, pack_sorted
from headswap.storage.files import discard, remove, write_text

DOUBTFUL = 0.7  # what it is less sure of is worth a look
AT_ONCE = 16  # pictures in one question: others get their turn between two
UNSEEN_S = 86_400.0  # a batch that no one looks at is let go
_READ = "-"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TriedImage:
    """One picture of a batch, and what a run said of it."""

    image: ImageRecord
    said: Prediction

    @property
    def names(self) -> tuple[str, ...]:
        """What it says: one class, or every label; of none, the word for it."""
        return (self.said.label,) if self.said.labels is None else self.said.labels or (NO_LABEL,)

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

    files: BatchFiles
    view: BatchView
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
        read: Callable[[ReadUpload], Imported],
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
        self._is_closing = threading.Event()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="batch")

    def close(self) -> None:
        """Stop all of them; the server ends, and the next one goes on with them."""
        self._is_closing.set()
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
        finally:
            self._uploads.taken(owner, upload)
        self._threads.submit(self._run, owner, batch)
        return batch.view

    def again(self, owner: str, project: str, job: str) -> BatchView:
        """Try the same pictures with another run."""
        return self._ask_again(owner, self._batch(owner, project), job)

    def resume(self, owner: str, project: str) -> BatchView:
        """Answer those that have no answer yet, after a stop or a fault."""
        batch = self._batch(owner, project)
        return self._ask_again(owner, batch, batch.view.job)

    def view(self, owner: str, project: str) -> BatchView:
        """How far it is."""
        batch = self._known(owner, project)
        if batch is None:
            return BatchView()
        batch.seen_at = time.monotonic()
        if batch.view.state == "reading":
            return replace(batch.view, done=already_read(batch.files.folder / NOTES))
        return batch.view

    def stop(self, owner: str, project: str) -> None:
        """Answer no more of them; what was answered stays."""
        self._batch(owner, project).stop.set()

    def forget(self, owner: str, project: str) -> None:
        """Let go what was tried."""
        self._known(owner, project)
        self._let_go(self._projects.get(owner, project).id)

    def tidy(self) -> int:
        """Let go what no one has looked at for long; returns how many."""
        with self._lock:
            now = time.monotonic()
            known = dict(self._batches)
        old = [project for project, one in known.items() if now - one.seen_at > UNSEEN_S]
        for project in old:
            self._let_go(project)
        others = [one.id for one in self._projects.all() if one.id not in known]
        left = [left_batch(self._projects.folder(project)) for project in others]
        stale = [files for files in left if files is not None and unseen_for_s(files) > UNSEEN_S]
        for files in stale:
            discard(files.folder)
        return len(old) + len(stale)

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
        answers, target = self._answers(batch), batch.files.folder / "answers.csv"
        write_text(target, csv_of(answers.predictions, *self._names(owner, answers)))
        return target

    def sorted_zip(self, owner: str, project: str) -> Path:
        """The pictures in one folder for each class, as `headswap sort` lays them out."""
        batch = self._batch(owner, project)
        answers = self._answers(batch)
        said = [(one.said, answers.manifest.path(one.image)) for one in answers.tried]
        target = batch.files.folder / "sorted.zip"
        return pack_sorted(said, *self._names(owner, answers), target, least_sure=DOUBTFUL)

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
        self._check_room(owner, upload)
        files, record = new_batch(self._projects.folder(found.id)), BatchRecord(job=job, name=upload.stem)
        try:
            files.take(upload)
            self.forget(owner, project)
            with self._lock:
                files.write(record)
                view = BatchView(state="waiting", job=job)
                batch = self._batches[found.id] = _Batch(files=files, view=view)
        except BaseException:
            discard(files.folder)
            raise
        return batch

    def _known(self, owner: str, project: str) -> _Batch | None:
        """The batch of a project; one that a server before has left goes on, one whose run is gone goes."""
        found = self._projects.get(owner, project).id
        with self._lock:
            batch = self._batches.get(found)
            if batch is None:
                files = None if self._is_closing.is_set() else left_batch(self._projects.folder(found))
                if files is None:
                    return None
                batch = self._batches[found] = _Batch(files=files, view=view_of(files))
                if batch.view.is_busy:
                    self._threads.submit(self._run, owner, batch)
        try:
            self._results.bundle(owner, batch.view.job)
        except NotFound:  # no one can say any more what its classes were
            self._let_go(found)
            return None
        return batch

    def _ask_again(self, owner: str, batch: _Batch, job: str) -> BatchView:
        self._results.bundle(owner, job)  # raises for a stranger
        with self._lock:
            if not batch.view.is_busy:
                manifest, record = batch.files.manifest, batch.files.record
                batch.files.write(replace(record, job=job))
                batch.stop.clear()
                batch.view = BatchView(state="waiting", total=len(manifest.images), job=job)
                self._threads.submit(self._run, owner, batch)
        return batch.view

    def _let_go(self, project: str) -> None:
        with self._lock:
            batch = self._batches.pop(project, None)
            if batch is None:
                return
            batch.is_gone = True
            batch.stop.set()
            is_busy = batch.view.is_busy
            batch.files.end()
        if not is_busy:  # else its thread does, at its end
            discard(batch.files.folder)

    def _batch(self, owner: str, project: str) -> _Batch:
        batch = self._known(owner, project)
        if batch is None:
            raise nothing_tried()
        return batch

    def _answers(self, batch: _Batch) -> BatchAnswers:
        saved = batch.files.saved if batch.view.state == "done" else None
        if saved is None:
            raise nothing_tried()
        return BatchAnswers(job=saved.job, manifest=batch.files.manifest, predictions=saved.predictions)

    def _names(self, owner: str, answers: BatchAnswers) -> tuple[tuple[str, ...], dict[str, str]]:
        """Its classes, and the files of the pictures that it was taught with by their sha256."""
        dataset = read_dataset(self._results.bundle(owner, answers.job))
        return self._results.report(owner, answers.job).classes, dataset.file_names

    def _run(self, owner: str, batch: _Batch) -> None:
        """Runs in a thread; leaves answers, or the reason why there are none."""
        try:
            self._answer(owner, batch, self._take_in(batch))
        except HeadswapError as error:
            self._fail(batch, error.problem, error.remedy)
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("a batch was tried")
            problem = f"The program has a fault ({type(error).__name__})."
            self._fail(batch, problem, "Try again; the server's log says more.")
        finally:
            with self._lock:
                is_gone = batch.is_gone
            if is_gone:
                discard(batch.files.folder)

    def _fail(self, batch: _Batch, problem: str, remedy: str) -> None:
        can_resume = batch.files.dataset.is_file()
        if not can_resume and not self._is_closing.is_set():  # what cannot be read is not read again
            batch.files.end()
        batch.view = replace(
            batch.view, state="failed", problem=problem, remedy=remedy, can_resume=can_resume
        )  # fmt: skip

    def _take_in(self, batch: _Batch) -> Manifest:
        """The pictures, kept; a reader that one of them takes down leaves it out by name."""
        files = batch.files
        if files.dataset.is_file():  # a server before has read them
            return files.manifest
        batch.view = replace(batch.view, state="reading")
        question = ReadUpload(
            str(files.upload), str(files.images), str(files.dataset), files.record.name, is_sorted=False
        )
        came = self._read(question)
        remove(files.upload)
        return came.manifest

    def _answer(self, owner: str, batch: _Batch, manifest: Manifest) -> None:
        images, job = manifest.images, batch.view.job
        batch.view = replace(batch.view, state="predicting", done=0, total=len(images))
        kept = KeptAnswers(batch.files.kept, job)
        said: list[Prediction] = []
        for chunk in _chunks(images):
            if batch.stop.is_set():
                break
            said += self._say(owner, job, manifest, chunk, kept)
            batch.view = replace(batch.view, done=len(said))
        if self._is_closing.is_set():  # the next server goes on
            return
        is_whole = len(said) == len(images)
        batch.files.save(job, said, is_whole=is_whole)
        batch.view = replace(batch.view, state="done", is_stopped=not is_whole, can_resume=not is_whole)

    def _say(
        self, owner: str, job: str, manifest: Manifest, images: Sequence[ImageRecord], kept: KeptAnswers
    ) -> list[Prediction]:
        """What a run says of some pictures; what it has said before is not asked again."""
        before = {one.sha256: kept.find(one.sha256, manifest.path(one)) for one in images}
        known = {sha256: said for sha256, said in before.items() if isinstance(said, Prediction)}
        unknown = [one for one in images if one.sha256 not in known]
        paths = tuple(map(manifest.path, unknown))
        fresh = self._results.predict(owner, job, paths) if paths else ()
        for image, path, said in zip(unknown, paths, fresh, strict=True):
            kept.keep(image.sha256, path, said)
            known[image.sha256] = said
        return [replace(known[one.sha256], file=one.file) for one in images]


def _chunks(images: Sequence[ImageRecord]) -> Iterable[Sequence[ImageRecord]]:
    return (images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE))


def already_read(notes: Path) -> int:
    """How many files the reader has done with."""
    try:
        return sum(line.startswith(_READ) for line in notes.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:  # it has not begun, or is at its end
        return 0
