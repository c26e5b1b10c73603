"""What starting costs: whole processes of this clone and of another one, by turns.

    python -m benchmarks.starts [--against FOLDER] [--rounds 8] [--out starts.json]

A bundle is taught on the sample set first. Then, in each round and in each clone: what a worker imports
before it teaches, `headswap predict` of one image, `app.py` until it answers, and its page in a new profile
of Debian's headless Chromium until the networks are described (the mean of four, after a first one). Seconds
are those of a clock, and of processors: of the process and of all that it waited for; of `app.py`, of the
server alone; of an opened page, of the server, its processes and the browser until two seconds later. The
first round only warms the disk up and is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import psutil
from playwright.sync_api import Browser, sync_playwright

from tests.ports import free_port

HERE = Path(__file__).parents[1]
SAMPLE = HERE / "assets" / "sample" / "train"
IMAGE = SAMPLE / "fruit" / "pineapple.png"
WORKER = "from headswap.app.jobs.worker import _import_pipeline; _import_pipeline()"

OPENED = 4  # pages
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


@contextmanager
def page_of(clone: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Start the app and wait until it answers: its address and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as workspace, subprocess.Popen(
        [sys.executable, "app.py", "--no-browser", "--port", str(port), "--workspace", workspace], cwd=clone,
        stdout=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            while not answers(port):
                if server.poll() is not None:
                    raise RuntimeError(f"app.py of {clone} ended with {server.returncode}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/", psutil.Process(server.pid)
        finally:
            server.terminate()


def of_page(clone: Path) -> Seconds:
    """Until it answers."""
    begin = time.perf_counter()
    with page_of(clone) as (_, server):
        return time.perf_counter() - begin, busy_s([server])


def of_opened(clone: Path, browser: Browser) -> Seconds:
    """A page that is opened by someone who was never there."""
    clock = busy = 0.0
    with page_of(clone) as (url, server):
        for number in range(OPENED + 1):
            time.sleep(0.5)  # the processes of the page before are gone by then
            before = family_s(server)
            begin = time.perf_counter()
            with closing(browser.new_context()) as profile:
                page = profile.new_page()
                page.goto(url)
                page.wait_for_selector("#hs-cards .state")
                took_s = time.perf_counter() - begin
                page.wait_for_timeout(10_000 if number == 0 else 2_000)
                after = family_s(server)
            if number:
                clock, busy = clock + took_s, busy + after - before
    return clock / OPENED, busy / OPENED


def family_s(server: psutil.Process) -> float:
    """Of the server and the browser, with all that they started."""
    return busy_s([server, *server.children(recursive=True), *psutil.Process().children(recursive=True)])


def busy_s(processes: Iterable[psutil.Process]) -> float:
    """Seconds of processors of processes that are there."""
    total = 0.0
    for process in set(processes):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


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
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shell = shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=shell, args=["--no-sandbox", "--disable-gpu"])
        bundle = str(Path(folder) / "bundle")
        of_process(HERE, "-m", "headswap", "teach", str(SAMPLE), "--out", bundle)
        starts: dict[str, Callable[[Path], Seconds]] = {
            "worker": lambda clone: of_process(clone, "-c", WORKER),
            "predict": lambda clone: of_process(clone, "-m", "headswap", "predict", bundle, str(IMAGE)),
            "page": of_page,
            "opened": lambda clone: of_opened(clone, browser),
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
