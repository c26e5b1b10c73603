"""Experiments at work: one at a time in a child process, each result kept, the same setting run once.

Flow:  key + AskLesson --start--> a thread asks a child --> results/KEY.json --result--> LessonResult
       meanwhile --state--> LessonRunState: waiting, how far, done, why not

Several people may want the same run: they wait together, and it is stopped when the last one leaves.
Who they are is asked elsewhere; a key here gives away nothing but numbers. Loads no torch.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.lessons import AskLesson, AskReady, LessonReply
from headswap.app.processes.run_folder import PROGRESS, STOP
from headswap.errors import HeadswapError
from headswap.events import Progress
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import LessonResult
from headswap.storage.files import discard, from_json, make_folder, to_json, write_text
from headswap.storage.records import read_record, write_record

State = Literal["none", "waiting", "running", "done", "failed", "stopped"]
_FORM = 1  # of what is kept; another number forgets it all
_USUAL_S = {"everything": 9.0, "all-at-once": 8.0, "no-magic": 7.0, "wrong-glasses": 6.0, "norms": 7.0}
_SENTENCES = {
    "fetch": "Downloading the network's weights.",
    "load": "Loading the network.",
    "pictures": "Reading the pictures.",
    "features": "The body looks at picture {done} of {total}.",
    "head": "Step {done} of {total}.",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LessonRunState:
    """How a run goes."""

    state: State = "none"
    sentence: str = ""
    share: float = 0.0  # done, in [0, 1]; from the time that it usually takes
    ahead: int = 0  # runs before it
    seconds: float = 0.0  # since it began
    problem: str = ""
    remedy: str = ""

    @property
    def is_going(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")


@dataclass(kw_only=True, eq=False)
class _Run:
    """One run under way, or one that failed last; changed by its thread, read by everyone."""

    lesson: str
    setting: LessonConfig
    folder: Path
    who: set[str]
    usual_s: float
    state: State = "waiting"
    began: float = 0.0
    problem: str = ""
    remedy: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class LessonRuns:
    """Runs and their results, of one installation."""

    def __init__(self, child: ChildProcess, folder: Path, workspace: Path) -> None:
        """Keep results in `folder`, features in `workspace`; both are safe to delete between runs."""
        self._child, self._folder, self._workspace = child, folder, workspace
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._seconds: dict[tuple[str, str], float] = {}  # (lesson, model) -> what it took last
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="experiments")
        discard(folder / "runs")  # of a server that was killed

    def close(self) -> None:
        """Let the child go, even in the middle of a run."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._child.close()

    def key(self, lesson: str, setting: LessonConfig) -> str:
        """Two runs with the same key would give the same."""
        identity = "\0".join((str(_FORM), *_versions(), lesson, to_json(setting)))
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

    def result(self, key: str) -> LessonResult | None:
        """What a run gave; None when there is none, or it can no longer be read."""
        path = self._path(key)
        if not key or not path.is_file():
            return None
        with suppress(HeadswapError):  # damaged: run it again
            found: LessonResult = read_record(LessonResult, path)
            return found
        return None

    def has(self, key: str) -> bool:
        """Whether there is a result, without reading it."""
        return bool(key) and self._path(key).is_file()

    def start(self, key: str, lesson: str, setting: LessonConfig, who: str) -> None:
        """Run it, unless it is under way already; `who` waits for it."""
        with self._lock:
            run = self._runs.get(key)
            if run is not None and not run.over.is_set() and run.who:
                run.who.add(who)
                return
            folder = self._folder / "runs" / secrets.token_hex(8)
            self._runs[key] = run = _Run(
                lesson=lesson, setting=setting, folder=folder, who={who},
                usual_s=self.usual_s(lesson, setting.model),
            )  # fmt: skip
            self._forget_old()
            self._thread.submit(self._work, key, run)

    def leave(self, key: str, who: str) -> None:
        """Someone waits no longer; when no one does, the run ends between two steps."""
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.over.is_set():
                return
            run.who.discard(who)
            if not run.who and run.state == "running":
                write_text(run.folder / STOP, "")

    def state(self, key: str, who: str) -> LessonRunState:
        """How the run of this key goes, as someone who waits for it sees it."""
        with self._lock:
            run = self._runs.get(key)
            if run is not None and (who in run.who or run.over.is_set()):
                waiting = [one for one in self._runs.values() if not one.over.is_set()]
                return _seen(run, waiting.index(run) if run in waiting else 0)
        return LessonRunState(state="done") if self.has(key) else LessonRunState()

    def usual_s(self, lesson: str, model: str) -> float:
        """How long it takes here; a guess before it was run."""
        return self._seconds.get((lesson, model), _USUAL_S.get(lesson, 4.0))

    def make_ready(self, setting: LessonConfig) -> None:
        """Someone will soon run something: load the network and the pictures."""
        if not self._child.is_warm:
            self._child.warm()
            question = AskReady(setting=setting, workspace=str(self._workspace))
            self._thread.submit(self._ask_quietly, question)

    def tidy(self, older_than_s: float, now: float) -> int:
        """Remove results that no one asked for so long."""
        gone = 0
        for path in (self._folder / "results").glob("*.json*"):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > older_than_s:
                    gone += discard(path)
        return gone

    # ------------------------------------------------------------------------------

    def _work(self, key: str, run: _Run) -> None:
        """Runs in the thread; leaves a result, or the reason why there is none."""
        try:
            with self._lock:
                if not run.who:
                    run.state = "stopped"
                    return
                make_folder(self._folder / "runs")
                make_folder(run.folder)
                run.began, run.state = time.monotonic(), "running"
            result = self._ask(run)
            if result is None:
                run.state = "stopped"
                return
            make_folder(self._folder / "results")
            write_record(self._path(key), result)
            self._seconds[run.lesson, run.setting.model] = time.monotonic() - run.began
            run.state = "done"
        except HeadswapError as error:
            run.problem, run.remedy, run.state = error.problem, error.remedy, "failed"
        except Exception as error:  # told to the person, and written down with its traceback
            logger.exception("experiment %s", run.lesson)
            run.problem, run.state = f"The program has a fault ({type(error).__name__}).", "failed"
            run.remedy = "Try again; the server's log says more."
        finally:
            run.over.set()
            discard(run.folder)

    def _ask(self, run: _Run) -> LessonResult | None:
        question = AskLesson(
            lesson=run.lesson, setting=run.setting, workspace=str(self._workspace), folder=str(run.folder)
        )
        return self._child.ask(question, LessonReply).result

    def _ask_quietly(self, question: AskReady) -> None:
        with suppress(HeadswapError):  # anyone who runs one hears why
            self._child.ask(question, LessonReply)

    def _forget_old(self) -> None:
        over = [key for key, run in self._runs.items() if run.over.is_set()]
        for key in over[:-200]:
            del self._runs[key]

    def _path(self, key: str) -> Path:
        return self._folder / "results" / f"{key}.json"


def _seen(run: _Run, ahead: int) -> LessonRunState:
    if run.state == "waiting":
        sentence = "Waiting for its turn." if not ahead else f"Waiting: {ahead} before it."
        return LessonRunState(state="waiting", sentence=sentence, ahead=ahead)
    if run.state != "running":
        return LessonRunState(state=run.state, share=1.0, problem=run.problem, remedy=run.remedy)
    passed = time.monotonic() - run.began
    share = min(0.95, passed / max(run.usual_s, 1.0))
    return LessonRunState(state="running", sentence=_doing(run.folder), share=share, seconds=passed)


def _doing(folder: Path) -> str:
    with suppress(OSError, HeadswapError):
        progress: Progress = from_json(Progress, (folder / PROGRESS).read_bytes())
        sentence = _SENTENCES.get(progress.step, "At work.")
        return sentence.format(done=f"{progress.done:,}", total=f"{progress.total:,}")
    return "Getting ready."


@cache
def _versions() -> tuple[str, ...]:
    from importlib.metadata import PackageNotFoundError, version

    found = [os.name]
    for name in ("headswap", "torch", "timm", "torchvision"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return tuple(found)
