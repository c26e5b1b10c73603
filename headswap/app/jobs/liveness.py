"""How long something has not changed, by the observer's own monotonic clock.

Nothing that another process wrote is read as a time, so setting a clock by a day
changes nothing, and an observer that has just started is patient once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class LivenessMonitor:
    """Remembers what was last seen under each key, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Hashable, tuple[object, float]] = {}

    def still_for_s(self, key: Hashable, value: object) -> float:
        """Seconds since `value` was first seen under `key`; 0 when it differs from the last look."""
        now = self._clock()
        last, since = self._seen.get(key, (None, now))
        if last != value:
            since = now
        self._seen[key] = (value, since)
        return now - since

    def keep_only(self, keys: set[Hashable]) -> None:
        """Forget everything else."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}
