"""What a soak tries, how much of it, and what was seen: one line each, with its goal.

Knows lines only; what they mean stands in the module of each trial.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
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
    images: int = 40  # that each of them brings
    patience_s: float = 3600.0  # of a client for its own run; then it stops it and goes
    minutes: float = 10.0
    hang_s: float = 10.0  # an input that takes longer hangs
    right_again_s: float = 5.0  # after a kill
    starts: int = 50  # at once, with one key
    cancels: int = 100
    every_operation: int = 1  # 1: each write, flush and rename fails once
    log_step: int = 53  # bytes between two cuts of the job store's log
    seed: int = 0  # parts of one trial take different ones: other moments, other bytes


SHORT = Size(
    hostile=27,  # three of each kind
    mutated=60,
    worker_kills=4,
    server_kills=1,
    teachings=1,
    damaged=40,
    clients=2,
    images=8,
    minutes=0.1,
    hang_s=600.0,  # speed is judged by the long form alone
    right_again_s=600.0,
    starts=20,
    cancels=6,
    every_operation=5,
    log_step=997,
)


Figures = dict[str, float]  # a name that ends in _s is a longest time, every other one a count


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the scoreboard."""

    name: str
    goal: str
    words: str  # what was seen, with the names of figures in braces
    figures: Figures = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    passed: bool

    @property
    def seen(self) -> str:
        """In words; of what is wrong, the first three things."""
        words = self.words.format(**self.figures)
        return f"{words}; {len(self.wrong)} wrong: {'; '.join(self.wrong[:3])}" if self.wrong else words


Trial = Callable[[Size, Path], list[Line]]


def line(
    name: str,
    goal: str,
    seen: str,
    wrong: list[str] | tuple[str, ...] = (),
    *,
    also: bool = True,
    figures: Figures | None = None,
) -> Line:
    """Passed when nothing is wrong and `also` holds."""
    return Line(
        name=name,
        goal=goal,
        words=seen,
        figures=figures or {},
        wrong=tuple(map(str, wrong)),
        passed=not wrong and also,
    )


def added(lines: list[Line]) -> list[Line]:
    """Parts of one trial become one line: counts are added, of longest times the longest stays."""
    sums: dict[str, Line] = {}
    for one in lines:
        before = sums.get(one.name)
        figures = dict(before.figures) if before else {}
        for name, value in one.figures.items():
            old = figures.get(name, 0)
            figures[name] = max(old, value) if name.endswith("_s") else old + value
        wrong = (*(before.wrong if before else ()), *one.wrong)
        passed = one.passed and (before is None or before.passed)
        sums[one.name] = replace(one, figures=figures, wrong=wrong, passed=passed)
    return list(sums.values())


def write_scores(place: Path, lines: list[Line]) -> None:
    """Add lines to a file of parts."""
    with place.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(asdict(one))}\n" for one in lines)


def read_scores(place: Path) -> list[Line]:
    """The parts of a file, in their order."""
    said = [json.loads(text) for text in place.read_text(encoding="utf-8").splitlines()]
    return [Line(**{**one, "wrong": tuple(one["wrong"])}) for one in said]


def table(lines: list[Line]) -> str:
    """The scoreboard as text."""
    rows = [("", "what", "goal", "seen")]
    rows += [("pass" if one.passed else "FAIL", one.name, one.goal, one.seen) for one in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])).rstrip()
        for row in rows
    )
