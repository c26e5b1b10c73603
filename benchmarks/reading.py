"""Does reading keep up? Images a second that are read for a network, by 1, 2 … threads, next to its backbone.

    python -m benchmarks.reading [DATA] [--pixels 512x384 4032x3024] [--images 400] [--threads 1 2]
        [--out reading.json]

Reading is all that a run does with an image before the backbone sees it: read, hash, decode, fingerprint,
thumbnail, check, prepare. Nothing waits for a backbone here, so no GPU could get more from these processors.
Images of each size are saved as JPEG, with quality 92, from DATA or the sample set. "backbone" is the fastest
engine of this machine on prepared images, on as many threads, alone (`benchmarks.features`).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from PIL import Image

from benchmarks.features import bare
from headswap.data.ingest import ingest
from headswap.data.transforms import prepare, wanted_px
from headswap.network import Network
from headswap.zoos.catalogue import DEFAULT_MODEL, load_network

HERE = Path(__file__).parents[1]
TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Images a second; of reading the best of three, and its processor seconds."""

    pixels: str
    threads: int
    read: float
    read_by_a_processor: float  # images for each second of a processor
    backbone: float
    engine: str


def save_images(data: Path, pixels: str, count: int, folder: Path) -> None:
    """So many images of one size, in class folders."""
    width, height = map(int, pixels.split("x"))
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for number, path in enumerate(islice(cycle(files), count)):
        copy = folder / path.parent.name / f"{number}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(copy, quality=92)


def read(data: Path, network: Network, threads: int) -> tuple[float, float]:
    """Seconds, and seconds of processors, of the best try."""
    spec, tries = network.input, []
    for _ in range(TRIES):
        begin, busy = time.perf_counter(), time.process_time()
        ingest(
            data,
            prepare=lambda image: prepare(image, spec),
            wanted_px=wanted_px(spec),
            min_classes=0,  # nor near duplicates searched for
            threads=threads,
        )
        tries.append((time.perf_counter() - begin, time.process_time() - busy))
    return min(tries)


def measured(data: Path, sizes: list[str], images: int, threads: list[int]) -> Iterator[Measured]:
    network = load_network(DEFAULT_MODEL)
    with tempfile.TemporaryDirectory() as name:
        for number in threads:
            torch.set_num_threads(number)
            for pixels in sizes:
                folder = Path(name) / pixels
                if not folder.is_dir():
                    save_images(data, pixels, images, folder)
                seconds, engine = bare(network, folder, Path(name) / f"engines-{number}")
                took_s, busy_s = read(folder, network, number)
                yield Measured(
                    pixels=pixels,
                    threads=number,
                    read=round(images / took_s, 1),
                    read_by_a_processor=round(images / busy_s, 1),
                    backbone=round(1 / seconds, 1),
                    engine=engine,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, default=HERE / "assets" / "sample" / "train")
    parser.add_argument("--pixels", nargs="+", default=["512x384", "4032x3024"])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    rows = []
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for row in measured(choices.data, choices.pixels, choices.images, choices.threads):
        rows.append(asdict(row))
        print(json.dumps(rows[-1]), flush=True)
    if choices.out:
        choices.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
