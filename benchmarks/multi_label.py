"""How well several labels per picture are told, next to scikit-learn's logistic regression of each label.

    python -m benchmarks.multi_label DATA... [--most 120] [--json docs/benchmarks/multi-label.json]

Each DATA is a folder of class folders. Pictures are laid in pairs on a square, half of them alone, each
used once; a collage has the classes of what lies on it as labels. The same frozen features of the usual
network, the same five folds: headswap chooses its penalty inside each fold's training part; scikit-learn's
OneVsRestClassifier of LogisticRegression reads standardised features, at C=1 and C=0.1. The figure is the
mean average precision over labels, of answers out of fold.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headswap.data.transforms import prepare
from headswap.features.engines import choose_engine, exact
from headswap.features.extractor import Extractor
from headswap.heads.detect import find_head
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head, folds_of
from headswap.zoos.catalogue import DEFAULT_MODEL, load_network

SIDE, FOLDS, AT_ONCE = 192, 5, 16
Floats = NDArray[np.float64]
Solve = Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], Floats]


def collages(folder: Path, most: int) -> tuple[list[Image.Image], NDArray[np.float32], list[str]]:
    draw = random.Random(0)
    files = [
        (path, path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".jpg", ".png")
    ]
    draw.shuffle(files)
    names = sorted({name for _, name in files})
    images: list[Any] = []
    rows: list[Any] = []
    while files and len(images) < most:
        some = [files.pop() for _ in range(1 + len(images) % 2) if files]
        square = Image.new("RGB", (2 * SIDE, 2 * SIDE), (235, 235, 230))
        for place, (path, _) in enumerate(some):
            with Image.open(path) as image:
                square.paste(image.convert("RGB").resize((SIDE, SIDE)), (place * SIDE, place * SIDE))
        images.append(square)
        rows.append([float(name in {kind for _, kind in some}) for name in names])
    return images, np.array(rows, np.float32), names


def ours(features: NDArray[np.float32], labels: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    solved = fit_head(LabeledFeatures(torch.from_numpy(features), torch.from_numpy(labels), labels.shape[1]))
    return np.asarray((torch.from_numpy(others) @ solved.weight.T + solved.bias).double().numpy())


def theirs(model: Any) -> Solve:
    def solve(
        features: NDArray[np.float32], labels: NDArray[np.float32], others: NDArray[np.float32]
    ) -> Floats:
        whole = make_pipeline(StandardScaler(), OneVsRestClassifier(model)).fit(features, labels)
        return np.asarray(whole.decision_function(others))

    return solve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=120)
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    network = load_network(DEFAULT_MODEL)
    body = Extractor(network, find_head(network), exact(choose_engine()))
    ways: dict[str, Solve] = {
        "headswap": ours,
        "C=1": theirs(LogisticRegression(max_iter=2000)),
        "C=0.1": theirs(LogisticRegression(C=0.1, max_iter=2000)),
    }
    found = []
    for folder in choices.data:
        images, labels, names = collages(folder, choices.most)
        ready = [prepare(image, network.input) for image in images]
        features = torch.cat(
            [body.features(np.stack(ready[at : at + AT_ONCE])) for at in range(0, len(ready), AT_ONCE)]
        ).numpy()
        folds = folds_of(labels, None, FOLDS, 0)
        row: dict[str, Any] = {
            "data": "sample" if folder.name == "train" else folder.name,
            "images": len(images),
            "labels": len(names),
        }
        for name, solve in ways.items():
            said, begin = np.zeros(labels.shape), time.perf_counter()
            for fold in range(FOLDS):
                held = folds == fold
                said[held] = solve(features[~held], labels[~held], features[held])
            row[name] = [float(average_precision_score(labels[:, k], said[:, k])) for k in range(len(names))]
            row[f"{name}, s"] = round((time.perf_counter() - begin) / FOLDS, 3)
        found.append(row)
        told = [f"{name} {np.mean(row[name]):.3f} ({row[f'{name}, s']} s)" for name in ways]
        print(row["data"], len(images), len(names), *told, flush=True)
    if choices.json:
        choices.json.write_text(json.dumps({"model": DEFAULT_MODEL, "sets": found}) + "\n")


if __name__ == "__main__":
    main()
