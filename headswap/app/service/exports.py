"""What a run leaves to be taken home: a zip, and a web page, packed and checked once, kept next to the run.

Flow:  job that is done --begin--> a thread asks a child process, step by step --view--> ExportView

The thread only asks: the packing child for most steps, the page's own process for the page's answers.
Anyone who comes back later finds the zip, or how far it is. Loads no torch.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from headswap.app.jobs.store import Store
from headswap.app.processes.child import ChildProcess
from headswap.app.processes.exporting import (
    AskLayOut,
    AskPage,
    AskRoute,
    AskSeal,
    AskTeachableMachine,
    RouteName,
)
from headswap.app.service.projects import Projects
from headswap.app.service.results import Results
from headswap.app.service.settings import Settings
from headswap.bundle.format import read_card
from headswap.bundle.prediction import Prediction
from headswap.errors import HeadswapError
from headswap.exports.package import BUNDLE, ONNX, PAGE, SCRIPT, LaidOut, read_check, zip_name
from headswap.exports.parity import ParityCheck, Route, compare_predictions
from headswap.exports.webpage import pack_site
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import from_json

Predict = Callable[[str, str, Path], Prediction]  # (owner, job, picture)
_Tell = Callable[[str, float], None]  # (what is going on, share done)
_Steps = Callable[[Path, _Tell], None]  # (a folder to work in, ...)
_FOLDER, _PAGE_FOLDER, _TEACHABLE_FOLDER = "take-home", "web-page", "teachable-machine"
_LONGEST_S = 1800.0  # for someone who waits for the file
_ROUTES: tuple[tuple[RouteName, str, float], ...] = (
    (BUNDLE, "Asking the packed weights.", 0.35),
    (SCRIPT, "Running predict.py, without headswap.", 0.45),
    (ONNX, "Writing and running the ONNX network.", 0.7),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ZipEntry:
    """One file in the zip."""

    name: str  # inside the zip's folder
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ExportView:
    """How far the zip of a run is, for a page that may have been reloaded."""

    state: Literal["not begun", "packing", "ready", "failed"]
    sentence: str = ""  # what is going on
    share: float = 0.0  # done, in [0, 1]
    zip_file: Path | None = None  # when ready
    contents: tuple[ZipEntry, ...] = ()
    check: ParityCheck | None = None
    problem: str = ""  # when failed
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class WebPageView:
    """How far the web page of a run is."""

    state: Literal["not begun", "packing", "ready", "failed"]
    page: Path | None = None  # one HTML file, when ready
    site: Path | None = None  # the zip for a web host, when ready
    problem: str = ""  # when failed
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class TeachableMachineView:
    """How far the zip in Teachable Machine's format is, and how far the answers of its readers differ."""

    state: Literal["not begun", "packing", "ready", "failed"]
    zip_file: Path | None = None  # when ready
    route: Route | None = None  # when ready: what was measured
    problem: str = ""  # when failed: a head that the format cannot hold, for one
    remedy: str = ""


@dataclass(kw_only=True)
class _Packing:
    """One file in the making; changed by its thread, read by everyone."""

    view: ExportView = ExportView(state="packing", sentence="Waiting for its turn.")
    over: threading.Event = field(default_factory=threading.Event)

    def tell(self, sentence: str, share: float) -> None:
        self.view = replace(self.view, sentence=sentence, share=share)


def packing_process(settings: Settings) -> ChildProcess:
    """A child that packs what is taken home; soon let go, it holds a network."""
    return ChildProcess(
        "headswap.app.processes.exporting:answer",
        idle_s=20.0,
        timeout_s=1200.0,
        memory_bytes=settings.for_queue().worker_bytes,
        log=settings.workspace / "logs" / "packing.jsonl",
    )


