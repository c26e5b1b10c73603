"""How features of every block are best prepared for a solved head: block weights, roots, centring, flips.

    python -m benchmarks.wide_variants DATA... [--repeats 2] [--folds 5] [--json FILE]

The body runs over each set twice, once with mirror images. Every variant gets the same folds (stratified,
near duplicates whole, others in each repeat) and one solver: ridge regression on the classes in the space of
the images, classes weighing the same, the penalty by the squared error of four inner folds. It is no part of
headswap, because a weight for each block needs products of each block. Intervals are as in
`benchmarks.head_kinds`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.head_kinds import LabelledSet, Row, interval, machine, read
from headswap.pipeline.loading import NetworkOrigin, load_as_asked
from headswap.training.linear.ridge import L2_GRID
from headswap.zoos.catalogue import DEFAULT_MODEL

Array = NDArray[np.float64]
INNER = 4


@dataclass(frozen=True)
class Variant:
    """How features are prepared."""

    power: float = 0.0  # a block of width w weighs w ** -power; 1: all blocks the same
    roots: bool = False
    centred: bool = True
    flip: bool = False


VARIANTS = {
    "as it is": Variant(),
    "square roots": Variant(roots=True),
    "not centred": Variant(centred=False),
    "blocks weigh the same": Variant(power=1.0),
    "half of that": Variant(power=0.5),
    "with mirror images": Variant(flip=True),
}


def prepared(features: Array, seen: NDArray[np.bool_], widths: list[int], how: Variant) -> Array:
    """(N, W) rows whose products are those of a variant; mean and spread are of the rows that are seen."""
    rows = np.sign(features) * np.sqrt(np.abs(features)) if how.roots else features
    spread = np.sqrt(rows[seen].var(axis=0) + 1e-8)
    middle = rows[seen].mean(axis=0) if how.centred else 0.0
    weights = np.repeat([width ** (-how.power / 2) for width in widths], widths)
    return (rows - middle) / np.maximum(spread, spread.mean() * 1e-3) * weights


def solve(rows: Array, wanted: Array, weights: Array, others: Array, *, centred: bool) -> list[Array]:
    """(M, C) answers for other rows by each penalty."""
    middle = np.average(rows, axis=0, weights=weights) if centred else np.zeros(rows.shape[1])
    usual = np.average(wanted, axis=0, weights=weights) if centred else np.zeros(wanted.shape[1])
    roots = np.sqrt(weights)[:, None]
    own = (rows - middle) * roots
    products = own @ own.T
    values, vectors = np.linalg.eigh(products)
    turned = vectors.T @ ((wanted - usual) * roots)
    asked = (others - middle) @ own.T @ vectors
    length = float(np.trace(products)) / len(rows)
    return [asked @ (turned / (values + l2 * length)[:, None].clip(1e-9)) + usual for l2 in L2_GRID]


def answers(whole: LabelledSet, seen: NDArray[np.bool_], how: Variant, seed: int) -> NDArray[np.int64]:
    """(M,) classes of the images that are not seen."""
    widths = [*(tap.width for tap in whole.source.site.taps), *whole.source.located.site.in_features]
    rows = prepared(whole.features.double().numpy(), seen, widths, how)
    labels = whole.labels.numpy()
    wanted = np.eye(whole.classes)[labels] * 2 - 1
    weights = 1 / np.bincount(labels[seen], minlength=whole.classes)[labels]
    inner = whole.part(seen).folds(INNER, seed)
    known, errors = np.flatnonzero(seen), np.zeros(len(L2_GRID))
    for fold in np.unique(inner):
        some, held = known[inner != fold], known[inner == fold]
        said = solve(rows[some], wanted[some], weights[some], rows[held], centred=how.centred)
        errors += [float((weights[held, None] * (one - wanted[held]) ** 2).sum()) for one in said]
    every = solve(rows[seen], wanted[seen], weights[seen], rows[~seen], centred=how.centred)
    return np.asarray(every[int(errors.argmin())].argmax(axis=1))


def judge(plain: LabelledSet, flipped: LabelledSet, repeats: int, folds: int) -> list[Row]:
    found = []
    for repeat in range(repeats):
        numbers = plain.folds(folds, repeat)
        for fold in np.unique(numbers).tolist():
            seen = numbers != fold
            held = np.flatnonzero(~seen)
            for way, how in VARIANTS.items():
                said = answers(flipped if how.flip else plain, seen, how, repeat)
                wrong = held[said != plain.labels.numpy()[held]].tolist()
                found.append(Row(plain.name, repeat, fold, way, len(held), tuple(wrong), "wide", 0.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    network = load_as_asked(NetworkOrigin(model=DEFAULT_MODEL, weights=None, px=None, crop_mode=None))
    sets, rows = list[LabelledSet](), list[Row]()
    for folder in choices.data:
        sets.append(read(folder, network, clocked=False))
        rows += judge(
            sets[-1], read(folder, network, flip=True, clocked=False), choices.repeats, choices.folds
        )
        print(folder.name, *(f"{share(rows, way, sets[-1].name):.3f} {way};" for way in VARIANTS), flush=True)
    usual = next(iter(VARIANTS))
    means = {way: statistics.mean(share(rows, way, one.name) for one in sets) for way in VARIANTS}
    for way, mean in means.items():
        low, high = interval(sets, rows, way, usual)
        print(f"{way}: {mean:.4f}, {mean - means[usual]:+.4f} ({low:+.4f} to {high:+.4f})")
    if choices.json:
        record = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        choices.json.write_text(json.dumps(record) + "\n")


def share(rows: list[Row], way: str, data: str) -> float:
    own = [row for row in rows if row.way == way and row.data == data]
    return 1 - sum(len(row.wrong) for row in own) / sum(row.images for row in own)


if __name__ == "__main__":
    main()
