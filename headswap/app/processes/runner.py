"""Start a command that outlives the server: the one way a worker comes to be.

Flow:  command line --Runner.start--> handle (text, kept in the job row) --is_alive, stop--> the same process

Two implementations can be told apart by what a handle says; no one else reads it.
`tests/contracts/test_runners.py` holds every runner to the sentences below.

Knows command lines only: nothing of jobs, stores or networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Runner(Protocol):
    """Where workers run: this machine today, a cluster behind the same verbs."""

    def start(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> str:
        """Start a command that goes on when the caller dies.

        Args:
            command: program and arguments; a list, never a shell line.
            log: file to which what the command says is appended; its folder is made.
            environment: variables set on top of the server's own.

        Returns:
            An opaque handle: text that means the same process after a restart of the server.
        """
        ...

    def is_alive(self, handle: str) -> bool:
        """Whether that very process still runs; False for another one with the same number."""
        ...

    def stop(self, handle: str, *, force: bool) -> None:
        """Ask the process to end, or with `force` end it and all it started.

        Returns at once; a process that is gone already is left in peace. To ask is a courtesy: a system
        without signals (Windows) does nothing, so the caller says it in another way too.
        """
        ...

    def taken_bytes(self, handle: str) -> int:
        """What the process and all it started hold in memory; 0 when it is gone, or cannot be looked at."""
        ...
