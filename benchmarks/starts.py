"""What starting costs: whole processes of this clone and of another one, by turns.

    python -m benchmarks.starts [--against FOLDER] [--rounds 8] [--out starts.json]

A bundle is taught on the sample set first. Then, in each round and in each clone: what a worker imports
before it teaches, `headswap predict` of one image, and `app.py` until it answers. Seconds are those of a
clock, and of processors: of the process and of all that it waited for; of the page, of the server alone. The
first round only warms the disk up and is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import psutil

from tests.ports import free_port

HERE = Path(__file__).parents[1]
SAMPLE = HERE / "assets" / "sample" / "train"
IMAGE = SAMPLE / "fruit" / "pineapple.png"
WORKER = "from headswap.app.jobs.worker import _import_pipeline; _import_pipeline()"

Seconds = tuple[float, float]  # of a clock, of processors


def of_process(clone: Path, *arguments: str) -> Seconds:
    """Run Python in a clone, to its end."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=clone, env={**os.environ, "PYTHONPATH": str(clone)}, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    took_s, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_page(clone: Path) -> Seconds:
    """Start the app, wait until it answers, end it."""
    port, begin = free_port(), time.perf_counter()
    with tempfile.TemporaryDirectory() as workspace, subprocess.Popen(
        [sys.executable, "app.py", "--no-browser", "--port", str(port), "--workspace", workspace], cwd=clone,
        stdout=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            while not answers(port):
                if server.poll() is not None:
                    raise RuntimeError(f"app.py of {clone} ended with {server.returncode}")
                time.sleep(0.05)
            times = psutil.Process(server.pid).cpu_times()
            return time.perf_counter() - begin, times.user + times.system
        finally:
            server.terminate()


def answers(port: int) -> bool:
    """Whether the page is there."""
    with suppress(URLError, ConnectionError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return bool(answer.status == 200)
    return False


def spread(seconds: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(seconds):5.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, help="another clone; its starts are measured by turns")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    clones = {"this": HERE} | ({"other": choices.against.resolve()} if choices.against else {})
    measured: dict[str, dict[str, list[Seconds]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        bundle = str(Path(folder) / "bundle")
        of_process(HERE, "-m", "headswap", "teach", str(SAMPLE), "--out", bundle)
        starts: dict[str, Callable[[Path], Seconds]] = {
            "worker": lambda clone: of_process(clone, "-c", WORKER),
            "predict": lambda clone: of_process(clone, "-m", "headswap", "predict", bundle, str(IMAGE)),
            "page": of_page,
        }
        for number in range(choices.rounds + 1):
            for name, start in starts.items():
                for where, clone in clones.items():
                    seconds = start(clone)
                    if number:
                        measured[name][where].append(seconds)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {choices.rounds} rounds")
    for name, by_clone in measured.items():
        for where, some in by_clone.items():
            clock, busy = (spread([one[kind] for one in some]) for kind in (0, 1))
            print(f"{name:8} {where:6} clock {clock}, processors {busy}")
    if choices.out:
        choices.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
