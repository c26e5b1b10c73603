"""Does a race find the network that a full comparison finds, and what does it save?

    python -m benchmarks.race DATA... [--seeds 0 1 2] [--weights-folder FOLDER] [--json FILE]

Of each set: first a race among every network whose weights are here, with no features at hand; then, again
with none, every network over all pictures, as `compare` judges it. Regret is how much smaller the share of
right answers of the race's choice is than that of the best network, both by that comparison; chance is in it.
The seconds are of the first seed, wall and processor; the races of the other seeds take features that are
there. Everything runs in torch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from headswap.features import autotune
from headswap.pipeline.comparison import Comparison, RaceRound
from headswap.pipeline.race import RaceSetting, race
from headswap.pipeline.scoring import check_foldable, score_network, task_of
from headswap.zoos.candidates import NetworkLimits, candidates
from headswap.zoos.catalogue import load_network
from headswap.zoos.zoo import ZooSettings


@dataclass(frozen=True)
class RoundRun:
    """One round: pictures; of each network that ran, the best first, right answers and points behind."""

    images: int
    right: dict[str, int]
    behind: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Raced:
    """One race."""

    data: str
    seed: int
    winner: str
    rounds: list[RoundRun]
    ms: dict[str, float]  # one prediction of each network here
    right: dict[str, float]  # of each network over all pictures
    regret: float
    test_accuracy: float
    seconds: tuple[float, float]  # of the race: wall, processor
    all_seconds: tuple[float, float]  # of all networks over all pictures


def to_the_end(data: Path, names: list[str], workspace: Path, settings: ZooSettings) -> dict[str, float]:
    """The share of right answers of every network over all pictures, as `compare` judges it."""
    from headswap.heads.detect import locate_head
    from headswap.training.head_choice import source_of

    task = task_of(
        data, names, folds=5, seed=0, workspace=workspace, settings=settings, listener=lambda event: None
    )
    images = task.manifest.images
    check_foldable(task.manifest.classes, images)
    right = {}
    for name in names:
        network = load_network(name, settings=settings)
        source = source_of(network, locate_head(network), "auto", len(images))
        right[name] = score_network(task, source, images, lambda event: None).right / len(images)
    return right


class Clock:
    """Seconds since it was made: wall, processor."""

    def __init__(self) -> None:
        self._wall, self._own = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> tuple[float, float]:
        return round(time.perf_counter() - self._wall, 1), round(time.process_time() - self._own, 1)


def races_of(data: Path, seeds: list[int], settings: ZooSettings) -> list[Raced]:
    """The races on one set."""
    with tempfile.TemporaryDirectory() as place:
        raced: list[tuple[int, Comparison, tuple[float, float]]] = []
        for seed in seeds:
            clock = Clock()
            found = race(data, RaceSetting(seed=seed), workspace=Path(place), settings=settings)
            raced.append((seed, found, clock.seconds))
        names = [row.model for row in raced[0][1].rows if row.state == "done"]
        shutil.rmtree(Path(place) / "features", ignore_errors=True)
        clock = Clock()
        right = to_the_end(data, names, Path(place), settings)
        all_seconds = clock.seconds
    return [
        Raced(
            data=data.name,
            seed=seed,
            winner=found.race.winner,
            rounds=[_run_of(one) for one in found.race.rounds],
            ms={row.model: row.ms_per_image or 0.0 for row in found.rows if row.state == "done"},
            right=right,
            regret=round(max(right.values()) - right[found.race.winner], 4),
            test_accuracy=round(found.race.test.accuracy, 4) if found.race.test else 0.0,
            seconds=seconds,
            all_seconds=all_seconds,
        )
        for seed, found, seconds in raced
        if found.race is not None and found.race.winner
    ]


def _run_of(one: RaceRound) -> RoundRun:
    return RoundRun(
        images=one.images,
        right={figure.model: figure.right for figure in one.figures},
        behind={figure.model: figure.behind_interval for figure in one.figures},
    )


def main() -> int:
    """Print a row for each race, then the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--weights-folder", type=Path, help="holds ZOO/NAME.safetensors of more networks")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = ZooSettings(cache=options.weights_folder, offline=True)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    autotune.WORTH_S = math.inf  # torch throughout: a busy moment must not decide that engines are measured
    candidates(NetworkLimits(), settings=settings)  # the libraries are imported before the clock starts
    rows: list[Raced] = []
    for data in options.data:
        for row in races_of(data, options.seeds, settings):
            rows.append(row)
            shares = ", ".join(f"{name.partition('/')[2]} {share:.3f}" for name, share in row.right.items())
            print(
                f"{row.data:22} seed {row.seed}: {row.winner} regret {100 * row.regret:.1f}, test "
                f"{row.test_accuracy:.3f}, {row.seconds} s, all {row.all_seconds} s; {shares}",
                flush=True,
            )
    first = [row for row in rows if row.seed == options.seeds[0]]
    print(f"mean regret {100 * sum(row.regret for row in rows) / len(rows):.2f} points of {len(rows)} races")
    for number, kind in enumerate(("wall", "processor")):
        mine, whole = sum(row.seconds[number] for row in first), sum(row.all_seconds[number] for row in first)
        print(f"{kind}: {mine:.1f} s, all to the end {whole:.1f} s")
    if options.json:
        lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
        options.json.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
