"""What a soak tries, how much of it, and what was seen: one line each, with its goal.

Knows lines only; what they mean stands in the module of each trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is tried. The defaults are the goals of a long run."""

    hostile: int = 1000  # uploads, names, ids and files made to hurt
    mutated: int = 5000  # pictures with flipped, cut, doubled and lost bytes
    worker_kills: int = 200
    server_kills: int = 30
    teachings: int = 50  # real ones, each killed once
    damaged: int = 200  # files
    clients: int = 30  # at once
    pictures: int = 40  # that each of them brings
    minutes: float = 10.0
    starts: int = 50  # at once, with one key
    cancels: int = 100
    every_deed: int = 1  # 1: each write, flush and rename fails once
    log_step: int = 53  # bytes between two cuts of the job store's log


SHORT = Size(
    hostile=60,
    mutated=60,
    worker_kills=4,
    server_kills=1,
    teachings=1,
    damaged=40,
    clients=2,
    pictures=8,
    minutes=0.1,
    starts=20,
    cancels=6,
    every_deed=5,
    log_step=997,
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the scoreboard."""

    name: str
    goal: str
    seen: str
    passed: bool


Trial = Callable[[Size, Path], list[Line]]


def line(
    name: str, goal: str, seen: str, wrong: list[str] | tuple[str, ...] = (), *, also: bool = True
) -> Line:
    """Passed when nothing is wrong; the first three things that are, in words."""
    words = seen if not wrong else f"{seen}; {len(wrong)} wrong: {'; '.join(map(str, wrong[:3]))}"
    return Line(name=name, goal=goal, seen=words, passed=not wrong and also)


def table(lines: list[Line]) -> str:
    """The scoreboard as text."""
    rows = [("", "what", "goal", "seen")]
    rows += [("pass" if one.passed else "FAIL", one.name, one.goal, one.seen) for one in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])).rstrip()
        for row in rows
    )
