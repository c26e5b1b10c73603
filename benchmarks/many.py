"""Whether the memory of a run grows with its pictures: teach from more and more of them under a limit.

    python -m benchmarks.many [--pictures 1000 10000 100000] [--limit-mb 1500]

The pictures are drawn here: small JPEGs of coloured patches, ten classes. Each run is a process of its
own with the variables that the page gives its workers, under a limit of the same kind (RLIMIT_DATA: all
memory that it can write to and that is not a file). What it took at most is looked at ten times a second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import headswap
from headswap.app.processes.environment import child_environment
from headswap.app.processes.memory import hold_memory

CLASSES, SIDE = 10, 96
LOOKED_AT = {"RssAnon": "own memory", "VmData": "may be written to", "RssFile": "files", "RssShmem": "shared"}


def draw(folder: Path, numbers: range) -> None:
    """Patches in the hue of the class, most of them not at all like any other picture."""
    for number in numbers:
        random = np.random.default_rng(number)
        patches = random.integers(0, 256, (8, 8, 3))
        patches[..., number % 3] = (patches[..., number % 3] + 25 * (number % CLASSES)) // 2
        image = Image.fromarray(patches.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / f"class{number % CLASSES}" / f"{number}.jpg", quality=80)


def drawn(folder: Path, count: int) -> Path:
    for name in range(CLASSES):
        (folder / f"class{name}").mkdir(parents=True)
    parts = [range(start, min(start + 1000, count)) for start in range(0, count, 1000)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(draw, [folder] * len(parts), parts))
    return folder


def teach_under(limit_bytes: int, data: Path, folder: Path) -> None:
    """What the child does."""
    hold_memory(limit_bytes)
    most = dict.fromkeys(LOOKED_AT, 0)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in most:
                    most[name] = max(most[name], int(value.split()[0]))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    outcome = headswap.teach(data, out=folder / "bundle", workspace=folder / "work")
    seconds = time.perf_counter() - begin
    over.set()
    watcher.join()
    sizes = ", ".join(f"{words} {most[name] / 1000:.0f} MB" for name, words in LOOKED_AT.items())
    steps = ", ".join(f"{name} {value:.0f}" for name, value in outcome.seconds.items())
    print(
        f"{sum(outcome.counts.values()):8,} pictures  {seconds:6.0f} s  at most: {sizes}  ({steps})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", nargs="+", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--limit-mb", type=int, default=1500)
    parser.add_argument("--child", nargs=2, type=Path, metavar=("DATA", "FOLDER"), help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.child:
        teach_under(choices.limit_mb * 1_000_000, *choices.child)
        return
    for count in choices.pictures:
        with tempfile.TemporaryDirectory() as place:
            data = drawn(Path(place) / "data", count)
            child = [sys.executable, "-m", "benchmarks.many", "--limit-mb", str(choices.limit_mb)]
            subprocess.run([*child, "--child", str(data), place], check=True, env=child_environment({}))


if __name__ == "__main__":
    main()
