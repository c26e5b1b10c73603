"""Check a saved project, in a process of its own: it may come from a stranger.

Flow:  project file + empty folder --AskProject--> SavedProject, laid out and checked in that folder

Runs in a `ChildProcess`, confined, under a memory limit; loads Pillow and no torch. A
decoder that does not come back takes this process with it, and nothing else.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headswap.app.processes.sandbox import AllowedPaths
from headswap.data.decode import ImageLimits, import_readers
from headswap.pipeline.project_file import unpack_project


@dataclass(frozen=True)
class AskProject:
    """Check this file, and lay it out."""

    file: str
    folder: str  # exists, empty
    limits: ImageLimits = field(default_factory=ImageLimits)
    patience_s: float = 20.0  # for one picture


def allowed_paths(question: AskProject) -> AllowedPaths:
    """The project file, and the folder it is laid out in."""
    import_readers()
    return AllowedPaths(read=(Path(question.file),), write=(Path(question.folder),))


def answer(question: AskProject) -> object:
    """Open one project; called in the child process."""

    @contextmanager
    def watching(_image: str) -> Iterator[None]:
        faulthandler.dump_traceback_later(question.patience_s, exit=True, file=2)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    return unpack_project(Path(question.file), Path(question.folder), question.limits, watching)
