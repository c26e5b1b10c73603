"""What serves the warnings better, the last features or those of every block.

    python -m benchmarks.sureness DATA... [--seeds 0 1 2] [--json FILE]

unlike     a class is taken out; how well the distance to the three nearest training images tells its images
           from those of a fifth of the others that was held back, as area under the curve: .5 is blind.
           Next to it the share of them that raise the alarm, and of the held back that do so wrongly
nearest    the share of the three nearest images, near duplicates passed over, that are of the same class
labels     one label in twelve is made wrong; how well the doubts, from heads that never saw the image, rank
           the wrong ones first, as average precision; and how many of those that are shown are wrong

"wide, even" gives every block the same weight in a look: each block's part has length 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.head_kinds import LabelledSet, solved
from headswap.data.ingest import ingest
from headswap.data.transforms import prepare, wanted_px
from headswap.evaluation.label_issues import wrong_label_odds
from headswap.evaluation.ood import NEIGHBOURS, embeddings_of, nearest, ood_scores, threshold_from
from headswap.features.autotune import extractor_for
from headswap.features.bank import fill_bank
from headswap.features.engines import choose_engine
from headswap.heads.detect import locate_head
from headswap.training.config import HeadKind, TrainConfig
from headswap.training.head_choice import source_of
from headswap.training.task import TrainingTask
from headswap.zoos.catalogue import DEFAULT_MODEL, load_network

WRONG_LABELS, MOST_CLASSES, HELD_OUT = 1 / 12, 8, 5
Features = NDArray[np.float32]
Figures = dict[str, float]


def read(folder: Path, model: str) -> LabelledSet:
    """A set and the features of all its blocks."""
    network = load_network(model)
    spec = network.input
    intake = ingest(folder, prepare=lambda image: prepare(image, spec), wanted_px=wanted_px(spec))
    images = intake.manifest.images
    source = source_of(network, locate_head(network), "wide", len(images))
    with tempfile.TemporaryDirectory() as name:
        task = TrainingTask(
            manifest=intake.manifest, intake=intake, config=TrainConfig(), features_folder=Path(name)
        )
        wide = extractor_for(source.network, source.site, Path(name), choose_engine())
        shas = [image.sha256 for image in images]
        bank = fill_bank(wide, shas, lambda number: task.prepared(images[number], network), folder=Path(name))
        features = bank.features.clone()
    groups = np.array([image.group for image in images])
    classes = len(intake.manifest.classes)
    return LabelledSet(folder.resolve().name, classes, source, features, task.labels(images), groups)


def even(one: LabelledSet) -> Features:
    """(N, W): every block's part of a look at length 1."""
    widths = [tap.width for tap in one.source.site.taps]
    parts = np.split(one.features.numpy(), np.cumsum(widths), axis=1)
    looks = np.concatenate([embeddings_of(part) for part in parts], axis=1) / np.sqrt(len(parts))
    return np.asarray(looks, dtype=np.float32)


LOOKS: dict[str, Callable[[LabelledSet], Features]] = {
    "last": lambda one: embeddings_of(one.read("last").numpy()),
    "wide": lambda one: embeddings_of(one.read("wide").numpy()),
    "wide, even": even,
}


def area(unlike: Features, alike: Features) -> float:
    """How often an unlike image is farther than one that is alike; a tie counts half."""
    return float((unlike[:, None] > alike[None]).mean() + (unlike[:, None] == alike[None]).mean() / 2)


def unlike(one: LabelledSet, looks: Features, seed: int) -> Figures:
    labels, found = one.labels.numpy(), []
    folds = one.folds(HELD_OUT, seed)
    chosen = np.random.default_rng(seed).permutation(one.classes)[:MOST_CLASSES]
    for out in chosen:
        known, held = (labels != out) & (folds != 0), (labels != out) & (folds == 0)
        far, near = (
            ood_scores(nearest(looks[rows], looks[known], NEIGHBOURS)[0]) for rows in (labels == out, held)
        )
        alarm = threshold_from(looks[known], one.groups[known].tolist(), looks[:0])
        alarms = (np.inf if alarm is None else alarm,)
        found.append((area(far, near), (far > alarms).mean(), (near > alarms).mean()))
    curve, raised, wrongly = np.mean(found, axis=0)
    return {"area": float(curve), "raised": float(raised), "wrongly": float(wrongly)}


def same_class(one: LabelledSet, looks: Features) -> float:
    groups, labels = one.groups.tolist(), one.labels.numpy()
    _, rows = nearest(looks, looks, NEIGHBOURS, groups=groups, known_groups=groups)
    return float((labels[rows] == labels[:, None]).mean())


def wrong_labels(one: LabelledSet, kind: HeadKind, seed: int) -> Figures:
    random, labels = np.random.default_rng(seed), one.labels.numpy().copy()
    rows = random.choice(len(labels), round(len(labels) * WRONG_LABELS), replace=False)
    labels[rows] = (labels[rows] + random.integers(1, one.classes, len(rows))) % one.classes
    spoilt = LabelledSet(
        one.name, one.classes, one.source, one.features, torch.from_numpy(labels), one.groups
    )
    logits = solved(spoilt, kind, seed).fold_logits
    assert logits is not None
    odds = wrong_label_odds(labels, logits.double().numpy())
    order = np.isin(np.argsort(-odds, kind="stable"), rows)
    hits = np.flatnonzero(order)
    precision = float(np.mean((np.arange(len(hits)) + 1) / (hits + 1)))
    shown = odds > 0.5
    return {
        "ranked": precision, "shown": float(shown.sum()), "of them wrong": float(shown[rows].sum()),
    }  # fmt: skip


def measure(folder: Path, model: str, seeds: Sequence[int]) -> dict[str, Figures]:
    one, found = read(folder, model), {}
    for name, look in LOOKS.items():
        looks = look(one)
        runs = [unlike(one, looks, seed) for seed in seeds]
        figures = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
        figures["same class"] = same_class(one, looks)
        if name in ("last", "wide"):
            kind: HeadKind = "wide" if name == "wide" else "last"
            runs = [wrong_labels(one, kind, seed) for seed in seeds]
            figures |= {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
        found[name] = {key: round(value, 3) for key, value in figures.items()}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    found = {}
    for folder in choices.data:
        found[folder.resolve().name] = measure(folder, choices.model, choices.seeds)
        for name, figures in found[folder.resolve().name].items():
            words = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
            print(f"{folder.name:24} {name:10} {words}", flush=True)
        if choices.json:
            choices.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
