"""Lean on headswap for as long as you like, and print what was seen.

python -m tests.soak                    everything; most of an hour on two cores
python -m tests.soak --short            a minute: the same trials with small numbers
python -m tests.soak --only workers     one trial
python -m tests.soak --minutes 30       how long the last trial, the steady one, goes on

Trials that take long can be run in parts, whose figures are added up:

python -m tests.soak --only servers --count 10 --seed 1 --scores FILE
python -m tests.soak --sum FILE         all parts that were written there
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.soak.board import SHORT, Line, Size, added, read_scores, table, write_scores
from tests.soak.trials import COUNTED, TRIALS


def soak(size: Size, names: list[str]) -> list[Line]:
    """Run trials, one after the other, each in a folder of its own."""
    lines: list[Line] = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix=f"headswap-soak-{name}-") as place:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name} ...\n")
            lines += TRIALS[name](size, Path(place))
    return lines


def main() -> int:
    """Read the choices; 0 when everything passed."""
    choices = argparse.ArgumentParser(prog="python -m tests.soak", description="What headswap withstands.")
    choices.add_argument("--short", action="store_true", help="small numbers: about a minute")
    choices.add_argument("--minutes", type=float, help="how long the steady trial goes on")
    choices.add_argument("--only", choices=sorted(TRIALS), help="one trial")
    choices.add_argument("--count", type=int, help="with --only: how many kills, teachings, clients, ...")
    choices.add_argument("--seed", type=int, default=0, help="another one for every part")
    choices.add_argument("--patience", type=float, help="seconds that a client waits for its own run")
    choices.add_argument("--scores", type=Path, help="add what was seen to this file")
    choices.add_argument("--sum", type=Path, help="run nothing; print the sums of this file")
    chosen = choices.parse_args()
    if chosen.sum:
        return _shown(added(read_scores(chosen.sum)))
    size = replace(SHORT if chosen.short else Size(), seed=chosen.seed)
    if chosen.count is not None:
        if chosen.only not in COUNTED:
            choices.error(f"--count goes with --only and one of {', '.join(COUNTED)}")
        size = replace(size, **{COUNTED[chosen.only]: chosen.count})
    if chosen.patience is not None:
        size = replace(size, patience_s=chosen.patience)
    if chosen.minutes is not None:
        size = replace(size, minutes=chosen.minutes)
    lines = soak(size, [chosen.only] if chosen.only else list(TRIALS))
    if chosen.scores:
        write_scores(chosen.scores, lines)
    return _shown(lines)


def _shown(lines: list[Line]) -> int:
    sys.stdout.write(table(lines) + "\n")
    return 0 if all(one.passed for one in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
