"""A race as text: one table, why the winner is taken, and the command that takes it.

Flow:  Comparison of a race --race_words--> lines for a shell
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from headswap.cli.verb import left_out_lines

if TYPE_CHECKING:
    from headswap.pipeline.comparison import Comparison, ComparisonRow, Race, RoundFigure

_HEADS = {"last": "last", "wide": "every"}


def race_words(found: Comparison, race: Race, data: str, seed: int = 0) -> str:
    """Everything a person decides by.

    Args:
        found: of the race.
        race: the same one.
        data: as it was given, for the command.
        seed: of the split.
    """
    lines = [_HEADER]
    lines += [_line(row, race) for row in found.rows if row.state == "done" and row.total]
    lines += [f"{row.model}: {row.reason}" for row in found.rows if row.state != "done"]
    lines += [f"{row.model}: {row.note}." for row in found.rows if row.note]
    lines.append(
        f"Decided on {race.train_images} training pictures, each judged by a head that never saw it "
        f"({found.folds} folds), compared picture by picture. Always saying {found.baseline_class} gets "
        f"{found.baseline_accuracy:.0%}. ms: one prediction here. Licences are the libraries' own statements."
    )
    if found.stopped:
        lines.append("Stopped. What was computed is kept; the same command goes on from there.")
    if not race.winner:
        lines.append("No network has won.")
    else:
        lines += [race.words, *_test_words(race), "Take it:", f"  {_command(data, race.winner, seed)}"]
    lines += left_out_lines(found.left_out)
    return "\n".join(lines)


_HEADER = (
    f"{'network':32} {'round':>5} {'of pictures':>11} {'right':>7} {'probably':>11} {'behind, points':>20} "
    f"{'head reads':>10} {'ms':>7} {'MB':>6}  {'licence':12}  what became of it"
)


def _line(row: ComparisonRow, race: Race) -> str:
    number, figure = _last_of(row.model, race)
    low, high = row.interval or (0.0, 1.0)
    became = figure.words if figure else ""
    name = row.model.partition("/")[2]
    return (
        f"{name:32} {number:>5} {row.total:>11,} {row.accuracy or 0:>7.1%} {f'{low:.0%} to {high:.0%}':>11} "
        f"{_behind(figure):>20} {_HEADS[row.head]:>10} {row.ms_per_image or 0:>7.1f} "
        f"{(row.size_bytes or 0) / 1e6:>6.0f}  {row.licence or 'not stated':12}  {became}"
    )


def _last_of(model: str, race: Race) -> tuple[int, RoundFigure | None]:
    """The last round that a network ran in, from 1, and its figure there."""
    found: tuple[int, RoundFigure | None] = (0, None)
    for number, one in enumerate(race.rounds, start=1):
        for figure in one.figures:
            if figure.model == model:
                found = number, figure
    return found


def _behind(figure: RoundFigure | None) -> str:
    if figure is None or figure.behind_interval == (0.0, 0.0):
        return "leads"
    low, high = (100 * end for end in figure.behind_interval)
    return f"{100 * figure.behind:.1f} ({low:.1f} to {high:.1f})"


def _test_words(race: Race) -> list[str]:
    test = race.test
    if test is None:
        return []
    low, high = test.interval
    return [
        f"On the {test.total} test pictures, which the race never looked at: {test.right} right, "
        f"{test.accuracy:.1%} (probably {low:.0%} to {high:.0%})."
    ]


def _command(data: str, model: str, seed: int) -> str:
    words = ["headswap", "train", data, "--model", model]
    words += ["--seed", str(seed)] if seed else []
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
