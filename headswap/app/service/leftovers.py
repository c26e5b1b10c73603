"""What was deleted and is still on the disk, because another program held it: found, and tried again.

Flow:  workspace --leftovers--> folders that no one can reach any more
       workspace --try_again, now and then--> fewer of them

A deletion that does not succeed at once (an open file on Windows, rights that changed, a network disk)
leaves a mark in its folder (`headswap.storage.files.discard`): from then on it counts as gone for everyone
but this module, the log and `headswap doctor`. Copies of tried pictures have no mark; theirs is their age.

Knows folders and marks only.
"""

from __future__ import annotations

import time
from pathlib import Path

from headswap.storage.files import DISCARDED, discard

TRIED = ("tries", "reading")  # of pictures that someone tries: gone with the answer
BATCH = "tried"  # the same of many, in a project's folder: gone with the next, or when no one looks
BATCH_RECORD = "batch.json"  # of each of them; one without it is gone
TRIED_S = 600.0  # longer than any answer takes
_FOLDERS = ("jobs", "projects", "lessons/courses")


def leftovers(workspace: Path, now: float | None = None) -> tuple[Path, ...]:
    """Every folder that was deleted and is still there."""
    now = time.time() if now is None else now
    marked = [mark.parent for folder in _FOLDERS for mark in (workspace / folder).glob(f"*/{DISCARDED}")]
    tried = [path for name in TRIED for path in (workspace / name).glob("*") if _age_s(path, now) > TRIED_S]
    return (*sorted(marked), *sorted(tried))


def try_again(workspace: Path, now: float | None = None) -> int:
    """Remove what can be removed by now; returns how many went."""
    return sum(map(discard, leftovers(workspace, now)))


def _age_s(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:  # it goes right now
        return 0.0
