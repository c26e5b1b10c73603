"""Watch over the cluster that sees the pictures of runs: does it answer, and how many processors has it?

Flow:  "auto" | HOST:PORT --check, now and then, in a thread--> ClusterState, for queue and page
       runs that wait for it --Setbacks.note--> how long each of them waits

Ray is loaded in a child process only, for the seconds of a look: the server stays light, and a cluster
that dies takes nothing of it along.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.app.jobs.job import Job
from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.cluster.driver import DrivenCrew, lost_cluster
from headswap.cluster.joining import find_cluster
from headswap.errors import HeadswapError

BACK_S = 10.0  # between two looks at a cluster that was lost
COUNT_S = 60.0  # between two looks at one that is well, while there are runs
_MOST_DOUBLINGS = 6  # of `BACK_S`, while a run waits: ten minutes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """How the cluster is: what the last check found, or what a run has reported since."""

    processors: int = 0  # 0: unknown
    trouble: HeadswapError | None = None  # why it cannot be used just now
    is_told: bool = False  # by a run that has lost it: no look has found that yet

    @property
    def is_well(self) -> bool:
        return self.processors > 0 and self.trouble is None

    @property
    def is_away(self) -> bool:
        """Whether a look has found that it cannot be used."""
        return self.trouble is not None and not self.is_told

    @property
    def refusal(self) -> str:
        """What has to be put right there; empty: nothing, or it does not answer."""
        is_silent = isinstance(self.trouble, ClusterLost) and not isinstance(self.trouble, ClusterRefused)
        return self.trouble.problem if self.trouble and not is_silent else ""


def _in_a_thread(check: Callable[[], None]) -> None:
    threading.Thread(target=check, name="cluster", daemon=True).start()


class ClusterWatch:
    """Checks the cluster whenever a check is due. Nothing is asked before the first check."""

    def __init__(
        self,
        count: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
        begin: Callable[[Callable[[], None]], None] = _in_a_thread,
    ) -> None:
        """Take what it works with.

        Args:
            count: gives the processors of the cluster; raises a HeadswapError when it cannot be used.
            clock: monotonic, in seconds.
            begin: lets a look go on while the queue does something else.
        """
        self.state = ClusterState()
        self._count, self._clock, self._begin = count, clock, begin
        self._due_at = clock()
        self._checking = threading.Lock()

    def check(self) -> ClusterState:
        """Look now, and wait for what is found."""
        with self._checking:
            self._take(self._found())
        return self.state

    def check_if_due(self, *, is_busy: bool) -> None:
        """Begin a look when it is time for one; a cluster that is well is asked only while there are runs."""
        is_wanted = is_busy or not self.state.is_well
        if is_wanted and self._clock() >= self._due_at and self._checking.acquire(blocking=False):
            self._begin(self._check_and_let_go)

    def check_soon(self) -> None:
        """It has refused a run: the next look is due, and until then it counts as it was found last."""
        self._due_at = self._clock()

    def lost(self, trouble: HeadswapError | None = None) -> None:
        """A run has lost it, or it does not answer: it is well when a later look says so."""
        self._take(ClusterState(trouble=trouble or lost_cluster(), is_told=trouble is None))

    def _check_and_let_go(self) -> None:
        try:
            self._take(self._found())
        finally:
            self._checking.release()

    def _found(self) -> ClusterState:
        try:
            return ClusterState(processors=self._count())
        except HeadswapError as error:
            return ClusterState(trouble=error)

    def _take(self, state: ClusterState) -> None:
        if state.trouble and str(state.trouble) != str(self.state.trouble):
            logger.warning("the cluster cannot be used: %s", state.trouble)
        elif state.is_well and state.processors != self.state.processors:
            logger.info("the cluster has %d processors", state.processors)
        self.state = state
        self._due_at = self._clock() + (COUNT_S if state.is_well else BACK_S)


@dataclass(frozen=True)
class _Setback:
    """An attempt that has lost the cluster or was refused by it."""

    attempt: int
    count: int  # such attempts in a row, of a cluster that is well; 0: it is away, or was
    seen_at: float

    @property
    def delay_s(self) -> float:
        """How long its run waits at least; for a cluster that was away no longer than until it is back."""
        return BACK_S * 2.0 ** min(self.count - 1, _MOST_DOUBLINGS) if self.count else 0.0


class Setbacks:
    """The runs that have lost the cluster or are refused by it, and how long each of them waits.

    What ends an attempt though the cluster is well may end every attempt of that run: it is tried less and
    less often. The count starts again when the cluster was away, and after an attempt that took longer than
    the longest delay.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, _Setback] = {}  # of each run
        self._paused: dict[str, int] = {}  # runs that wait now, and their last attempts

    @property
    def are_waiting(self) -> bool:
        """Whether a run waits for the cluster."""
        return bool(self._paused)

    def note(self, paused: Sequence[Job], *, is_away: bool) -> list[Job]:
        """Take in which runs wait now; gives those that were not known to.

        Args:
            paused: all that wait for the cluster.
            is_away: whether a look has found that it cannot be used.
        """
        now, known, longest_s = self._clock(), self._paused, BACK_S * 2.0**_MOST_DOUBLINGS
        self._paused = {job.id: job.attempt for job in paused}
        added = [job for job in paused if known.get(job.id) != job.attempt]
        counting = {
            run: one
            for run, one in self._last.items()
            if self._paused.get(run) == one.attempt or now - one.seen_at < one.delay_s + longest_s
        }
        for job in added:
            count = counting[job.id].count + 1 if job.id in counting else 1
            counting[job.id] = _Setback(job.attempt, count, now)
        if is_away:
            counting |= {run: replace(counting[run], count=0) for run in self._paused}
        self._last = counting
        return added

    def has_waited(self, job: Job) -> bool:
        """Whether a run that waits may be tried again, as far as it is concerned."""
        last = self._last[job.id]
        return self._clock() - last.seen_at >= last.delay_s


def watch_of(on: str, workspace: Path) -> ClusterWatch | None:
    """The watch over a cluster whose machines must all see a server's workspace; None where there is none."""
    return ClusterWatch(lambda: _processors(on, workspace)) if on else None


def _processors(on: str, workspace: Path) -> int:
    """Count them, with the checks of a run (`headswap.pipeline.job`): no run begins that cannot go on."""
    find_cluster(on)  # what a plain request can tell, before a process is started
    written = [workspace / "features", workspace / "jobs"]
    with DrivenCrew(on, paths=[], folder=workspace, written=written) as crew:
        return crew.size
