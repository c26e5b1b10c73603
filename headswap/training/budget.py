"""How much time is left: a person may give a run two minutes, and gets the best found by then."""

from __future__ import annotations

import math
import time


class Budget:
    """Counts down. Without a limit there is always time."""

    def __init__(self, seconds: float | None, *, spent_s: float = 0.0) -> None:
        self._limit = math.inf if seconds is None else seconds
        self._begin = time.perf_counter() - spent_s

    @property
    def is_limited(self) -> bool:
        return self._limit < math.inf and not self.was_ended

    @property
    def was_ended(self) -> bool:
        """Whether someone did not want to wait any longer."""
        return self._limit == -math.inf

    @property
    def left_s(self) -> float:
        """Seconds until the end; below 0 it is over."""
        return self._limit - (time.perf_counter() - self._begin)

    def spend(self, seconds: float) -> None:
        """Count time that passed elsewhere: in a process that was killed and is resumed here."""
        self._begin -= seconds

    def end(self) -> None:
        """There is no time left: someone wants what there is."""
        self._limit = -math.inf

    def keep_back(self, seconds: float) -> None:
        """Set time aside for what comes after: the test, saving."""
        self._limit -= seconds
