"""Pictures that no one has sorted: grouped by similarity, named by a person, and then like any others.

Flow:  zip --Labelling.begin--> a thread: a confined reader keeps the pictures, the inference child sees them
           --view--> how far it is; then what to ask: one picture, and groups that look alike
       a name, for one or many --name--> after ten answers a head is solved, and what to ask is chosen again
       --finish--> the named ones are the project's pictures; the others stay here

    projects/ID/unlabelled-N/     pictures by hash, dataset.json, likeness.safetensors, labels.json: answers

Every answer is on the disk before the next question: a page loaded again and a server started again go on, in
the middle of a pass too. Loads no torch; decodes nothing but pictures that a reader has written.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.app.processes.importing import NOTES, Imported, ReadUpload
from headswap.app.processes.inference import AskAdvice, EmbedUnlabelled
from headswap.app.processes.messages import Ask
from headswap.app.service.batches import already_read
from headswap.app.service.datasets import Datasets
from headswap.app.service.labels import LabelProgress, LabelState, LabelStep, next_of, rest_of, spelled
from headswap.app.service.projects import Project, Projects
from headswap.app.service.thumbnails import thumbnail
from headswap.app.service.uploads import Uploads
from headswap.data.manifest import Manifest, check_one_class
from headswap.errors import BadSetting, HeadswapError, NotFound, NotSorted
from headswap.pipeline.unlabeled import RECORD, digest_of
from headswap.storage.files import discard, is_discarded, make_folder
from headswap.storage.records import read_record, write_record
from headswap.training.label_advice import LabelAdvice

HELP, REPLACE = "help", "replace"  # words of `picker.js`
AT_ONCE = 16  # pictures in one question: others get their turn between two
FOLDER, _DATASET, _IMAGES, _LABELS = "unlabelled-", "dataset.json", "images", "labels.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabelView:
    """Where labelling stands, for a page that may have been reloaded."""

    state: Literal["none", "waiting", "reading", "looking", "grouping", "ready", "failed"] = "none"
    done: int = 0  # pictures read, or looked at
    total: int = 0  # pictures to look at; 0: not known yet
    problem: str = ""  # when failed
    remedy: str = ""
    progress: LabelProgress | None = None  # when ready

    @property
    def is_busy(self) -> bool:
        return self.state in ("waiting", "reading", "looking", "grouping")


@dataclass(kw_only=True)
class _Pass:
    """One pass over the pictures; changed by its thread, read by everyone."""

    folder: Path
    view: LabelView = field(default_factory=lambda: LabelView(state="waiting"))
    stop: threading.Event = field(default_factory=threading.Event)


class Labelling:
    """The pictures that wait for a name, of all projects."""

    def __init__(
        self,
        projects: Projects,
        images: Datasets,
        uploads: Uploads,
        read: Callable[[ReadUpload], Imported],
        ask: Ask,
        *,
        check_room: Callable[[str, Path], None],
        check_fetch: Callable[[str], None],
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            images: of projects; they take what has got a name.
            uploads: told when a zip has been read.
            read: takes a `ReadUpload` in a process of its own, and gives an `Imported`; both as JSON.
            ask: takes a question to the inference process, as JSON.
            check_room: raises when an owner has no room for an upload.
            check_fetch: raises when the weights of a network may not be fetched.
        """
        self._projects, self._images, self._uploads = projects, images, uploads
        self._read, self._ask = read, ask
        self._check_room, self._check_fetch = check_room, check_fetch
        self._lock = threading.Lock()  # of what follows
        self._passes: dict[str, _Pass] = {}  # by project
        self._leaving: set[Path] = set()  # folders whose thread has not ended yet
        self._locks = defaultdict[str, threading.Lock](threading.Lock)  # project -> whose answer is written
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="labelling")

    def close(self) -> None:
        """Stop all passes; the server ends, and the next one goes on with them."""
        with self._lock:
            for one in self._passes.values():
                one.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Coming ---------------------------------------------------------------------------

    def bring(self, owner: str, project: str, upload: Path, how: str = "") -> None:
        """Take in an upload of the page; one that says no classes waits here for its names.

        Args:
            owner, project: whose pictures come.
            upload: a zip.
            how: "replace": in the place of what is there; "help": no one has sorted them; else in addition to
                it.
        """
        if how == HELP:
            self.begin(owner, project, upload)
            return
        try:
            take = self._images.replace_all if how == REPLACE else self._images.add
            take(owner, project, upload)
        except NotSorted:
            self.begin(owner, project, upload)
            return
        except BaseException:  # refused: no one asks for it again
            self._uploads.taken(owner, upload)
            raise
        self._uploads.taken(owner, upload)

    def begin(self, owner: str, project: str, upload: Path) -> LabelView:
        """Take in pictures that no one has sorted, and look which are alike.

        Raises:
            NotFound: there is no such project.
            BadSetting: others wait for a name there, or its pictures may have several labels.
            WeightsNotHere: the network of the project may not be fetched.
            TooMuch, DiskFull: there is no room for them.
        """
        try:
            found = self._projects.get(owner, project)
            if self.view(owner, project).state not in ("none", "failed"):
                raise BadSetting(
                    "Other pictures wait for their names.", remedy="Take those over, or put them away first."
                )
            there = self._images.manifest(owner, project)
            check_one_class("Label with help", is_multi_label=bool(there and there.is_multi_label))
            self._check_room(owner, upload)
            if found.weights is None:
                self._check_fetch(found.model)
            self.forget(owner, project)
            folder = self._projects.folder(found.id) / f"{FOLDER}{secrets.token_hex(4)}"
            make_folder(folder / _IMAGES)
        except BaseException:
            self._uploads.taken(owner, upload)
            raise
        return self._start(found, folder, upload)

    def view(self, owner: str, project: str) -> LabelView:
        """Where it stands; a pass that a stopped server has left goes on."""
        found = self._projects.get(owner, project)
        running = self._passes.get(found.id)
        if running is not None:
            view, reading = running.view, running.view.state == "reading"
            return replace(view, done=already_read(running.folder / NOTES)) if reading else view
        folder = self.folder_of(found)
        if folder is None:
            return LabelView()
        if state_of(folder).advised_at < 0:
            try:  # what was opened here may be of a network that is not
                if found.weights is None:
                    self._check_fetch(found.model)
            except HeadswapError as error:
                return LabelView(state="failed", problem=error.problem, remedy=error.remedy)
            return self._start(found, folder, None)
        return LabelView(state="ready", progress=_progress(folder))

    def forget(self, owner: str, project: str) -> None:
        """Put them away, with all answers; what was taken over stays with the project."""
        found = self._projects.get(owner, project)
        with self._lock:
            running = self._passes.pop(found.id, None)
            if running is not None and running.view.is_busy:
                running.stop.set()
                self._leaving.add(running.folder)
        with self._locks[found.id]:  # a teaching that begins has noted what it learns from, or finds nothing
            for folder in self._folders(found):
                discard(folder)

    # Naming ---------------------------------------------------------------------------

    def name(self, owner: str, project: str, sha256s: Iterable[str], name: str) -> LabelView:
        """Say what pictures are.

        Raises:
            NotFound: no pictures wait there.
            BadSetting: none of these is among them, or the name cannot be a class.
        """
        return self._answer(owner, project, tuple(sha256s), name)

    def skip(self, owner: str, project: str, sha256: str) -> LabelView:
        """Say that no one can tell: it is asked last, and stays without a name."""
        return self._answer(owner, project, (sha256,), None)

    def undo(self, owner: str, project: str) -> LabelView:
        """Take the last answer back.

        Raises:
            BadSetting: there is none.
        """
        with self._alone(owner, project) as folder:
            state = state_of(folder)
            if not state.steps:
                raise BadSetting("There is nothing to undo.", remedy="Name a picture or a group first.")
            state = replace(state, steps=state.steps[:-1], taken=min(state.taken, len(state.steps) - 1))
            if state.advised_at > len(state.steps):
                state = self._advised(folder, state)
            write_record(folder / _LABELS, state)
        return self.view(owner, project)

    def finish(self, owner: str, project: str) -> Manifest:
        """Add the named pictures to those of the project; the others stay here.

        Raises:
            NotFound: no pictures wait there.
            BadSetting: none of them has a name.
        """
        with self._alone(owner, project) as folder:
            state, manifest = state_of(folder), _manifest(folder)
            labels = state.labels
            named = tuple(
                replace(one, class_name=labels[one.sha256]) for one in manifest.images if one.sha256 in labels
            )
            if not named:
                raise BadSetting("No picture has a name yet.", remedy="Name a group or a picture first.")
            taken = self._images.take_labelled(
                owner, project, replace(manifest, images=named), left=len(manifest.images) - len(named)
            )
            write_record(folder / _LABELS, replace(state, taken=len(state.steps)))
        return taken

    def use_rest(self, owner: str, project: str, used: bool) -> LabelView:
        """Say whether runs also learn from guesses for what has no name."""
        with self._alone(owner, project) as folder:
            write_record(folder / _LABELS, replace(state_of(folder), uses_rest=used))
        return self.view(owner, project)

    def rest(self, owner: str, project: str) -> Path | None:
        """A record of what has no name, for a run to learn from; None: there is nothing."""
        found = self._projects.get(owner, project)
        with self._locks[found.id]:
            if (folder := self.folder_of(found)) and (rest := rest_of(_progress(folder))):
                write_record(record := folder / f"{RECORD}{digest_of(rest)[:16]}.json", rest)
                return record  # a run that waits keeps its own
        return None

    def thumbnails(self, owner: str, project: str, sha256s: Iterable[str], px: int = 160) -> dict[str, bytes]:
        """sha256 -> a small JPEG, of those that wait there."""
        manifest, wanted = _manifest(self._ready(self._projects.get(owner, project))), set(sha256s)
        chosen = {one.sha256: one for one in manifest.images if one.sha256 in wanted}
        return {sha256: thumbnail(manifest.path(one), px) for sha256, one in chosen.items()}

    # ----------------------------------------------------------------------------------

    def folder_of(self, project: Project) -> Path | None:
        """The folder of pictures that were read; one cut off goes, one of a replaced set waits for Undo."""
        found = None
        for folder in self._folders(project):
            if (folder / _DATASET).is_file():
                found = folder
            elif project.id not in self._passes:
                discard(folder)
        there = self._images.manifest(project.owner, project.id)
        return None if found and _progress(found).is_replaced(there) else found

    def _folders(self, project: Project) -> list[Path]:
        """Those that no one has put away."""
        every = self._projects.folder(project.id).glob(f"{FOLDER}*")
        return sorted(folder for folder in every if folder not in self._leaving and not is_discarded(folder))

    def _ready(self, project: Project) -> Path:
        folder = None if project.id in self._passes else self.folder_of(project)
        if folder is None or state_of(folder).advised_at < 0:
            raise NotFound("No pictures wait for a name here.", remedy="Choose some first.")
        return folder

    @contextmanager
    def _alone(self, owner: str, project: str) -> Iterator[Path]:
        """One answer at a time in each project."""
        with self._locks[(found := self._projects.get(owner, project)).id]:
            yield self._ready(found)

    def _answer(self, owner: str, project: str, sha256s: tuple[str, ...], name: str | None) -> LabelView:
        with self._alone(owner, project) as folder:
            state = state_of(folder)
            known = {one.sha256 for one in _manifest(folder).images}
            chosen = tuple(dict.fromkeys(one for one in sha256s if one in known))
            if not chosen:
                raise BadSetting("No picture was chosen.", remedy="Choose some, then say what they are.")
            known_as = None if name is None else spelled(state.classes, name)
            step = LabelStep(sha256s=chosen, name=known_as)
            if state.steps[-1:] == (step,):  # a button was pressed twice
                return self.view(owner, project)
            state = replace(state, steps=(*state.steps, step))
            if state.needs_advice:
                state = self._advised(folder, state)
            write_record(folder / _LABELS, state)
        return self.view(owner, project)

    def _advised(self, folder: Path, state: LabelState) -> LabelState:
        """With what to ask next, of a head that is solved on all answers."""
        rows = _manifest(folder).images
        labels, classes, skipped = state.labels, state.classes, state.skipped
        numbers = tuple(classes.index(labels[one.sha256]) if one.sha256 in labels else -1 for one in rows)
        late = tuple(row for row, one in enumerate(rows) if one.sha256 in skipped)
        advice = self._ask(AskAdvice(str(folder / _DATASET), numbers, late), LabelAdvice)
        return next_of(state, advice, tuple(one.sha256 for one in rows))

    def _start(self, project: Project, folder: Path, upload: Path | None) -> LabelView:
        with self._lock:
            if project.id not in self._passes:
                one = self._passes[project.id] = _Pass(folder=folder)
                self._threads.submit(self._run, project, one, upload)
            return self._passes[project.id].view

    def _run(self, project: Project, one: _Pass, upload: Path | None) -> None:
        """Runs in a thread; leaves pictures with a first advice, or the reason why there is none."""
        try:
            if upload is not None:
                self._take_in(project, one, upload)
            self._embed(project, one)
        except HeadswapError as error:
            one.view = replace(one.view, state="failed", problem=error.problem, remedy=error.remedy)
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("pictures were looked at, to be named")
            problem = f"The program has a fault ({type(error).__name__})."
            remedy = "Try again; the server's log says more."
            one.view = replace(one.view, state="failed", problem=problem, remedy=remedy)
        with self._lock:
            is_gone = one.folder in self._leaving
            if not is_gone and one.view.state == "ready":
                del self._passes[project.id]
        if is_gone:
            discard(one.folder)
            self._leaving.discard(one.folder)

    def _take_in(self, project: Project, one: _Pass, upload: Path) -> None:
        one.view = replace(one.view, state="reading")
        store, dataset = one.folder / _IMAGES, one.folder / _DATASET
        question = ReadUpload(str(upload), str(store), str(dataset), upload.stem, is_sorted=False)
        try:
            self._read(question)  # a reader that one picture takes down leaves it out by name
        finally:
            self._uploads.taken(project.owner, upload)

    def _embed(self, project: Project, one: _Pass) -> None:
        total, dataset = len(_manifest(one.folder).images), str(one.folder / _DATASET)
        weights = self._projects.weights(project)
        backbone = project.model, project.head_path, str(weights) if weights else None

        def embed(start: int, count: int) -> None:
            self._ask(EmbedUnlabelled(dataset, start, count, *backbone), type(None))

        for start in range(0, total, AT_ONCE):
            if one.stop.is_set():
                return
            one.view = replace(one.view, state="looking", done=start, total=total)
            embed(start, AT_ONCE)
        one.view = replace(one.view, state="grouping", done=total)
        embed(0, 0)
        write_record(one.folder / _LABELS, self._advised(one.folder, state_of(one.folder)))
        one.view = replace(one.view, state="ready")


def state_of(folder: Path) -> LabelState:
    """All answers, and what to ask where the pictures are grouped."""
    path = folder / _LABELS
    return read_record(LabelState, path) if path.is_file() else LabelState()


def _progress(folder: Path) -> LabelProgress:
    return LabelProgress(manifest=_manifest(folder), state=state_of(folder))


@lru_cache(maxsize=8)
def _manifest(folder: Path) -> Manifest:
    """Never written to again."""
    manifest: Manifest = read_record(Manifest, folder / _DATASET)
    return manifest
