"""`headswap label DATA --csv FILE`: which pictures that no one has sorted to name next."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from headswap.cli.progress import Bars
from headswap.cli.verb import VerbAnswer, Verbs, new_verb
from headswap.counted import counted
from headswap.zoos.catalogue import DEFAULT_MODEL


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "label", run)
    sub.add_argument("data", help="a folder with pictures at any depth, or a zip")
    sub.add_argument(
        "--csv", required=True, metavar="FILE",
        help="the table; fill in its column label and give the same line again: what is in it is kept",
    )  # fmt: skip
    sub.add_argument(
        "--labels",
        metavar="FILE",
        help="a table with the answers so far; default: that of --csv, if there",
    )
    sub.add_argument("--model", default=DEFAULT_MODEL, help="whose body sees them; default: %(default)s")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Group pictures that no one has sorted, and say which to name next."""
    from headswap.pipeline.label import label
    from headswap.storage.files import to_plain, write_text

    target = Path(choices.csv)
    answers = choices.labels or (target if target.is_file() else None)
    with Bars() as bars:
        found = label(
            choices.data, labels=answers, model=choices.model, workspace=choices.workspace, listener=bars
        )
    own = {path.resolve() for path in (target, Path(choices.labels or target))}
    others = (left for left in found.left_out if Path(choices.data, left.file).resolve() not in own)
    found = replace(found, left_out=tuple(others))
    write_text(target, found.csv)
    asked = [row for row in found.rows if row.ask]
    lines = [f"left out: {left.file}: {left.reason}" for left in found.left_out]
    lines += [f"{row.ask:>3}  {row.file}{_guess(row.suggested, row.sure)}" for row in asked]
    images = counted(len(found.rows), "picture")
    lines.append(f"{found.labelled} of {images} have a label. {_next(target, bool(asked))}")
    return VerbAnswer(to_plain(found), "\n".join(lines))


def _guess(suggested: str, sure: float | None) -> str:
    return f"  {suggested}? {sure:.0%}" if suggested and sure is not None else ""


def _next(target: Path, is_open: bool) -> str:
    if not is_open:
        return f"Put {target} next to the pictures, and teach."
    return f"Fill in the column label of {target}, the numbered ones first, and give the same line again."
