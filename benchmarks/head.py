"""How long a head takes to solve on ready features.

    python -m benchmarks.head [--shapes 500x1280x10 10000x2048x100]

Features are drawn around one centre for each class, as far from each other as to be confused
sometimes. "alone" is one solution at one penalty, "one" the same with the cross-validation that
calibrates it, "choose" the whole selection among four penalties.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from headswap.training.config import TrainConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head


def drawn(count: int, width: int, classes: int) -> tuple[Tensor, Tensor]:
    """(N, D) features and (N,) labels; every class is there."""
    source = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=source)
    return torch.randn(count, width, generator=source) * 6 + centres[labels], labels


def seconds(
    features: Tensor, labels: Tensor, classes: int, config: TrainConfig, *, folded: bool = True
) -> float:
    groups = None if folded else labels.tolist()  # a class in one piece cannot be cut into folds
    begin = time.perf_counter()
    fit_head(LabeledFeatures(features, labels, classes, groups), config=config)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shapes", nargs="+", default=["500x1280x10", "10000x2048x100"])
    choices = parser.parse_args()
    features, labels = drawn(60, 32, 3)
    seconds(features, labels, 3, TrainConfig())  # imports
    print(f"{'pictures x features x classes':32} {'alone':>8} {'one':>8} {'choose':>8}  seconds")
    for shape in choices.shapes:
        count, width, classes = map(int, shape.split("x"))
        features, labels = drawn(count, width, classes)
        single = TrainConfig(l2_grid=(0.1,), l2=0.1)
        alone = seconds(features, labels, classes, single, folded=False)
        one = seconds(features, labels, classes, single)
        choose = seconds(features, labels, classes, TrainConfig())
        print(f"{shape:32} {alone:8.2f} {one:8.2f} {choose:8.2f}", flush=True)


if __name__ == "__main__":
    main()
