"""Whether following the advice pays: teach the head, do what the report says, sit the same exam again.

    python -m benchmarks.advice DATA... [--seeds 0 1 2 3 4] [--budget 120] [--json FILE]
    python -m benchmarks.advice DATA... --always --as-long-as teach.json

Each seed is another split of the set. Where the report of the solved head advises to let more of
the body move, the run is repeated with depth "auto", as the page does at one press, and both
networks are compared on the same exam pictures, which neither has practised on. The gain is the
mean over the splits, its standard error from their spread. With --always the run is repeated
whatever the report says; with --as-long-as it may take as long as fastai took on the same set
(rows of `benchmarks.teach`).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import headswap
from headswap.evaluation.report import Report
from headswap.training.config import TrainConfig


@dataclass(frozen=True)
class Row:
    """One split: before and after the advice."""

    data: str
    seed: int
    advised: bool
    before: float  # accuracy in the exam
    after: float  # the same as before where nothing was advised
    depth: str  # what moved in the end
    seconds: float  # that following it took


def measure(source: Path, seed: int, budget_s: float, always: bool) -> Row:
    """Teach, read the advice, follow it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def trained(name: str, config: TrainConfig) -> Report:
            outcome = headswap.teach(
                source, out=place / name, seed=seed, config=config, workspace=place / "work"
            )
            return outcome.report

        report = trained("head", TrainConfig())
        before = report.test_right / report.test_total
        advised = any(one.moves_backbone for one in report.advice)
        if not advised and not always:
            return Row(source.name, seed, False, before, before, "head", 0.0)
        begin = time.perf_counter()
        moved = trained("auto", TrainConfig(depth="auto", budget_s=budget_s))
        seconds = time.perf_counter() - begin
        depth = moved.finetune.depth if moved.finetune else "head"
        after = moved.test_right / moved.test_total
        return Row(source.name, seed, advised, before, after, depth, round(seconds, 1))


def summary(name: str, rows: Sequence[Row]) -> str:
    """Gain of some splits in percentage points, over those on which more was tried."""
    gains = [100 * (row.after - row.before) for row in rows if row.seconds]
    advised = f"{name:24} advised on {sum(row.advised for row in rows)} of {len(rows)} splits"
    if len(gains) < 2:
        return f"{advised}: nothing to compare"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    moved = sum(row.depth != "head" for row in rows)
    return f"{advised}, moved on {moved}: {statistics.mean(gains):+.1f} points, standard error {error:.1f}"


def budgets(file: Path) -> dict[str, float]:
    """Seconds that fastai took on each set."""
    return {row["data"]: row["seconds"] for row in json.loads(file.read_text()) if row["way"] == "fastai"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--budget", type=float, default=120.0, help="seconds for each run that goes further")
    parser.add_argument("--always", action="store_true", help="go further whatever is advised")
    parser.add_argument("--as-long-as", type=Path, metavar="FILE", help="rows of benchmarks.teach")
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    long = budgets(choices.as_long_as) if choices.as_long_as else {}
    rows: list[Row] = []
    for source in choices.data:
        for seed in choices.seeds:
            row = measure(source, seed, long.get(source.name, choices.budget), choices.always)
            rows.append(row)
            print(
                f"{row.data:24} {seed}  {row.before:.3f} -> {row.after:.3f}  "
                f"{row.depth}  {row.seconds:.1f} s",
                flush=True,
            )
            if choices.json:
                choices.json.write_text(json.dumps([asdict(one) for one in rows], indent=1))
        print(summary(source.name, [row for row in rows if row.data == source.name]), flush=True)
    if len(choices.data) > 1:
        print(summary("all", rows))


if __name__ == "__main__":
    main()
