"""The right network for a project: a race in the background, kept with the project until another one is run.

Flow:  limits --Races.begin--> a thread asks a child process --view--> how far it is, then table and winner

    projects/ID/race.json     the last race: what was found, and on which pictures

One race runs at a time; others wait. Loads no torch.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.racing import AskRace, RaceProgress
from headswap.app.processes.run_folder import PROGRESS, STOP
from headswap.app.service.fetching import ANY, FetchPolicy
from headswap.app.service.projects import Projects
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.pipeline.comparison import Comparison
from headswap.storage.files import discard, from_json, make_folder, write_text
from headswap.storage.records import read_record, write_record
from headswap.zoos.candidates import SHORT_LIST, NetworkLimits

_RECORD = "race.json"
_LONGEST_S = 7200.0  # for one race: many pictures, large networks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeptRace:
    """The last race of a project."""

    dataset: str  # the folder of the pictures that it was run on
    found: Comparison


@dataclass(frozen=True, kw_only=True)
class RaceView:
    """How a race goes, for a page that may have been reloaded."""

    state: Literal["none", "waiting", "running", "done", "failed"] = "none"
    sentence: str = ""  # what is going on
    share: float = 0.0  # done, in [0, 1]
    found: Comparison | None = None  # when done
    is_stale: bool = False  # the project has other pictures now
    problem: str = ""  # when failed
    remedy: str = ""

    @property
    def is_busy(self) -> bool:
        return self.state in ("waiting", "running")


@dataclass(kw_only=True, eq=False)
class _Run:
    """One race under way, or one that failed last; changed by its thread, read by everyone."""

    folder: Path
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    problem: str = ""
    remedy: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


class Races:
    """The races of all projects, the last one of each."""

    def __init__(
        self,
        projects: Projects,
        child: ChildProcess,
        workspace: Path,
        policy: FetchPolicy,
        check_room: Callable[[str], None],
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            child: runs races.
            workspace: features are kept here, the same as of teaching.
            policy: which networks may be fetched.
            check_room: raises when an owner has no room for more.
        """
        self._projects, self._child, self._workspace = projects, child, workspace
        self._policy, self._check_room = policy, check_room
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}  # by project
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="race")
        discard(workspace / "races")  # of a server that was killed

    def close(self) -> None:
        """Let the child go, even in the middle of a race; what it computed is kept."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._child.close()

    def fetchable(self) -> tuple[str, ...]:
        """Which of the short list this installation lets anyone fetch."""
        allowed = set(self._policy.networks)
        return tuple(name for name in SHORT_LIST if allowed & {ANY, name, name.partition("/")[2]})

    def begin(self, owner: str, project: str, limits: NetworkLimits) -> RaceView:
        """Run a race on the pictures as they are, unless one is under way.

        Raises:
            NotFound: there is no such project.
            BadSetting: it has no pictures.
        """
        found = self._projects.get(owner, project)
        dataset = self._projects.dataset(found)
        if dataset is None:
            raise BadSetting("There are no pictures yet.", remedy="Add some, or use the sample set.")
        self._check_room(owner)
        may_fetch = tuple(filter(self._has_room, self.fetchable())) if limits.fetch else ()
        with self._lock:
            run = self._runs.get(found.id)
            if run is None or run.state in ("done", "failed"):
                self._runs[found.id] = run = _Run(folder=self._workspace / "races" / secrets.token_hex(8))
                question = AskRace(
                    dataset=str(dataset), limits=limits, may_fetch=may_fetch,
                    workspace=str(self._workspace), folder=str(run.folder),
                )  # fmt: skip
                self._thread.submit(self._work, self._projects.folder(found.id), run, question)
        return self.view(owner, project)

    def view(self, owner: str, project: str) -> RaceView:
        """How the race of a project goes, or what came of the last one."""
        found = self._projects.get(owner, project)
        run = self._runs.get(found.id)
        if run is not None and run.state == "waiting":
            return RaceView(state="waiting", sentence="Waiting for its turn.")
        if run is not None and run.state == "running":
            return _how_far(run.folder)
        if run is not None and run.state == "failed":
            return RaceView(state="failed", problem=run.problem, remedy=run.remedy)
        kept = _read(self._projects.folder(found.id) / _RECORD)
        if kept is None:
            return RaceView()
        return RaceView(state="done", share=1.0, found=kept.found, is_stale=kept.dataset != found.data)

    def views(self, owner: str, projects: Sequence[str]) -> tuple[RaceView, ...]:
        """The same for those of these projects that are there and the owner's."""
        known = self._projects.known(owner, projects)
        return tuple(self.view(owner, project.id) for project in known if project.id in projects)

    def stop(self, owner: str, project: str) -> None:
        """End a race between two steps; what is known by then is shown."""
        run = self._runs.get(self._projects.get(owner, project).id)
        if run is not None:
            run.stop.set()
            if run.state == "running":
                write_text(run.folder / STOP, "")

    def winner(self, owner: str, project: str) -> str:
        """The full name of the network that has won.

        Raises:
            NotFound: there is no such project, or no race with a winner.
        """
        found = self.view(owner, project).found
        if found is None or found.race is None or not found.race.winner:
            raise NotFound("No network has won here yet.", remedy="Find the right network first.")
        return found.race.winner

    # ------------------------------------------------------------------------------

    def _has_room(self, name: str) -> bool:
        with suppress(HeadswapError):
            self._policy.check(name)
            return True
        return False

    def _work(self, folder: Path, run: _Run, question: AskRace) -> None:
        """Runs in the thread; leaves a record, or the reason why there is none."""
        try:
            if run.stop.is_set():
                run.state = "done"
                return
            make_folder(run.folder.parent)
            make_folder(run.folder)
            run.state = "running"
            found = self._child.ask(question, Comparison)
            if folder.is_dir():  # the project may be gone by now
                dataset = Path(question.dataset).parent.name
                write_record(folder / _RECORD, KeptRace(dataset=dataset, found=found))
            run.state = "done"
        except HeadswapError as error:
            run.problem, run.remedy, run.state = error.problem, error.remedy, "failed"
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("a race")
            run.problem, run.state = f"The program has a fault ({type(error).__name__}).", "failed"
            run.remedy = "Try again; the server's log says more."
        finally:
            discard(run.folder)


def races_of(
    settings: Settings, projects: Projects, policy: FetchPolicy, check_room: Callable[[str], None]
) -> Races:
    """The races of an installation, and a child that runs them; soon let go, it holds several networks."""
    child = ChildProcess(
        "headswap.app.processes.racing:answer",
        idle_s=60.0,
        timeout_s=_LONGEST_S,
        memory_bytes=settings.for_queue().worker_bytes,
        log=settings.workspace / "logs" / "racing.jsonl",
    )
    return Races(projects, child, settings.workspace, policy, check_room)


def _read(record: Path) -> KeptRace | None:
    if not record.is_file():
        return None
    with suppress(HeadswapError):  # damaged, or of another version: run it again
        kept: KeptRace = read_record(KeptRace, record)
        return kept
    return None


def _how_far(folder: Path) -> RaceView:
    with suppress(OSError, HeadswapError):
        told: RaceProgress = from_json(RaceProgress, (folder / PROGRESS).read_bytes())
        return RaceView(state="running", sentence=told.sentence, share=told.share)
    return RaceView(state="running", sentence="Getting ready.")