class Exports:
    """The zips and web pages of one installation. One is packed at a time."""

    def __init__(
        self, store: Store, projects: Projects, results: Results, predict: Predict, child: ChildProcess
    ) -> None:
        self._store, self._projects, self._results = store, projects, results
        self._predict, self._child = predict, child
        self._lock = threading.Lock()
        self._packings: dict[Path, _Packing] = {}  # target -> what is packed now, or failed last
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="take-home")

    def close(self) -> None:
        """Let the child go; what is not finished is begun again another day."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._child.close()

    def begin(self, owner: str, job: str) -> ExportView:
        """Pack the zip of a run, unless it is there or under way already.

        Raises:
            NotFound: there is no such run, or it has no result yet.
        """
        target = self._zip(owner, job)
        return self._begin(target, partial(self._steps, owner, job, target)) or self._seen(target)

    def view(self, owner: str, job: str) -> ExportView:
        """Whether the zip is there, or how far it is."""
        return self._seen(self._zip(owner, job))

    def file(self, owner: str, job: str) -> Path:
        """The zip, when it is there.

        Raises:
            HeadswapError: it could not be packed, or takes too long.
        """
        self.begin(owner, job)
        packing = self._packings.get(self._zip(owner, job))
        if packing and not packing.over.wait(_LONGEST_S):
            raise HeadswapError("The zip is not packed yet.", remedy="Ask again later.")
        view = self.view(owner, job)
        if view.zip_file is None:
            raise HeadswapError(view.problem, remedy=view.remedy)
        return view.zip_file

    def begin_page(self, owner: str, job: str) -> WebPageView:
        """Make the web page of a run, unless it is there or under way already.

        Raises:
            NotFound: there is no such run, or it has no result yet.
        """
        target = self._page(owner, job)
        self._begin(target, partial(self._page_steps, owner, job, target))
        return self.page_view(owner, job)

    def page_view(self, owner: str, job: str) -> WebPageView:
        """Whether the web page is there, or how far it is."""
        page = self._page(owner, job)
        site = page.with_name(f"{page.stem}-site.zip")
        packing = self._packings.get(page)
        if page.is_file() and site.is_file() and not (packing and not packing.over.is_set()):
            return WebPageView(state="ready", page=page, site=site)
        if packing is None:
            return WebPageView(state="not begun")
        return WebPageView(state=packing.view.state, problem=packing.view.problem, remedy=packing.view.remedy)

    def begin_teachable_machine(self, owner: str, job: str) -> TeachableMachineView:
        """Write a run in Teachable Machine's format, unless it is there or under way already.

        Raises:
            NotFound: there is no such run, or it has no result yet.
        """
        target = self._teachable_machine(owner, job)
        self._begin(target, partial(self._teachable_machine_steps, owner, job, target))
        return self.teachable_machine_view(owner, job)

    def teachable_machine_view(self, owner: str, job: str) -> TeachableMachineView:
        """Whether the zip in Teachable Machine's format is there, or how far it is."""
        seen = self._seen(self._teachable_machine(owner, job))
        return TeachableMachineView(
            state=seen.state,
            zip_file=seen.zip_file,
            route=seen.check.routes[0] if seen.check else None,
            problem=seen.problem,
            remedy=seen.remedy,
        )

    def _teachable_machine(self, owner: str, job: str) -> Path:
        return self._store.folder(job) / _TEACHABLE_FOLDER / f"{self._name(owner, job)}-teachable-machine.zip"

    def _zip(self, owner: str, job: str) -> Path:
        return self._store.folder(job) / _FOLDER / f"{self._name(owner, job)}.zip"

    def _page(self, owner: str, job: str) -> Path:
        return self._store.folder(job) / _PAGE_FOLDER / f"{self._name(owner, job)}.html"

    def _name(self, owner: str, job: str) -> str:
        bundle = self._results.bundle(owner, job)  # raises for a stranger
        return zip_name(self._title(owner, job), read_card(bundle).model)

    def _title(self, owner: str, job: str) -> str:
        return self._projects.get(owner, self._store.get(job, owner=owner).project).name

    def _begin(self, target: Path, steps: _Steps) -> ExportView | None:
        """Start to pack; None: it is there, or under way already."""
        with self._lock:
            packing = self._packings.get(target)
            if target.is_file() or (packing and not packing.over.is_set()):
                return None
            self._packings[target] = packing = _Packing()
            self._thread.submit(self._pack, target, packing, steps)
        return packing.view

    def _seen(self, target: Path) -> ExportView:
        packing = self._packings.get(target)
        if packing and not packing.over.is_set():
            return packing.view
        if target.is_file():
            return ExportView(
                state="ready",
                share=1.0,
                zip_file=target,
                contents=_contents(target),
                check=read_check(target),
            )
        return packing.view if packing else ExportView(state="not begun")

    def _pack(self, target: Path, packing: _Packing, steps: _Steps) -> None:
        """Runs in the thread; leaves a file, or the reason why there is none."""
        work = target.parent / f"work-{secrets.token_hex(4)}"
        try:
            shutil.rmtree(target.parent, ignore_errors=True)  # an older name, or half a file
            work.mkdir(parents=True)
            steps(work, packing.tell)
        except HeadswapError as error:
            packing.view = replace(packing.view, state="failed", problem=error.problem, remedy=error.remedy)
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("packing %s", target)
            packing.view = replace(
                packing.view,
                state="failed",
                problem=f"The program has a fault ({type(error).__name__}).",
                remedy="Try again; the server's log says more.",
            )
        finally:
            shutil.rmtree(work, ignore_errors=True)
            packing.over.set()

    def _steps(self, owner: str, job: str, target: Path, work: Path, tell: _Tell) -> None:
        bundle = str(self._results.bundle(owner, job))
        tell("Laying out the files.", 0.05)
        layout = AskLayOut(bundle, str(work / target.stem), self._data(owner, job))
        laid = self._child.ask(layout, LaidOut)
        tell("Asking this page.", 0.2)
        routes = [self._page_route(owner, job, laid)]
        for route, sentence, share in _ROUTES:
            tell(sentence, share)
            routes.append(self._child.ask(AskRoute(bundle, laid, route), Route))
        tell("Packing.", 0.95)
        title = self._title(owner, job)
        self._ask(AskSeal(bundle, laid, tuple(routes), title, str(target)))

    def _page_steps(self, owner: str, job: str, target: Path, work: Path, tell: _Tell) -> None:
        tell("Writing the network into a page, and asking it.", 0.1)
        draft = work / target.name
        self._ask(AskPage(str(self._results.bundle(owner, job)), str(draft), self._title(owner, job)))
        tell("Packing it for a web host.", 0.8)
        pack_site(draft, target.with_name(f"{target.stem}-site.zip"))
        draft.replace(target)

    def _teachable_machine_steps(self, owner: str, job: str, target: Path, work: Path, tell: _Tell) -> None:
        tell("Writing the network layer by layer, and asking it.", 0.1)
        bundle, title = str(self._results.bundle(owner, job)), self._title(owner, job)
        draft = work / target.name
        self._ask(AskTeachableMachine(bundle, str(draft), title, self._data(owner, job)))
        draft.replace(target)

    def _data(self, owner: str, job: str) -> str:
        """dataset.json of a run."""
        experiment: Experiment = from_json(Experiment, self._store.get(job, owner=owner).experiment_json)
        return experiment.data.source

    def _page_route(self, owner: str, job: str, laid: LaidOut) -> Route:
        """What this page says of each picture, asked like a picture that someone drops on it."""
        folder = Path(laid.folder)
        said = [self._predict(owner, job, folder / one.file) for one in laid.expected]
        return compare_predictions(PAGE, laid.expected, said)

    def _ask(self, question: object) -> ParityCheck:
        return self._child.ask(question, ParityCheck)


def _contents(target: Path) -> tuple[ZipEntry, ...]:
    with zipfile.ZipFile(target) as packed:
        return tuple(
            ZipEntry(info.filename.partition("/")[2], info.file_size)
            for info in packed.infolist()
            if not info.is_dir()
        )
