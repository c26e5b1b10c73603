"""`headswap compare DATA --models A B C|auto`: which network fits these pictures, how fast, how large."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.cli.race_table import baseline_text, interval_text, race_text, score_text, score_title
from headswap.cli.verb import (
    DATA,
    VerbAnswer,
    Verbs,
    add_cluster,
    add_shelf,
    cluster_of,
    left_out_lines,
    new_verb,
    shelf_named,
)
from headswap.errors import BadSetting
from headswap.storage.locations import why_not_writable
from headswap.training.config import HeadKind

if TYPE_CHECKING:
    from headswap.pipeline.comparison import Comparison, ComparisonRow


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "compare", run)
    sub.add_argument("data", help=DATA)
    sub.add_argument(
        "--models", nargs="+", required=True, metavar="MODEL", help="networks of any zoo, or auto"
    )
    race = sub.add_argument_group(
        "a race, with --models auto", "among the networks whose weights are here; the fitting one is named"
    )
    race.add_argument("--fetch", action="store_true", help="download a short list of good ones too")
    race.add_argument("--most-ms", type=float, metavar="N", help="at most N ms for one prediction here")
    race.add_argument("--most-mb", type=float, metavar="N", help="at most N MB of weights")
    race.add_argument("--any-use", action="store_true", help="only those whose licence allows any use")
    sub.add_argument("--folds", type=int, default=5, help="parts of the pictures; default: %(default)s")
    sub.add_argument("--seed", type=int, default=0, help="drives the folds; default: %(default)s")
    add_shelf(sub)
    add_cluster(sub)
    sub.add_argument("--plot", metavar="FILE.svg", help="draw accuracy against speed")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Judge several networks on the same pictures."""
    from headswap.pipeline.compare import compare

    plot = Path(choices.plot) if choices.plot else None
    if plot is not None and plot.suffix.lower() != ".svg":
        raise BadSetting(f"The plot would be called {plot.name}.", remedy="Let its name end in .svg.")
    if plot is not None and not plot.resolve().parent.is_dir():
        raise BadSetting(f"There is no folder {plot.parent}.", remedy="Make it, or choose another.")
    reason = why_not_writable(plot) if plot is not None else ""
    if reason:
        raise BadSetting(f"{plot} cannot be written: {reason}.", remedy="Choose another place for the plot.")
    with choices.new_bars() as bars:
        found = compare(
            choices.data,
            models=choices.models,
            folds=choices.folds,
            seed=choices.seed,
            fetch=choices.fetch,
            most_ms=choices.most_ms,
            most_mb=choices.most_mb,
            any_use=choices.any_use,
            workspace=choices.workspace,
            shelf=shelf_named(choices),
            on=cluster_of(choices),
            listener=bars,
        )
    if plot is not None:
        _draw(found, plot)
    return VerbAnswer(
        _record_of(found), _text(found, choices.data, choices.seed), code=130 if found.stopped else 0
    )


def _draw(found: Comparison, plot: Path) -> None:
    from headswap.pipeline.comparison import dots_of
    from headswap.plots.scatter import svg_file
    from headswap.storage.files import write_text

    dots = dots_of(found)
    if not dots:
        raise BadSetting("No network could be judged, so there is nothing to draw.", remedy=_why(found))
    write_text(plot, svg_file(dots, f"{found.scale.subject} against speed", found.scale))


def _why(found: Comparison) -> str:
    return found.rows[0].reason if found.rows else "Let it run longer."


def _record_of(found: Comparison) -> dict[str, Any]:
    from headswap.storage.files import to_plain

    record: dict[str, Any] = to_plain(found)
    return record


def _text(found: Comparison, data: str, seed: int) -> str:
    return _table(found) if found.race is None else race_text(found, found.race, data, seed)


def _table(found: Comparison) -> str:
    lines = ["One network is nothing to compare: name two or more with --models."] * (len(found.rows) == 1)
    lines += [
        f"{'network':36} {score_title(found):>7}  {'probably':>12} {'seconds':>8} {'MB':>7} {'numbers':>12} "
        f"{'ms':>7}  head reads"
    ]
    lines += [_line(row, found) for row in found.rows if row.state == "done"]
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


_HEADS: dict[HeadKind, str] = {"last": "the last layer", "wide": "every layer"}


def _line(row: ComparisonRow, found: Comparison) -> str:
    seconds = f"{row.seconds:.1f}{'*' if row.computed < row.total else ' '}"
    return (
        f"{row.model.partition('/')[2]:36} {score_text(row.score, found):>7}  "
        f"{interval_text(row, found):>12} {seconds:>8} {(row.size_bytes or 0) / 1e6:>7.1f} "
        f"{row.parameters or 0:>12,} {row.ms_per_image:>7.1f}  {_HEADS[row.head]}"
    )
