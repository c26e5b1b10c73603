"""A comparison as text: one table; of a race also why the winner is taken, and the command that takes it.

Flow:  Comparison --compare--> Answer
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from headswap.cli.answers import Answer, Given, left_out_lines
from headswap.storage.files import to_plain

if TYPE_CHECKING:
    from headswap.pipeline.comparison import Comparison, ComparisonRow, Race, RoundFigure

_HEADS = {"last": "last", "wide": "every"}


def compare(found: Comparison, given: Given) -> Answer:
    """What a comparison says; 130 when it was stopped."""
    text = (
        _table(found)
        if found.race is None
        else race_text(found, found.race, given["data"], given.get("seed", 0))
    )
    return Answer(to_plain(found), text, code=130 if found.stopped else 0)


def _table(found: Comparison) -> str:
    lines = ["One network is nothing to compare: name two or more with --models."] * (len(found.rows) == 1)
    lines += [
        f"{'network':36} {score_title(found):>7}  {'probably':>12} {'seconds':>8} {'MB':>7} {'numbers':>12} "
        f"{'ms':>7}  head reads"
    ]
    lines += [_row_line(row, found) for row in found.rows if row.state == "done"]
    lines += [f"{row.model}: {row.reason}" for row in found.rows if row.state != "done"]
    lines += [f"{row.model}: {row.note}." for row in found.rows if row.note]
    total = sum(found.counts.values())
    if found.is_multi_label:  # a picture counts for each of its labels
        total = max((row.total for row in found.rows), default=0)
    lines.append(
        f"{total} pictures, each judged by a head that never saw it ({found.folds} folds). "
        f"{baseline_text(found)} ms: one prediction here."
    )
    if any(row.computed < total for row in found.rows if row.state == "done"):
        lines.append("* features were at hand, at least in part: the first time takes longer.")
    if found.stopped:
        lines.append("Stopped. These networks are kept; the same command goes on with the others.")
    lines += left_out_lines(found.left_out)
    return "\n".join(lines)


_READS = {"last": "the last layer", "wide": "every layer"}


def _row_line(row: ComparisonRow, found: Comparison) -> str:
    seconds = f"{row.seconds:.1f}{'*' if row.computed < row.total else ' '}"
    return (
        f"{row.model.partition('/')[2]:36} {score_text(row.score, found):>7}  "
        f"{interval_text(row, found):>12} {seconds:>8} {(row.size_bytes or 0) / 1e6:>7.1f} "
        f"{row.parameters or 0:>12,} {row.ms_per_image:>7.1f}  {_READS[row.head]}"
    )


def race_text(found: Comparison, race: Race, data: str, seed: int = 0) -> str:
    """Everything a person decides by.

    Args:
        found: of the race.
        race: the same one.
        data: as it was given, for the command.
        seed: of the split.
    """
    lines = [_header(found)]
    lines += [_line(row, found, race) for row in found.rows if row.state == "done" and row.total]
    lines += [f"{row.model}: {row.reason}" for row in found.rows if row.state != "done"]
    lines += [f"{row.model}: {row.note}." for row in found.rows if row.note]
    lines.append(
        f"Decided on {race.train_images} practice pictures, each judged by a head that never saw it "
        f"({found.folds} folds), compared picture by picture. {baseline_text(found)} ms: one "
        "prediction here. Licences are the libraries' own statements."
    )
    if found.stopped:
        lines.append("Stopped. What was computed is kept; the same command goes on from there.")
    lines += left_out_lines(found.left_out)
    if not race.winner:
        lines.append("No network has won.")
    else:
        lines += [race.text, *_test_text(race), "Take it:", f"  {_command(data, race.winner, seed)}"]
    return "\n".join(lines)


def score_title(found: Comparison) -> str:
    """Above the column of what networks are compared by."""
    return "mAP" if found.is_multi_label else "right"


def score_text(score: float | None, found: Comparison) -> str:
    """A share of right answers as a percentage; a mean average precision as it is."""
    return f"{score or 0:.2f}" if found.is_multi_label else f"{score or 0:.1%}"


def interval_text(row: ComparisonRow, found: Comparison) -> str:
    """Where the true score of a network lies, 95 of 100 times."""
    low, high = row.interval or (0.0, 1.0)
    return f"{low:.2f} to {high:.2f}" if found.is_multi_label else f"{low:.0%} to {high:.0%}"


def baseline_text(found: Comparison) -> str:
    """What a network has to beat."""
    if found.is_multi_label:
        return (
            "mAP: mean average precision over the labels; 1 is perfect, a blind guess gets "
            f"{found.baseline_accuracy:.2f}."
        )
    return f"Always saying {found.baseline_class} gets {found.baseline_accuracy:.0%}."


def _header(found: Comparison) -> str:
    behind = "behind" if found.is_multi_label else "behind, points"
    return (
        f"{'network':32} {'round':>5} {'of pictures':>11} {score_title(found):>7} {'probably':>12} "
        f"{behind:>20} {'head reads':>10} {'ms':>7} {'MB':>6}  {'licence':12}  what became of it"
    )


def _line(row: ComparisonRow, found: Comparison, race: Race) -> str:
    number, figure = _last_of(row.model, race)
    became = figure.text if figure else ""
    name = row.model.partition("/")[2]
    return (
        f"{name:32} {number:>5} {row.total:>11,} {score_text(row.score, found):>7} "
        f"{interval_text(row, found):>12} {_behind(figure):>20} {_HEADS[row.head]:>10} "
        f"{row.ms_per_image or 0:>7.1f} {(row.size_bytes or 0) / 1e6:>6.0f}  "
        f"{row.licence or 'not stated':12}  {became}"
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
    low, high = figure.behind_interval
    if figure.mean_average_precision is not None:
        return f"{figure.behind:.3f} ({low:.3f} to {high:.3f})"
    low, high = 100 * low, 100 * high
    return f"{100 * figure.behind:.1f} ({low:.1f} to {high:.1f})"


def _test_text(race: Race) -> list[str]:
    test = race.test
    if test is None:
        return [f"It could not be tested: {race.test_reason}"] if race.test_reason else []
    low, high = test.interval
    if test.mean_average_precision is not None:
        return [
            f"On the {test.total} exam pictures, which the race never looked at: every label right on "
            f"{test.right}, {test.accuracy:.1%} (probably {low:.0%} to {high:.0%}); mean average precision "
            f"{test.mean_average_precision:.2f}."
        ]
    return [
        f"On the {test.total} exam pictures, which the race never looked at: {test.right} right, "
        f"{test.accuracy:.1%} (probably {low:.0%} to {high:.0%})."
    ]


def _command(data: str, model: str, seed: int) -> str:
    arguments = ["headswap", "teach", data, "--model", model]
    arguments += ["--seed", str(seed)] if seed else []
    return subprocess.list2cmdline(arguments) if os.name == "nt" else shlex.join(arguments)
