"""What a person at the page sees of a cluster whose parts are killed, in a real browser.

    python -m benchmarks.cluster_page [--worker 10] [--node 1] [--head 1] [--seed 0] [--out FILE]
        [--screenshots FOLDER]

Pictures are drawn, `python app.py --on auto` is started next to two `ray start` nodes of one processor on
loopback, and everything else is pressed in Chromium. First a run is started, watched, and stopped. Then the
same pictures are taught as often as was asked for, each time with nothing kept of their features, while one
process is ended by SIGKILL at a random moment: the fenced worker of the run, the raylet of the node that is
not the head, or the GCS of the head (which is started again at the same address when the page says that the
run waits). No one presses anything after a kill. What must hold: each run ends done, and every picture's
features are on the shelf. How many were computed twice is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.cluster import draw
from benchmarks.cluster_kills import Cluster, shelf
from tests.e2e.house import FLAGS, House, Visit, app_running, chromium_path, visiting

KINDS = ("worker", "node", "head")
PICTURES = 1056  # 32 that decide the engine, and four parcels
MOST_S = 600.0  # of one run
WAITS = "Waits for the cluster"


@dataclass(frozen=True)
class Seen:
    """One run, from the press of *Teach* on."""

    kind: str  # what was killed; "": nothing, and the run was stopped
    killed_at_s: float | None  # after the press; None: the run was over before
    waits_after_s: float | None  # from the kill to the words that it waits for the cluster
    seconds: float
    state: str
    attempts: int
    crashes: int
    lacking: int  # pictures whose features are not on the shelf
    twice: int  # pictures whose features were computed more than once
    load_before: float


def until(what: Callable[[], bool], seconds: float = MOST_S) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


class Desk:
    """A browser before the page of a server that has joined a cluster."""

    def __init__(self, visit: Visit, house: House, cluster: Cluster, screenshots: Path | None) -> None:
        self.visit, self.house, self.cluster, self.screenshots = visit, house, cluster, screenshots

    def give(self, data: Path) -> None:
        self.visit.open_step("pictures")
        self.visit.page.set_input_files("#hs-picker input[type=file]", data)
        self.visit.wait("#hs-classes .klass")
        self.visit.open_step("teaching")
        self.visit.wait("#hs-cluster:has-text('2 processors')")

    def photograph(self, name: str) -> None:
        if self.screenshots:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            self.visit.page.screenshot(path=self.screenshots / f"{name}.png")

    def teach(self) -> float:
        """Press it with nothing kept; returns when."""
        for bank in {path.parent for path in self.house.workspace.glob("features/*/*.safetensors")}:
            shutil.rmtree(bank)
        self.visit.open_step("teaching")
        self.visit.wait("#hs-teach:not([disabled])")
        before = self.run_id()
        self.visit.page.click("#hs-teach")
        until(lambda: self.run_id() != before)
        return time.monotonic()

    def is_on_the_cluster(self) -> bool:
        """Whether one of its processes does a part of the work."""
        return bool(self.cluster.processes("worker"))

    def run_id(self) -> str | None:
        job = self.house.newest_job()
        return None if job is None else str(job["id"])

    def state(self) -> str:
        job = self.house.newest_job()
        return "" if job is None else str(job["state"])

    def worker(self) -> psutil.Process | None:
        """The process that does the newest run."""
        pid = self.house.newest_worker()
        return psutil.Process(pid) if pid is not None and psutil.pid_exists(pid) else None

    def seen(self, kind: str, begin: float, killed: float | None, waits: float | None, load: float) -> Seen:
        row = self.house.newest_job()
        assert row is not None
        kept = shelf(self.house.workspace) if row["state"] == "done" else {}
        return Seen(
            kind=kind,
            killed_at_s=None if killed is None else round(killed, 1),
            waits_after_s=None if waits is None else round(waits, 1),
            seconds=round(time.monotonic() - begin, 1),
            state=row["state"],
            attempts=row["attempt"],
            crashes=row["crashes"],
            lacking=PICTURES - len(kept),
            twice=sum(shards > 1 for shards in kept.values()),
            load_before=round(load, 1),
        )

    def stopped(self) -> Seen:
        """Start it, watch it, stop it."""
        load, begin = os.getloadavg()[0], self.teach()
        until(self.is_on_the_cluster)
        self.visit.page.wait_for_function(
            "() => document.querySelector('#hs-live .bar')?.ariaValueNow > 0", timeout=MOST_S * 1000
        )
        self.photograph("watched")
        self.visit.page.click("#hs-stop")
        self.visit.wait("#hs-chip [data-state=cancelled]")
        self.photograph("stopped")
        return self.seen("", begin, None, None, load)

    def disturbed(self, kind: str, share: float, alone_s: float) -> Seen:
        """One run in which something of a kind is killed, so far through what a run takes."""
        load, begin = os.getloadavg()[0], self.teach()
        until(self.is_on_the_cluster)
        waits = None
        until(lambda: time.monotonic() - begin > share * alone_s or self.state() == "done")
        is_over = self.state() == "done"
        victim = self.worker() if kind == "worker" else next(iter(self.cluster.processes(kind)), None)
        killed = None if is_over or victim is None else time.monotonic()
        if killed and victim:
            victim.kill()
        if killed and kind == "head":
            self.visit.wait(f"#hs-chip:has-text('{WAITS}')")
            waits = time.monotonic() - killed
            self.photograph("waits")
            self.cluster.begin_again()
        until(lambda: self.state() in ("done", "failed", "cancelled"))
        self.visit.wait("#hs-chip [data-state=done]")  # with that the page opens the report by itself
        self.visit.wait("#hs-verdict .verdict")
        self.photograph(f"{kind} killed")
        seen = self.seen(kind, begin, killed and killed - begin, waits, load)
        if killed and kind == "node":
            self.cluster.join(1)
        return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=10 if kind == "worker" else 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--screenshots", type=Path)
    choices = parser.parse_args()
    draws, runs = random.Random(choices.seed), []
    cluster = Cluster()
    os.environ.update(cluster.env)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, closing(cluster):
        draw(Path(folder) / "data", PICTURES)
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        with (
            app_running(Path(folder) / "workspace", "--on", "auto") as house,
            visiting(browser, house) as visit,
        ):
            desk = Desk(visit, house, cluster, choices.screenshots)
            desk.give(Path(folder) / "data")
            runs.append(desk.stopped())
            print(json.dumps(asdict(runs[-1])), flush=True)
            runs.append(desk.disturbed("", float("inf"), 1.0))
            print(json.dumps(asdict(runs[-1])), flush=True)
            alone_s = runs[-1].seconds
            kills = [kind for kind in KINDS for _ in range(getattr(choices, kind))]
            draws.shuffle(kills)
            for kind in kills:
                runs.append(desk.disturbed(kind, draws.uniform(0.2, 0.8), alone_s))
                print(json.dumps(asdict(runs[-1])), flush=True)
                if choices.out:
                    choices.out.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
            if visit.errors or visit.strangers:
                print(json.dumps({"console": visit.errors, "strangers": visit.strangers}))
        browser.close()
    if runs[0].state != "cancelled" or any(run.state != "done" or run.lacking for run in runs[1:]):
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
