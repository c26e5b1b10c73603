"""Which heat map shows best what an answer came from: that of the last block, or of every block.

    python -m benchmarks.heat_maps DATA... [--model NAME] [--mosaics 40] [--seeds 0 1 2] [--json FILE]

No set says where in an image its object is, so that is made: the grid pointing game (Böhle, Fritz and Schiele
2021, arXiv:2104.00032). A set is split as a run splits it, heads are solved on the training images, and test
images of different classes are laid into a mosaic of two by two, each cell the size of an ordinary input. The
heat map of a class should lie in the cell of that class.

in its cell  the share of the heat of a class that lies in its cell: .25 is blind for four classes, .5 for two
hottest      how often the hottest position lies there
faithful     on single test images: how far the probability of the class falls when the hottest fifth of
             the image is blurred away, minus how far it falls for a random fifth of the same blocks

"last" is a head on the last features with its map; "wide, last block" and "wide, every block" are maps of the
same wide head. Only mosaics count whose four images the head names correctly one by one. A set of two
classes makes mosaics of two images, each there twice on a diagonal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import headswap
from benchmarks.class_later import lay_out
from headswap.bundle.heatmap import heat_of
from headswap.bundle.predictor import Bundle
from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.training.config import HeadKind, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

HIDDEN, BLOCKS = 0.2, 8  # share of an image that is blurred; blocks along each side, of which it is made
Pixels = NDArray[np.uint8]
Map = tuple[str, HeadKind, bool]  # its name, the head, whether earlier blocks count
MAPS: tuple[Map, ...] = (
    ("last", "last", False),
    ("wide, last block", "wide", False),
    ("wide, every block", "wide", True),
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Test images that a head names correctly."""

    bundle: Bundle
    images: list[Pixels]
    labels: list[int]


def taught(data: Path, model: str, head: HeadKind, seed: int, folder: Path) -> Known:
    manifest = split(ingest(data).manifest, seed=seed)
    train = lay_out(manifest, manifest.part("train"), folder / "train")
    config = TrainConfig(head=head)
    outcome = headswap.train(train, model=model, out=folder / "out", config=config, workspace=folder / "work")
    bundle = headswap.load_bundle(outcome.bundle)
    images, labels = [], []
    for one in manifest.part("test"):
        image, label = bundle.prepare(manifest.path(one)), bundle.classes.index(one.class_name)
        if int(bundle.logits(image[None])[0].argmax()) == label:
            images.append(image)
            labels.append(label)
    return Known(bundle=bundle, images=images, labels=labels)


def mosaics(known: Known, count: int, seed: int) -> Iterator[tuple[Pixels, list[int]]]:
    """(2H, 2W, C) images and the labels of their cells, row by row."""
    random = np.random.default_rng(seed)
    by_class = {label: np.flatnonzero(np.array(known.labels) == label) for label in set(known.labels)}
    for _ in range(count if len(by_class) > 1 else 0):
        labels = random.permutation(sorted(by_class))[:4].tolist()
        if len(labels) < 4:
            labels = [labels[0], labels[1], labels[1], labels[0]]
        cells = [known.images[random.choice(by_class[label])] for label in labels]
        yield (
            np.concatenate([np.concatenate(cells[:2], axis=1), np.concatenate(cells[2:], axis=1)], axis=0),
            labels,
        )


def pointing(known: Known, earlier: bool, count: int, seed: int) -> list[tuple[float, float]]:
    """For each class of each mosaic the share of heat in its cells, and whether the hottest is there."""
    found = []
    for image, labels in mosaics(known, count, seed):
        height, width = image.shape[0] // 2, image.shape[1] // 2
        for label in sorted(set(labels)):
            heat = heat_of(known.bundle, image, label, earlier=earlier).astype(np.float64)
            mine = np.zeros(heat.shape, dtype=bool)
            for cell in (number for number, one in enumerate(labels) if one == label):
                row, column = divmod(cell, 2)
                mine[row * height : (row + 1) * height, column * width : (column + 1) * width] = True
            found.append((float(heat[mine].sum() / heat.sum()), float(mine.flat[heat.argmax()])))
    return found


def faithful(known: Known, earlier: bool, count: int, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    found = []
    for row in random.permutation(len(known.images))[:count]:
        image, label = known.images[row], known.labels[row]
        heat = heat_of(known.bundle, image, label, earlier=earlier)
        side_y, side_x = image.shape[0] // BLOCKS, image.shape[1] // BLOCKS
        kept = heat[: side_y * BLOCKS, : side_x * BLOCKS]
        blocks = kept.reshape(BLOCKS, side_y, BLOCKS, side_x).mean(axis=(1, 3))  # (BLOCKS, BLOCKS)
        hidden = round(HIDDEN * BLOCKS**2)
        hottest, chance = np.argsort(-blocks, axis=None)[:hidden], random.permutation(BLOCKS**2)[:hidden]
        variants = np.stack([image, without(image, hottest), without(image, chance)])
        logits = np.asarray(known.bundle.logits(variants), dtype=np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        share = (odds / odds.sum(axis=1, keepdims=True))[:, label]
        found.append(float(share[2] - share[1]))  # both fall from the same height
    return found


def without(image: Pixels, blocks: NDArray[np.int64]) -> Pixels:
    """Some blocks of an image blurred beyond recognition."""
    side_y, side_x = image.shape[0] // BLOCKS, image.shape[1] // BLOCKS
    one = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    blurred = np.asarray(one.filter(ImageFilter.GaussianBlur(max(image.shape) / 12))).reshape(image.shape)
    hidden = image.copy()
    for row, column in (divmod(int(block), BLOCKS) for block in blocks):
        area = (slice(row * side_y, (row + 1) * side_y), slice(column * side_x, (column + 1) * side_x))
        hidden[area] = blurred[area]
    return hidden


def measure(data: Path, model: str, count: int, seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in MAPS}
    falls: dict[str, list[float]] = {name: [] for name, _, _ in MAPS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            known = {kind: taught(data, model, kind, seed, Path(folder) / kind) for kind in ("last", "wide")}
            for name, kind, earlier in MAPS:
                shares[name] += pointing(known[kind], earlier, count, seed)
                falls[name] += faithful(known[kind], earlier, count, seed)
    return {
        name: {
            "in its cell": round(float(np.mean([share for share, _ in shares[name]])), 3),
            "hottest": round(float(np.mean([hottest for _, hottest in shares[name]])), 3),
            "faithful": round(float(np.mean(falls[name])), 3),
            "maps": len(shares[name]),
        }
        for name, _, _ in MAPS
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--mosaics", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    found = {}
    for data in wanted.data:
        found[data.name] = measure(data, wanted.model, wanted.mosaics, wanted.seeds)
        for name, figures in found[data.name].items():
            print(data.name, f"{name:18}", figures, flush=True)
    if wanted.json:
        wanted.json.write_text(json.dumps({"model": wanted.model, "sets": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
