"""Projects on the disk: one folder each, one JSON record in it.

    projects/ID/project.json      name, network, which data set
    projects/ID/data-N/           images by hash, dataset.json

A new upload makes a new data folder and only then changes the record: what was there stays
whole until the new one is.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headswap.data.manifest import Manifest
from headswap.errors import HeadswapError, NotFound
from headswap.storage.files import discard, is_discarded, make_folder
from headswap.storage.records import read_record, write_record
from headswap.zoos.catalogue import DEFAULT_MODEL

TOUCH_S = 600.0  # a look is noted at most so often

_ID = re.compile(r"[0-9a-f]{32}")
_RECORD, _DATASET = "project.json", "dataset.json"


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is kept of a project in addition to its pictures and jobs."""

    id: str
    owner: str
    name: str
    model: str = DEFAULT_MODEL
    head_path: str | None = None
    weights: str | None = None  # name of the person's own weight file in the project's folder
    data: str | None = None  # name of the data folder in use
    shown: str | None = None  # the run whose report was opened; None: the newest


class Projects:
    """All projects of one installation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, owner: str) -> Project:
        """Add an empty project with an id that cannot be guessed."""
        project = Project(id=secrets.token_hex(16), owner=owner, name="New project")
        folder = make_folder(self.folder(project.id))
        try:
            return self.save(project)
        except BaseException:  # no room for the record: no empty folder either
            discard(folder)
            raise

    def get(self, owner: str, project: str) -> Project:
        """One project of one owner.

        Raises:
            NotFound: there is none, or it is someone else's; no one can tell which.
        """
        record = self.folder(project) / _RECORD
        if not record.is_file() or is_discarded(record.parent):
            raise _no_such_project()
        found: Project = read_record(Project, record)
        if found.owner != owner:
            raise _no_such_project()
        _touch(record)
        return found

    def all(self) -> tuple[Project, ...]:
        """Every project whose record can be read, of everyone: for the server itself, never for a person."""
        found = []
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if _ID.fullmatch(folder.name) and (folder / _RECORD).is_file() and not is_discarded(folder):
                with suppress(HeadswapError):  # damaged: it says so to its owner, and is left alone
                    found.append(read_record(Project, folder / _RECORD))
        return tuple(found)

    def touched_at(self, project: Project) -> float:
        """When someone last looked at it, in seconds since 1970; give or take `TOUCH_S`."""
        return (self.folder(project.id) / _RECORD).stat().st_mtime

    def remove(self, project: Project) -> None:
        """Let a project go, with its pictures; what is held by another program goes later."""
        discard(self.folder(project.id))

    def known(self, owner: str, ids: Sequence[str]) -> tuple[Project, ...]:
        """The projects of these ids, in their order, then all others of someone who has logged in.

        Where no one logs in, only an id opens a project: a browser sees those it remembers.
        """
        found: dict[str, Project] = {}
        for project in dict.fromkeys(ids):
            with suppress(HeadswapError):  # gone, damaged, or another's
                found[project] = self.get(owner, project)
        for other in self.all() if owner else ():
            if other.owner == owner:
                found.setdefault(other.id, other)
        return tuple(found.values())

    def save(self, project: Project) -> Project:
        """Write the record, as a whole; the one before is kept next to it."""
        write_record(self.folder(project.id) / _RECORD, project)
        return project

    def folder(self, project: str) -> Path:
        """The folder of a project.

        Raises:
            NotFound: the id is not well-formed; no path is ever built from it.
        """
        if not _ID.fullmatch(project):
            raise _no_such_project()
        return self._root / project

    def new_data_folder(self, project: Project) -> Path:
        """A fresh, empty folder for the pictures of an upload."""
        folder = self.folder(project.id) / f"data-{secrets.token_hex(4)}"
        return make_folder(folder)

    def weights(self, project: Project) -> Path | None:
        """The person's own weight file, if they gave one."""
        return self.folder(project.id) / project.weights if project.weights else None

    def dataset(self, project: Project) -> Path | None:
        """The dataset.json in use, if there are pictures."""
        return self.folder(project.id) / project.data / _DATASET if project.data else None

    def manifest(self, project: Project) -> Manifest | None:
        """The pictures in use, if there are any."""
        path = self.dataset(project)
        if path is None:
            return None
        manifest: Manifest = read_record(Manifest, path)
        return manifest


def _touch(record: Path) -> None:
    """Note that someone looked; not at every look."""
    if abs(time.time() - record.stat().st_mtime) > TOUCH_S:
        os.utime(record)


def _no_such_project() -> NotFound:
    return NotFound("There is no such project.", remedy="Start a new one, or open a saved one.")
