"""Lean on headswap for as long as you like, and print what was seen.

python -m tests.soak                    everything; most of an hour on two cores
python -m tests.soak --short            a minute: the same trials with small numbers
python -m tests.soak --only workers     one trial
python -m tests.soak --minutes 30       how long the last trial, the steady one, goes on
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.soak.board import SHORT, Line, Size, table
from tests.soak.trials import TRIALS


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
    chosen = choices.parse_args()
    size = SHORT if chosen.short else Size()
    if chosen.minutes is not None:
        size = replace(size, minutes=chosen.minutes)
    lines = soak(size, [chosen.only] if chosen.only else list(TRIALS))
    sys.stdout.write(table(lines) + "\n")
    return 0 if all(one.passed for one in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
