"""Films that a person names by a link: fetched by the server, then read like an upload.

Flow:  link + class name --FilmLinks.begin--> a thread: bytes into a draft --> a zip --> the confined reader
           --view--> how far it is; --stop--> nothing is left of it

The link is a stranger's, so the server connects to addresses of the internet only, unless the person who
started it allows others (`headswap.data.film_link`); decodes nothing. A server that is stopped forgets the
fetch.
"""

from __future__ import annotations

import logging
import secrets
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from headswap.app.service.datasets import Datasets
from headswap.app.service.projects import Project, Projects
from headswap.data.edit import valid_name
from headswap.data.film_link import MOST_BYTES, check_link, fetch_film
from headswap.errors import BadSetting, BadUpload, Cancelled, HeadswapError
from headswap.storage.files import discard, make_folder

AT_ONCE = 2  # films that come at the same time, of all people

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FilmView:
    """Where a fetch stands, for a page that may have been reloaded."""

    state: Literal["none", "waiting", "fetching", "reading", "done", "failed"] = "none"
    done: int = 0  # bytes
    total: int = 0  # 0: the server does not say
    frames: int = 0  # that it gave, when done
    problem: str = ""  # when failed
    remedy: str = ""

    @property
    def is_busy(self) -> bool:
        return self.state in ("waiting", "fetching", "reading")


@dataclass(kw_only=True)
class _Fetch:
    """One fetch; changed by its thread, read by everyone."""

    view: FilmView = field(default_factory=lambda: FilmView(state="waiting"))
    stop: threading.Event = field(default_factory=threading.Event)


class FilmLinks:
    """The films that come from links, of all projects."""

    def __init__(
        self,
        projects: Projects,
        images: Datasets,
        *,
        check_room: Callable[[str, Path | None], None],
        room_of: Callable[[str], int],
        upload_mb: int,
        is_local_allowed: bool,
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            images: of projects; they take the film in.
            check_room: raises when an owner has no room for anything more.
            room_of: bytes that an owner may still bring.
            upload_mb: size of one upload.
            is_local_allowed: whether links may lead into the network of this server.
        """
        self._projects, self._images = projects, images
        self._check_room, self._room_of = check_room, room_of
        self._upload_bytes, self._is_local_allowed = int(upload_mb * 1e6), is_local_allowed
        self._lock = threading.Lock()
        self._fetches: dict[str, _Fetch] = {}  # by project
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="film")

    def close(self) -> None:
        """Stop all; the server ends."""
        with self._lock:
            for one in self._fetches.values():
                one.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def begin(self, owner: str, project: str, link: str, name: str) -> FilmView:
        """Fetch a film into a class, in addition to the pictures that are there.

        Args:
            owner, project: whose pictures come.
            link: an http or https address.
            name: of the class that the film shows.

        Raises:
            NotFound: there is no such project.
            BadSetting: the link or the name cannot be one, or another film is coming.
            TooMuch: there is no room.
        """
        found, name, link = self._projects.get(owner, project), valid_name(name), check_link(link)
        self._check_room(owner, None)
        with self._lock:
            running = self._fetches.get(found.id)
            if running is not None and running.view.is_busy:
                raise BadSetting("Another film is coming.", remedy="Wait until it is here, or cancel it.")
            one = self._fetches[found.id] = _Fetch()
        self._threads.submit(self._run, found, one, link, name)
        return one.view

    def view(self, owner: str, project: str) -> FilmView:
        """Where it stands."""
        one = self._fetches.get(self._projects.get(owner, project).id)
        return one.view if one is not None else FilmView()

    def stop(self, owner: str, project: str) -> None:
        """Stop it, and remove what was fetched and what was said of it."""
        with self._lock:
            one = self._fetches.pop(self._projects.get(owner, project).id, None)
        if one is not None:
            one.stop.set()

    # ----------------------------------------------------------------------------------

    def _run(self, project: Project, one: _Fetch, link: str, name: str) -> None:
        """Runs in a thread; the pictures of the project hold the film in the end, or it says why not."""
        draft = self._projects.folder(project.id) / f"film.draft-{secrets.token_hex(4)}"
        try:
            path = self._fetched(project, one, link, make_folder(draft))
            one.view = replace(one.view, state="reading")
            ended = replace(one.view, state="done", frames=self._taken(project, path, name))
        except Cancelled:
            ended = FilmView()
        except HeadswapError as error:
            ended = FilmView(state="failed", problem=error.problem, remedy=error.remedy)
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("a film was fetched from a link")
            problem = f"The program has a fault ({type(error).__name__})."
            ended = FilmView(state="failed", problem=problem, remedy="Try again; the server's log says more.")
        finally:
            discard(draft)
        one.view = ended  # when nothing of it is left on the disk

    def _fetched(self, project: Project, one: _Fetch, link: str, draft: Path) -> Path:
        most = min(MOST_BYTES, self._upload_bytes, self._room_of(project.owner))
        coming = fetch_film(link, draft, most_bytes=most, is_local_allowed=self._is_local_allowed)
        with closing(coming):
            for said in coming:
                if one.stop.is_set():
                    raise Cancelled
                one.view = FilmView(state="fetching", done=said.done, total=said.total)
        (path,) = draft.iterdir()
        return path

    def _taken(self, project: Project, path: Path, name: str) -> int:
        """Read it like an upload with one class folder; how many frames it gave."""
        packed = path.with_name(f"{name}.zip") if len(name.encode()) < 200 else path.with_name("film.zip")
        member = f"{name}/{path.name}"
        with zipfile.ZipFile(packed, "w") as archive:  # a film is packed already
            archive.write(path, member)
        manifest = self._images.add(project.owner, project.id, packed)
        left = next((one for one in manifest.left_out if one.file == member), None)
        if left is not None:
            raise BadUpload(
                f"Nothing was added: {left.reason}", remedy="Save it again as MP4, or give another link."
            )
        return sum(image.file.startswith(member) for image in manifest.images)
