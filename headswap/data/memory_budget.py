"""Memory that threads decode images in, handed out so that together they never take more than there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class MemoryBudget:
    """Memory that threads share while they decode: a thread that finds too little waits, in turn."""

    def __init__(self, size_bytes: int) -> None:
        """Have so much; 0: no end of it."""
        self._size = self._free = size_bytes
        self._lock, self._changed = Lock(), Condition()

    @contextmanager
    def hold(self, need_bytes: int) -> Iterator[None]:
        """Wait for so much, have it, and give it back; more than there is counts as all of it."""
        need = min(need_bytes, self._size)
        with self._lock, self._changed:
            self._changed.wait_for(lambda: self._free >= need)
            self._free -= need
        try:
            yield
        finally:
            with self._changed:
                self._free += need
                self._changed.notify_all()
