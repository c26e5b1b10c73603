"""The pictures of a project: what comes, what is corrected, and the way back.

Flow:  project + an edit --Datasets--> the next dataset.json; the one before stays for Undo

    projects/ID/images/                every picture that ever came, by hash: none is decoded twice
    projects/ID/data-N/dataset.json    one state of the whole set, never written to again
    projects/ID/changes.json           what was done, newest last, and which data-N was in use before

A run keeps the dataset it was started with, so correcting pictures never disturbs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

from headswap.app.processes.importing import Imported, ReadUpload
from headswap.app.service.projects import Project, Projects
from headswap.app.service.thumbnails import find_image, thumbnail
from headswap.counted import counted
from headswap.data import edit
from headswap.data.decode import shown_name
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, NotFound, TooMuch
from headswap.storage.files import copy, discard, make_folder
from headswap.storage.records import read_record, write_record

MOST_CHANGES = 30  # that can be undone
LONGEST_NAME = 80  # letters of a data set's name
PATIENCE_S = 600.0  # of an upload, while another one of the same project is read
NEW_PROJECT = "New project"
IsWanted = Callable[[Project, Path], bool]
_CHANGES, _DATASET, _IMAGES = "changes.json", "dataset.json", "images"


@dataclass(frozen=True, kw_only=True)
class DatasetEdit:
    """One thing that was done to the pictures of a project."""

    sentence: str  # what was done, for people
    before: str | None  # name of the data folder that was in use


@dataclass(frozen=True, kw_only=True)
class EditHistory:
    """All that can be undone, newest last."""

    changes: tuple[DatasetEdit, ...] = ()


class Datasets:
    """The verbs on the pictures of a project; every one of them asks whose project it is."""

    def __init__(
        self,
        projects: Projects,
        ask: Callable[[ReadUpload], Imported],
        *,
        sample: Path,
        is_wanted: IsWanted,
        came: Callable[[], None],
        check_room: Callable[[str, Path], None],
        most_images: int = 0,
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            ask: takes an `ReadUpload` in a process of its own, and gives an `Imported`; both as JSON.
            sample: the folder that "the sample set" means.
            is_wanted: whether a run of a project may still read a dataset.json.
            check_room: raises when an owner has no room for an upload.
            came: told when pictures have come: someone will soon teach.
            most_images: in one project; 0: any number.
        """
        self._locks: dict[str, Lock] = {}  # project -> whose change it is
        self._projects, self._ask, self._sample = projects, ask, sample
        self._is_wanted, self._came, self._check_room = is_wanted, came, check_room
        self._most_images = most_images

    # Coming ---------------------------------------------------------------------------

    def add(self, owner: str, project: str, upload: Path) -> Manifest:
        """Take in a zip or folder, in addition to the pictures that are there."""
        with self._alone(owner, project, PATIENCE_S) as found:
            return self._import(found, upload, upload.stem, self._projects.dataset(found))

    def replace_all(self, owner: str, project: str, upload: Path) -> Manifest:
        """Take in a zip or folder in the place of what was there."""
        with self._alone(owner, project, PATIENCE_S) as found:
            return self._import(found, upload, upload.stem, None)

    def use_sample(self, owner: str, project: str) -> Manifest:
        """Take in the sample set, in the place of what was there."""
        with self._alone(owner, project, PATIENCE_S) as found:
            return self._import(found, self._sample, "Four kinds of drawings", None)

    # Corrections --------------------------------------------------------------------------

    def rename_class(self, owner: str, project: str, name: str, new: str) -> Manifest:
        """Call a class something else."""
        sentence = f"{shown_name(name)} is now called {shown_name(new.strip())}."
        return self._change(owner, project, sentence, lambda there: edit.rename_class(there, name, new))

    def merge_classes(self, owner: str, project: str, name: str, into: str) -> Manifest:
        """Put the pictures of one class into another."""
        sentence = f"The pictures of {shown_name(name)} are now in {shown_name(into)}."
        return self._change(owner, project, sentence, lambda there: edit.merge_classes(there, name, into))

    def drop_class(self, owner: str, project: str, name: str) -> Manifest:
        """Leave a class out."""
        sentence = f"{shown_name(name)} was left out."
        return self._change(owner, project, sentence, lambda there: edit.drop_class(there, name))

    def relabel(self, owner: str, project: str, files: tuple[str, ...], name: str) -> Manifest:
        """Say of what class pictures are."""
        sentence = f"{_many(files)} now in {shown_name(name.strip())}."
        return self._change(owner, project, sentence, lambda there: edit.relabel(there, files, name))

    def label(self, owner: str, project: str, tried: Manifest, name: str) -> Manifest:
        """Add tried pictures to those of a class; one that is there already gets that class.

        Args:
            owner, project: whose pictures change.
            tried: kept in a store of their own; they are copied.
            name: of a class, a known one or a new one.

        Raises:
            BadSetting: the name cannot be one.
            TooMuch: there would be too many.
        """
        count = len(tried.images)
        they_are = "it is" if count == 1 else "they are"
        sentence = f"{counted(count, 'picture')} named: {they_are} {shown_name(name.strip())}."

        def change(there: Manifest) -> Manifest:
            named = edit.label_images(there, tried.images, name)
            self._check_count(named)
            for image in tried.images:
                if not there.path(image).exists():
                    self._check_room(owner, tried.path(image))
                    copy(tried.path(image), there.path(image))
            return named

        return self._change(owner, project, sentence, change)

    def take_labelled(self, owner: str, project: str, labelled: Manifest, left: int = 0) -> Manifest:
        """Add pictures that a person has named to those that are there; the first ones, too.

        Args:
            owner, project: whose pictures change.
            labelled: kept in a store of their own; they are copied.
            left: how many of the others have no name, to be told.
        """
        rest = (
            f" {counted(left, 'picture')} without a name {'is' if left == 1 else 'are'} in no class."
            if left
            else ""
        )
        named = len(labelled.images)
        names = "its name" if named == 1 else "their names"
        sentence = f"{counted(named, 'picture')} taken over with {names}.{rest}"
        with self._alone(owner, project, PATIENCE_S) as found:
            path, store = self._projects.dataset(found), self._projects.folder(found.id) / _IMAGES
            empty = Manifest(name=labelled.name, root=str(store), classes=(), images=())
            there = _manifest(path) if path else empty
            manifest = edit.take_labelled(there, labelled.images)
            self._check_count(manifest)
            make_folder(Path(there.root))
            for image in labelled.images:
                if not there.path(image).exists():
                    self._check_room(owner, labelled.path(image))
                    copy(labelled.path(image), there.path(image))
            folder = self._projects.new_data_folder(found)
            write_record(folder / _DATASET, manifest)
            if path is None and found.name == NEW_PROJECT:
                found = replace(found, name=labelled.name[:LONGEST_NAME])
            self._use(found, folder.name, sentence)
            self._came()
            return manifest

    def drop(self, owner: str, project: str, files: tuple[str, ...]) -> Manifest:
        """Leave pictures out."""
        sentence = f"{_many(files)} left out."
        return self._change(owner, project, sentence, lambda there: edit.drop_images(there, files))

    def mend(self, owner: str, project: str, code: str) -> Manifest:
        """Leave out the pictures that a finding can spare."""
        manifest = self.manifest(owner, project)
        spare = [f.spare for f in manifest.findings if f.code == code and f.spare] if manifest else []
        if not spare:
            raise NotFound("This finding is already settled.", remedy="Load the page again.")
        return self.drop(owner, project, spare[0])

    def start_over(self, owner: str, project: str) -> None:
        """Begin again with no pictures; this, too, can be undone."""
        with self._alone(owner, project) as found:
            if found.data:
                self._use(found, None, "All pictures were taken out.")

    # The way back ---------------------------------------------------------------------

    def last_change(self, owner: str, project: str) -> DatasetEdit | None:
        """What Undo would take back, if anything."""
        changes = self._changes(self._projects.get(owner, project))
        return changes[-1] if changes else None

    def undo(self, owner: str, project: str) -> DatasetEdit:
        """Take the last change back, and say which it was.

        Raises:
            BadSetting: nothing was changed.
        """
        with self._alone(owner, project) as found:
            changes = self._changes(found)
            if not changes:
                raise BadSetting("There is nothing to undo.", remedy="The pictures are as they came.")
            self._projects.save(replace(found, data=changes[-1].before))
            self._keep(found, changes[:-1])
            return changes[-1]

    # Looking --------------------------------------------------------------------------

    def manifest(self, owner: str, project: str) -> Manifest | None:
        """The pictures of a project, if there are any."""
        path = self._projects.dataset(self._projects.get(owner, project))
        return _manifest(path) if path else None

    def for_teaching(self, owner: str, project: str) -> Path:
        """The dataset.json that a run begun now is taught on.

        Raises:
            BadSetting: there are no pictures, or of one class only.
        """
        path = self._projects.dataset(self._projects.get(owner, project))
        if path is None:
            raise BadSetting("There are no pictures yet.", remedy="Add some, or use the sample set.")
        if len(_manifest(path).classes) < 2:
            only = shown_name(_manifest(path).classes[0])
            raise BadSetting(f"So far there is only {only}.", remedy="Add pictures of a second class.")
        return path

    def thumbnail(self, owner: str, project: str, sha256: str, px: int = 96) -> bytes:
        """A small JPEG of a picture that is or once was in a project: a finished run still shows its own.

        Raises:
            NotFound: none of that hash ever came.
        """
        folder = self._projects.folder(self._projects.get(owner, project).id)
        stores = (folder / _IMAGES, *folder.glob(f"data-*/{_IMAGES}"))
        if (path := find_image(stores, sha256)) is not None:
            return thumbnail(path, px)
        raise NotFound("There is no such picture in this project.", remedy="Load the page again.")

    # ----------------------------------------------------------------------------------

    @contextmanager
    def _alone(self, owner: str, project: str, patience_s: float = 2.0) -> Iterator[Project]:
        """One change at a time in each project: what is read, changed and saved is never another's.

        Raises:
            BadSetting: an upload is still being read.
        """
        lock = self._locks.setdefault(self._projects.get(owner, project).id, Lock())
        if not lock.acquire(timeout=patience_s):
            raise BadSetting("Pictures are still being read.", remedy="Try again when they are here.")
        try:
            yield self._projects.get(owner, project)
        finally:
            lock.release()

    def _import(self, project: Project, source: Path, name: str, before: Path | None) -> Manifest:
        self._check_room(project.owner, source)
        folder, name = self._projects.new_data_folder(project), name[:LONGEST_NAME]
        there = _manifest(before) if before else None
        question = ReadUpload(
            source=str(source),
            store=there.root if there else str(self._projects.folder(project.id) / _IMAGES),
            dataset=str(folder / _DATASET),
            name=name,
            before=str(before or ""),
        )
        try:
            done = self._ask(question)
        except BaseException:
            discard(folder)
            raise
        if there is None and project.name == NEW_PROJECT:
            project = replace(project, name=name)
        self._use(project, folder.name, _arrival(done, were_some=there is not None))
        self._came()
        return done.manifest

    def _change(
        self, owner: str, project: str, sentence: str, change: Callable[[Manifest], Manifest]
    ) -> Manifest:
        with self._alone(owner, project) as found:
            path = self._projects.dataset(found)
            if path is None:
                raise NotFound("There are no pictures any more.", remedy="Load the page again.")
            manifest = change(_manifest(path))
            folder = self._projects.new_data_folder(found)
            write_record(folder / _DATASET, manifest)
            self._use(found, folder.name, sentence)
            return manifest

    def _check_count(self, manifest: Manifest) -> None:
        """Pictures that were named in the page count like those of an upload."""
        if 0 < self._most_images < len(manifest.images):
            raise TooMuch(
                f"Together these are {len(manifest.images):,} pictures; {self._most_images:,} are allowed "
                "here.",
                remedy="Name fewer, or leave some of the others out first.",
            )

    def _use(self, project: Project, data: str | None, sentence: str) -> None:
        """Write the Undo first: after a crash in between, it leads to the dataset that is still in use."""
        changes = self._changes(project)
        if project.data:
            changes = (*changes, DatasetEdit(sentence=sentence, before=project.data))
        self._keep(project, changes[-MOST_CHANGES:])
        self._projects.save(replace(project, data=data))
        for old in changes[:-MOST_CHANGES]:
            self._forget(project, old.before)

    def _changes(self, project: Project) -> tuple[DatasetEdit, ...]:
        path = self._projects.folder(project.id) / _CHANGES
        if not path.is_file():
            return ()
        kept: EditHistory = read_record(EditHistory, path)
        return kept.changes

    def _keep(self, project: Project, changes: tuple[DatasetEdit, ...]) -> None:
        write_record(self._projects.folder(project.id) / _CHANGES, EditHistory(changes=changes))

    def _forget(self, project: Project, data: str | None) -> None:
        """Let a dataset go that no Undo and no run leads back to; pictures themselves stay."""
        folder = self._projects.folder(project.id) / data if data else None
        if folder and not (folder / _IMAGES).exists() and not self._is_wanted(project, folder / _DATASET):
            discard(folder)


def _many(files: tuple[str, ...]) -> str:
    if len(files) == 1:
        return f"{shown_name(files[0])} is"
    return f"{len(files):,} pictures are"


def _arrival(done: Imported, *, were_some: bool) -> str:
    if not were_some:
        return f"{counted(done.added, 'picture')} took the place of those before."
    if not done.added:
        return "Nothing was added: every picture was there already."
    known = done.came - done.added
    again = f"; {known} {'was' if known == 1 else 'were'} there already" if known > 0 else ""
    return f"{counted(done.added, 'picture')} added{again}."


@lru_cache(maxsize=32)
def _manifest(path: Path) -> Manifest:
    """A dataset.json is never written to again, so what was read once stays true."""
    manifest: Manifest = read_record(Manifest, path)
    return manifest
