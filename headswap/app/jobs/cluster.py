"""Watch over the cluster that sees the pictures of runs: does it answer, and how many processors has it?

Flow:  "auto" | HOST:PORT --check, now and then, in a thread--> ClusterState, for queue and page

Ray is loaded in a child process only, for the seconds of a look: the server stays light, and a cluster
that dies takes nothing of it along.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.cluster.driver import DrivenCrew, lost_cluster
from headswap.cluster.joining import find_cluster
from headswap.errors import HeadswapError

BACK_S = 10.0  # between two looks at a cluster that was lost
COUNT_S = 60.0  # between two looks at one that is well, while there are runs

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """What the last look has found."""

    processors: int = 0  # 0: unknown
    trouble: HeadswapError | None = None  # why it cannot be used just now

    @property
    def is_well(self) -> bool:
        return self.processors > 0 and self.trouble is None

    @property
    def refusal(self) -> str:
        """What has to be mended there; empty: nothing, or it does not answer."""
        is_silent = isinstance(self.trouble, ClusterLost) and not isinstance(self.trouble, ClusterRefused)
        return self.trouble.problem if self.trouble and not is_silent else ""


def _in_a_thread(check: Callable[[], None]) -> None:
    threading.Thread(target=check, name="cluster", daemon=True).start()


class ClusterWatch:
    """Looks when it is due. Nothing is asked before the first look."""

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
        self._take(ClusterState(trouble=trouble or lost_cluster()))

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


def watch_of(on: str, workspace: Path) -> ClusterWatch | None:
    """The watch over a cluster whose machines must all see a server's workspace; None where there is none."""
    return ClusterWatch(lambda: _processors(on, workspace)) if on else None


def _processors(on: str, workspace: Path) -> int:
    """Found with the checks of a run (`headswap.pipeline.job`), or runs would begin that cannot go on."""
    find_cluster(on)  # what a plain request can tell, before a process is started
    written = [workspace / "features", workspace / "jobs"]
    with DrivenCrew(on, paths=[], folder=workspace, written=written) as crew:
        return crew.size
