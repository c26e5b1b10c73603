"""What do answers about many pictures cost, next to the engine's forward pass alone? Does memory grow?

    python -m benchmarks.many_predictions BUNDLE PHOTOS [--pictures 10000] [--side 512] [--json OUT.json]

The pictures are made from PHOTOS: cut, mirrored and shrunk to at most --side pixels, JPEG. They are asked
about as `headswap predict BUNDLE FOLDER --csv FILE` does, with every answer kept on the way. Half before it
and half after it, the same network is given as many prepared pictures, sixteen at a time, and nothing else.
Time of the processor of this process, all threads together, and on the clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import ImageOps

import headswap
from headswap.bundle.predictor import load_bundle
from headswap.data.decode import read_image
from headswap.events import Event, Progress
from headswap.pipeline.many import csv_of

BATCH = 16


def make(photos: list[Path], folder: Path, count: int, side: int) -> None:
    for number in range(count):
        random = np.random.default_rng(number)
        path = photos[number % len(photos)]
        image = read_image(path.read_bytes(), name=path.name)
        left, top = (int(random.integers(0, max(one // 5, 1))) for one in image.size)
        image = image.crop((left, top, image.width, image.height))
        image.thumbnail((side, side))
        if random.integers(2):
            image = ImageOps.mirror(image)
        image.save(folder / f"{number:05}.jpg", quality=int(random.integers(80, 96)))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, and on the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def main() -> None:
    choices = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    choices.add_argument("bundle", type=Path)
    choices.add_argument("photos", type=Path)
    choices.add_argument("--pictures", type=int, default=10_000)
    choices.add_argument("--side", type=int, default=512)
    choices.add_argument("--json", type=Path)
    chosen = choices.parse_args()
    kinds = (".jpg", ".jpeg", ".png")
    photos = sorted(one for one in chosen.photos.rglob("*") if one.suffix.lower() in kinds)
    bundle = load_bundle(chosen.bundle)
    memory: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done % max(chosen.pictures // 10, 1) == 0:
            memory.append(psutil.Process().memory_info().rss / 1e6)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        make(photos, folder, chosen.pictures, chosen.side)
        prepared = np.stack([bundle.prepare(one) for one in sorted(folder.iterdir())[:BATCH]])
        bundle.features_and_logits(prepared)  # the first is slow

        def ask() -> None:
            said = headswap.predict(bundle, folder, kept=Path(place) / "kept", listener=listen)
            csv_of(said.answers, bundle.classes, bundle.file_names)

        def bare() -> None:
            for _ in range(chosen.pictures // BATCH // 2):
                bundle.features_and_logits(prepared)

        def read() -> None:
            for one in folder.iterdir():
                bundle.prepare(one)

        halves, whole = [timed(bare)], timed(ask)
        halves.append(timed(bare))
        forward = (sum(cpu for cpu, _ in halves), sum(clock for _, clock in halves))
        found = {"predict": whole, "bare forward": forward, "reading alone": timed(read)}
    print("| what | ms of CPU a picture | ms on the clock |\n|---|--:|--:|")
    for name, (cpu, clock) in found.items():
        print(f"| {name} | {1000 * cpu / chosen.pictures:.1f} | {1000 * clock / chosen.pictures:.1f} |")
    print(f"predict / bare forward: {found['predict'][0] / found['bare forward'][0]:.2f} of CPU, ", end="")
    print(f"{found['predict'][1] / found['bare forward'][1]:.2f} on the clock")
    print(f"memory, MB, after each tenth: {' '.join(f'{one:.0f}' for one in memory)}")
    if chosen.json:
        told = {"bundle": chosen.bundle.name, "pictures": chosen.pictures, "side": chosen.side}
        seconds = {name: {"cpu_s": cpu, "clock_s": clock} for name, (cpu, clock) in found.items()}
        chosen.json.write_text(json.dumps({**told, "memory_mb": memory, **seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
