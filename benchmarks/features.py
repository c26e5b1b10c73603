"""From a folder to features: how much longer than the bare forward pass of the best engine.

    python -m benchmarks.features DATA... [--model NAME] [--megapixels 12 --pictures 48] [--threads 1]

The engine is measured first, as `headswap engines` does. "bare" is that engine on ready tensors;
"folder" is reading, decoding, hashing, looking at and preparing every picture of the folder, and
the same engine, in an empty workspace; the engine has been started and compared beforehand
("start", seconds). With --megapixels pictures of that size are made from the folder's own, as
JPEG, and read instead. With --threads the body, bare and in the folder's run, has that many
threads and no more: fewer than there are cores leaves the others to decoding.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.data.transforms import prepare, wanted_px
from headswap.features.autotune import extractor_for, measure
from headswap.features.bank import BankBuilder
from headswap.heads.detect import find_head
from headswap.network import Network
from headswap.zoos.catalogue import DEFAULT_MODEL, load_network

BATCH, TRIES = 16, 3


def bare(network: Network, source: Path, folder: Path) -> tuple[float, str]:
    """Seconds a picture of the engine alone, and its name."""
    spec, site = network.input, find_head(network)
    intake = ingest(source, prepare=lambda image: prepare(image, spec), wanted_px=wanted_px(spec))
    ready = np.stack(list(intake.prepared.values())[:128])
    found = measure(network, site, ready[:BATCH], folder)
    body = extractor_for(network, site, folder)
    times = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        for start in range(0, len(ready), BATCH):
            body.features(ready[start : start + BATCH])
        times.append((time.perf_counter() - begin) / len(ready))
    return min(times), found.fastest


class Kept:
    """Features of every picture, by a body that has been started."""

    def __init__(self, network: Network, folder: Path) -> None:
        begin = time.perf_counter()
        body = extractor_for(network, find_head(network), folder)
        body.features(np.zeros((BATCH, network.input.height, network.input.width, 3), np.uint8))
        self.start_s = time.perf_counter() - begin
        self.builder = BankBuilder(body, folder=folder, expected=0, batch_size=BATCH)

    @property
    def needs_every_core(self) -> bool:
        return self.builder.needs_every_core

    def expect(self, total: int) -> None:
        """Nothing depends on it."""

    def add(self, sha256: str, image: NDArray[np.uint8]) -> None:
        self.builder.add(sha256, image)


def whole(network: Network, source: Path, folder: Path) -> tuple[float, float, Manifest]:
    """Seconds a picture from the folder to its features; seconds that the engine took to start."""
    for shard in folder.glob("*/*.safetensors"):
        shard.unlink()
    spec, kept = network.input, Kept(network, folder)
    begin = time.perf_counter()
    manifest = ingest(
        source,
        prepare=lambda image: prepare(image, spec),
        wanted_px=wanted_px(spec),
        keep_bytes=0,
        sink=kept,
    ).manifest
    bank = kept.builder.bank([image.sha256 for image in manifest.images])
    assert torch.isfinite(bank.features).all()
    return (time.perf_counter() - begin) / len(manifest.images), kept.start_s, manifest


def enlarged(source: Path, folder: Path, megapixels: float, count: int) -> Path:
    """The first pictures of a folder as JPEGs of that many megapixels, 4:3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    images = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    for number, path in enumerate(images[:: max(1, len(images) // count)][:count]):
        place = folder / path.parent.name / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            grown = image.convert("RGB").resize((width, width * 3 // 4), Image.Resampling.BICUBIC)
            grown.save(place, quality=90)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--megapixels", type=float, default=0)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the body")
    choices = parser.parse_args()
    torch.set_num_threads(choices.threads)
    network = load_network(choices.model)
    print(
        f"{'':24} {'pictures':>8} {'bare':>8} {'folder':>8} {'start':>8}  "
        f"ms a picture, {torch.get_num_threads()} threads"
    )
    for source in choices.data:
        with tempfile.TemporaryDirectory() as place:
            given = source
            if choices.megapixels:
                given = enlarged(source, Path(place) / "large", choices.megapixels, choices.pictures)
            folder = Path(place) / "features"
            alone, engine = bare(network, given, folder)
            took, start, manifest = min(
                (whole(network, given, folder) for _ in range(TRIES)), key=lambda one: one[0]
            )
            print(
                f"{source.name:24} {len(manifest.images):8} {1000 * alone:8.2f} {1000 * took:8.2f} "
                f"{start:8.2f}  {took / alone:.2f} times as long  {engine}",
                flush=True,
            )


if __name__ == "__main__":
    main()
