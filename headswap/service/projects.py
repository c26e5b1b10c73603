"""Projects on the disk: one folder each, one JSON record in it.

    projects/ID/project.json      name, network, which data set
    projects/ID/data-N/           images by hash, dataset.json

A new upload makes a new data folder and only then changes the record: what was there stays
whole until the new one is.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.data.manifest import Manifest
from headswap.errors import NotFound
from headswap.files import make_folder, remove
from headswap.records import read_record, write_record
from headswap.zoos.catalogue import DEFAULT_MODEL

_ID = re.compile(r"[0-9a-f]{32}")
_RECORD, _DATASET = "project.json", "dataset.json"


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is kept of a project beside its pictures and jobs."""

    id: str
    owner: str
    name: str
    model: str = DEFAULT_MODEL
    head_path: str | None = None
    weights: str | None = None  # name of the person's own weight file in the project's folder
    data: str | None = None  # name of the data folder in use


class Projects:
    """All projects of one installation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, owner: str, name: str = "New project") -> Project:
        """Add an empty project with an id that cannot be guessed."""
        project = Project(id=secrets.token_hex(16), owner=owner, name=name)
        folder = make_folder(self.folder(project.id))
        try:
            return self.save(project)
        except BaseException:  # no room for the record: no empty folder either
            remove(folder)
            raise

    def get(self, owner: str, project: str) -> Project:
        """One project of one owner.

        Raises:
            NotFound: there is none, or it is somebody else's; nobody can tell which.
        """
        record = self.folder(project) / _RECORD
        if not record.is_file():
            raise _no_such_project()
        found: Project = read_record(Project, record)
        if found.owner != owner:
            raise _no_such_project()
        return found

    def save(self, project: Project) -> Project:
        """Write the record, as a whole; the one before is kept beside it."""
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

    def use_data(self, project: Project, folder: Path, name: str) -> Project:
        """Make a filled data folder the project's own."""
        return self.save(replace(project, data=folder.name, name=name))

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


def _no_such_project() -> NotFound:
    return NotFound("There is no such project.", remedy="Start a new one, or open a saved one.")
