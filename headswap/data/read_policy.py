"""What a reader of strangers' pictures is careful about.

Flow:  limits + names of files that stopped an earlier reader --ReadPolicy--> take_in
       bytes that a picture needs --MemoryBudget.hold--> its turn, when so much is free

`headswap.app.processes.importing` watches over a reader with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Lock

from headswap.data.decode import ImageLimits


def _nobody(file: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, kw_only=True)
class ReadPolicy:
    """The defaults are those of the shell and of Python: the pictures are the person's own."""

    limits: ImageLimits = field(default_factory=ImageLimits)
    most_pictures: int = 0  # more is refused; 0: any number
    skip: frozenset[str] = frozenset()  # files that ended a reader: left out unread, by name
    begin: Callable[[str], None] = _nobody  # hears which file is decoded next; from several threads
    end: Callable[[str], None] = _nobody  # hears that it went well, or was refused


class MemoryBudget:
    """Memory that threads share while they decode: whoever finds too little waits, the first come first."""

    def __init__(self, size_bytes: int) -> None:
        """Have so much; 0: no end of it."""
        self._size = self._free = size_bytes
        self._door, self._changed = Lock(), Condition()

    @contextmanager
    def hold(self, need_bytes: int) -> Iterator[None]:
        """Wait for so much, have it, and give it back; more than there is counts as all of it."""
        need = min(need_bytes, self._size)
        with self._door, self._changed:
            self._changed.wait_for(lambda: self._free >= need)
            self._free -= need
        try:
            yield
        finally:
            with self._changed:
                self._free += need
                self._changed.notify_all()
