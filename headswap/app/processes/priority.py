"""The page comes first: everything that works for it in a process of its own steps back.

On a small machine thirty people ask one server while a worker, a reader and the inference process keep
every core busy. With less weight than the server they take what it leaves, which is most of it, and an
answer to a person never waits for their turn to end. A machine that does nothing else loses nothing.

Knows this process only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NICE = 5  # a third of the weight of a process that is not nice
_GROUP = Path("/proc/self/autogroup")  # Linux weighs sessions first, and every worker has one of its own


def step_back() -> None:
    """Give this process and all it will start less weight, once; where the system knows no weights, none."""
    if not hasattr(os, "nice") or os.nice(0) >= NICE:
        return
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        _GROUP.write_text(f"{NICE}", encoding="utf-8")
