"""What a cluster would need for 10 million and for 1 billion images: a simulation fed with measurements.

    python -m benchmarks.cluster_on_paper [--images 10000000 1000000000] [--processors 64 256 1024 4096]
        [--seed 0] [--out cluster-on-paper.json]

Simulated, event by event, is how `headswap.cluster.ray_crew` hands out chunks of 256 files: two of each
processor are on their way, one driver hands out and takes in, one store gives bytes, processors differ, are
slow now and then, fail and die. What comes afterwards is not simulated but computed: near duplicates, on all
processors, from what 16,000 images took; the head, on one machine, from 100,000. `MEASURED` says what was
measured, `ASSUMED` what was not. The driver's work on one answer is measured again by each call. No cluster
is started.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from headswap.cluster.ray_crew import AHEAD
from headswap.data.manifest import ImageRecord
from headswap.pipeline.spread import CHUNK, ChunkAnswer, FileAnswer
from headswap.storage.files import from_plain, to_plain

MEASURED = {  # Ray 2.60, EfficientNet-Lite0, JPEGs of 256 px, two cores of a virtual machine
    "images_s_of_a_processor": 134.0,  # one node of one processor
    "images_s_of_two_nodes": 261.0,  # 259 to 263
    "handed_out_s": 1340.0,  # tasks a second, 60 kB both ways
    "near_duplicates_s_at_16k": 15.2,  # of a processor; grows with the square, and is spread over the crew
    "head_s_at_100k": 239.0,  # ten classes or so, one machine; grows with the number
    "manifest_bytes_of_an_image": 654.0,  # in the memory of the driver
}
ASSUMED = {
    "image_bytes": 110_000.0,  # a JPEG of 500 px
    "store_bytes_s": 5e9,  # an object store, by all machines together: 40 Gbit/s
    "processor_hour_usd": 0.04,
    "million_gets_usd": 0.40,
    "features": 1280.0,
}
DIES_S = 61.0  # until a machine that is gone is noticed
NODE = 16  # processors of a machine


@dataclass(frozen=True)
class Faults:
    """What goes wrong, by chance."""

    spread: float = 0.0  # of the speed of processors, as a share (log-normal)
    slow: float = 0.0  # share of chunks that meet a straggler
    slow_times: float = 8.0  # how much longer that takes
    fails: float = 0.0  # share of chunks that end their process, and are done again
    machine_hours: float = 0.0  # between two deaths of one machine, in the mean; 0: none dies


WELL = Faults()
ILL = Faults(spread=0.15, slow=0.01, fails=0.001, machine_hours=200.0)


@dataclass(frozen=True)
class Run:
    """One simulated run of reading and seeing, and what comes after it."""

    images: int
    processors: int
    faults: bool
    hours: float  # of reading and seeing
    images_s: float
    of_ideal: float  # of so many processors that never wait
    waits_for: str  # what is busy all the time: "processors", "driver" or "store"
    driver_busy: float  # share of the time
    store_busy: float
    done_again: int  # chunks
    usd: float  # processors, and requests for files of their own
    near_duplicates_hours: float  # on all processors, afterwards
    head_hours: float  # on one machine
    manifest_gb: float
    features_gb: float


def driver_s() -> float:
    """Processor seconds that the driver spends on the answer of one chunk, measured here."""
    image = ImageRecord(
        file="train/some class/some name of a file.jpg", source="ab/" + "c" * 44, class_name="some class",
        sha256="d" * 64, width=500, height=375, fingerprint="e" * 64, brightness=0.5, border=0.4,
        thumbnail="f" * 344,
    )  # fmt: skip
    files = tuple(FileAnswer(images=(image,)) for _ in range(CHUNK))
    answer = ChunkAnswer(machine="node-17", files=files)
    text = json.dumps(to_plain(answer))
    begin = time.process_time()
    for _ in range(20):
        from_plain(ChunkAnswer, json.loads(text))
    return (time.process_time() - begin) / 20 + 1 / MEASURED["handed_out_s"]


def simulate(images: int, processors: int, faults: Faults, handling_s: float, seed: int) -> Run:
    """Hand out all chunks; every one is done in the end, whatever dies."""
    rng = np.random.default_rng(seed)
    chunks = -(-images // CHUNK)
    speeds = np.exp(rng.normal(0, faults.spread, processors)).tolist()
    see_s = CHUNK / MEASURED["images_s_of_a_processor"]
    copy_s = CHUNK * ASSUMED["image_bytes"] / ASSUMED["store_bytes_s"]
    driver, store, busy_driver, busy_store, again = 0.0, 0.0, 0.0, 0.0, 0
    free_at = [0.0] * processors
    dies = _deaths(rng, processors, faults)
    next_death = next(dies)
    lives = [0] * processors  # how often its machine was replaced
    left, done, now = chunks, 0, 0.0
    coming: list[tuple[float, int, int, bool]] = []  # when, which processor, in which life, whether it fails

    def hand_out(processor: int, at: float) -> None:
        """One more chunk behind what this processor has: its bytes come through the one store."""
        nonlocal store, busy_store, left
        left -= 1
        store = max(store, at) + copy_s
        busy_store += copy_s
        took = see_s / speeds[processor]
        if faults.slow and rng.random() < faults.slow:
            took *= faults.slow_times
        end = max(free_at[processor], store, at) + took
        free_at[processor] = end
        fails = bool(faults.fails and rng.random() < faults.fails)
        heapq.heappush(coming, (end, processor, lives[processor], fails))

    for processor in [one for _ in range(AHEAD) for one in range(processors)]:
        if left:
            driver += 1 / MEASURED["handed_out_s"]
            hand_out(processor, driver)
    while done < chunks:
        now, processor, life, fails = heapq.heappop(coming)
        while now >= next_death[0]:
            _bury(next_death, free_at, lives)
            next_death = next(dies)
        if fails or life != lives[processor]:  # what a machine had in hand when it died
            again += 1
            left += 1
        else:
            done += 1
        driver = max(driver, now) + handling_s
        busy_driver += handling_s
        if left > 0:
            hand_out(processor, driver)
    return _run_of(images, processors, faults, max(now, driver), (busy_driver, busy_store), again)


def _deaths(rng: np.random.Generator, processors: int, faults: Faults) -> Iterator[tuple[float, int]]:
    """When a machine dies, and which; another takes its part after a while."""
    at = 0.0
    machines = max(1, processors // NODE)
    while faults.machine_hours and processors > NODE:
        at += rng.exponential(faults.machine_hours * 3600 / machines)
        yield at, int(rng.integers(machines))
    while True:
        yield float("inf"), 0


def _bury(death: tuple[float, int], free_at: list[float], lives: list[int]) -> None:
    """Its processors are silent until that is noticed and another machine has begun."""
    at, machine = death
    for processor in range(machine * NODE, (machine + 1) * NODE):
        free_at[processor] = max(free_at[processor], at) + DIES_S
        lives[processor] += 1


def _run_of(
    images: int, processors: int, faults: Faults, seconds: float, busy: tuple[float, float], again: int
) -> Run:
    seconds = float(seconds)
    rate = float(images / seconds)
    shares = {"driver": busy[0] / seconds, "store": busy[1] / seconds}
    worst = max(shares, key=lambda name: shares[name])
    return Run(
        images=images,
        processors=processors,
        faults=faults != WELL,
        hours=round(seconds / 3600, 3),
        images_s=round(rate, 1),
        of_ideal=round(rate / processors / MEASURED["images_s_of_a_processor"], 3),
        waits_for=worst if shares[worst] > 0.95 else "processors",
        driver_busy=round(shares["driver"], 3),
        store_busy=round(shares["store"], 3),
        done_again=again,
        usd=round(
            seconds / 3600 * processors * ASSUMED["processor_hour_usd"]
            + images / 1e6 * ASSUMED["million_gets_usd"],
            2,
        ),
        near_duplicates_hours=round(_pairs_s(images) / processors / 3600, 1),
        head_hours=round(MEASURED["head_s_at_100k"] * images / 1e5 / 3600, 2),
        manifest_gb=round(images * MEASURED["manifest_bytes_of_an_image"] / 1e9, 2),
        features_gb=round(images * ASSUMED["features"] * 4 / 1e9, 1),
    )


def _pairs_s(images: int) -> float:
    """Processor seconds to search for near duplicates: each image is compared with each."""
    return MEASURED["near_duplicates_s_at_16k"] * (images / 16_000) ** 2


def held_against_measured(handling_s: float) -> dict[str, float]:
    """4,096 images on one node and on two, as they were measured; steady rates."""
    two = simulate(409_600, 2, WELL, handling_s, 0).images_s
    return {
        "simulated, one node": simulate(409_600, 1, WELL, handling_s, 0).images_s,
        "measured, one node": MEASURED["images_s_of_a_processor"],
        "simulated, two nodes": two,
        "measured, two nodes": MEASURED["images_s_of_two_nodes"],
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--images", type=int, nargs="+", default=[10_000_000, 1_000_000_000])
    words.add_argument("--processors", type=int, nargs="+", default=[64, 256, 1024, 4096])
    words.add_argument(
        "--sample", type=int, default=50_000_000, help="more are simulated so many, and scaled"
    )
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path)
    choices = words.parse_args()
    handling_s = driver_s()
    held = held_against_measured(handling_s)
    print(f"the driver's work on a chunk: {handling_s * 1e3:.2f} ms\n{held}")
    runs = []
    for images in choices.images:
        for processors in choices.processors:
            for faults in (WELL, ILL):
                some = min(images, choices.sample)
                run = scaled(simulate(some, processors, faults, handling_s, choices.seed), images)
                runs.append(run)
                print(run, flush=True)
    if choices.out:
        record = {
            "driver_s": handling_s, "measured": MEASURED, "assumed": ASSUMED, "held": held,
            "runs": [asdict(run) for run in runs],
        }  # fmt: skip
        choices.out.write_text(json.dumps(record, indent=1) + "\n")


def scaled(run: Run, images: int) -> Run:
    """The same rate for more images."""
    if images == run.images:
        return run
    times = images / run.images
    whole = _run_of(images, run.processors, WELL, images / run.images_s, (0.0, 0.0), 0)
    return replace(
        whole, faults=run.faults, waits_for=run.waits_for, driver_busy=run.driver_busy,
        store_busy=run.store_busy, done_again=round(run.done_again * times),
    )  # fmt: skip


if __name__ == "__main__":
    main()
