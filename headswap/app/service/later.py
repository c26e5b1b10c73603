"""Other classes for a network whose pictures are gone: a change makes another run of the same project.

Flow:  ClassChanges + zip of new pictures --LaterClasses.change--> a confined reader keeps the pictures
           --> the inference process solves the head again (`headswap.pipeline.edit`) --> a run that is done

The run of before stays, and can be brought back. Loads no torch; decodes nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.app.jobs.job import new_job_id
from headswap.app.jobs.store import Store
from headswap.app.processes.importing import Imported, ReadUpload
from headswap.app.processes.inference import AskEdit, EditSummary
from headswap.app.processes.messages import Ask
from headswap.app.service.projects import Projects
from headswap.app.service.results import Results
from headswap.app.service.uploads import Uploads
from headswap.data.decode import shown_name
from headswap.data.edit import valid_name
from headswap.data.layout import class_key
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting
from headswap.storage.files import discard, link, make_folder, write_text

_BUNDLE = "bundle"


@dataclass(frozen=True, kw_only=True)
class LaterChange:
    """What a change gave."""

    job: str  # the new run
    changes: tuple[str, ...]  # what was done, in words
    left_out: tuple[str, ...]  # files that were not used, each with its reason
    seconds: float


class LaterClasses:
    """Changes the classes of finished runs of one installation."""

    def __init__(
        self,
        projects: Projects,
        store: Store,
        results: Results,
        uploads: Uploads,
        read: Callable[[ReadUpload], Imported],
        ask: Ask,
        *,
        check_room: Callable[[str, Path | None], None],
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            store: where runs are kept.
            results: of runs.
            uploads: told when a zip has been read.
            read: reads an upload in a process of its own.
            ask: takes a question to the inference process.
            check_room: raises when an owner has no room for an upload, or for a run, which brings nothing.
        """
        self._projects, self._store, self._results, self._uploads = projects, store, results, uploads
        self._read, self._ask, self._check_room = read, ask, check_room

    def add_class(self, owner: str, job: str, upload: Path, *, absent: bool = False) -> LaterChange:
        """Add the pictures of a zip with one folder for each class, new ones or those that are there.

        Args:
            owner, job: whose run.
            upload: the zip; where a picture may have several labels, it may have a table of them.
            absent: whether no old picture has the labels that are new.

        Raises:
            NotFound: there is no such run.
            BadSetting: the bundle keeps no features.
            BadUpload, TooFewImages: of the pictures.
        """
        try:
            self._results.bundle(owner, job)
            self._check_room(owner, upload)
            return self._change(owner, job, upload=upload, absent=absent)
        finally:
            self._uploads.taken(owner, upload)

    def remove_class(self, owner: str, job: str, name: str) -> LaterChange:
        """Answer a class no longer."""
        self._check(owner, job, name)
        return self._change(owner, job, remove=(name,))

    def call_class(self, owner: str, job: str, name: str, new: str) -> LaterChange:
        """Give a class another name; with the name of another class, the two are put together."""
        self._check(owner, job, name)
        new = valid_name(" ".join(new.split()))
        others = {one.casefold(): one for one in self._results.report(owner, job).classes if one != name}
        if (into := others.get(new.casefold())) is not None:
            return self._change(owner, job, merge={into: (name, into)})
        return self._change(owner, job, rename={name: new})

    # ----------------------------------------------------------------------------------

    def _check(self, owner: str, job: str, name: str) -> None:
        """Check the class here, before a process has to load the network."""
        classes = self._results.report(owner, job).classes
        if name not in classes:
            raise BadSetting(
                f"There is no class {shown_name(name)}.", remedy=f"Choose from {', '.join(classes)}."
            )

    def _change(
        self,
        owner: str,
        job: str,
        *,
        upload: Path | None = None,
        absent: bool = False,
        remove: Sequence[str] = (),
        merge: Mapping[str, Sequence[str]] | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> LaterChange:
        bundle, before = self._results.bundle(owner, job), self._store.get(job, owner=owner)
        found = self._projects.get(owner, before.project)
        self._check_room(owner, None)
        new, draft = new_job_id(), self._projects.folder(found.id) / f"later.draft-{secrets.token_hex(4)}"
        home = self._store.folder(new)
        try:
            came = self._came(draft, upload) if upload is not None else None
            added = str(_lay_out(came, draft / "classes")) if came is not None else ""
            known = set(map(class_key, self._results.report(owner, job).classes))
            new_names = [name for name in (came.classes if came else ()) if class_key(name) not in known]
            question = AskEdit(
                bundle=str(bundle), out=str(home / _BUNDLE), add=added, remove=tuple(remove),
                merge={into: tuple(names) for into, names in (merge or {}).items()},
                rename=dict(rename or {}), workspace=str(self._store.path.parent),
                absent=tuple(new_names) if absent else (),
            )  # fmt: skip
            done = self._ask(question, EditSummary)
            self._store.adopt(owner, found.id, before.experiment_json, new, _BUNDLE, time.time())
        except BaseException:
            discard(home)
            raise
        finally:
            discard(draft)
        self._projects.save(replace(found, shown=new))
        return LaterChange(job=new, changes=done.changes, left_out=done.left_out, seconds=done.seconds)

    def _came(self, draft: Path, upload: Path) -> Manifest:
        """The pictures of a zip as a confined reader wrote them."""
        images = make_folder(draft / "images")
        question = ReadUpload(str(upload), str(images), str(draft / "dataset.json"), upload.stem)
        return self._read(question).manifest


def _lay_out(manifest: Manifest, folder: Path) -> Path:
    """The same in one folder for each class, or in one with a table where they have several labels."""
    rows = []
    for number, image in enumerate(manifest.images):
        path = manifest.path(image)
        file = f"{number:05}{path.suffix}"
        rows.append(json.dumps({"file_name": file, "labels": image.names}))
        link(path, make_folder(folder if manifest.is_multi_label else folder / image.class_name) / file)
    if manifest.is_multi_label:
        write_text(folder / "metadata.jsonl", "\n".join(rows) + "\n")
    return folder
