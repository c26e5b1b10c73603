"""Teach the same pictures in several ways and compare seconds and accuracy.

    python -m benchmarks.teach DATA... [--ways headswap tutorial timm fastai] [--seed 0]

Every way gets the same backbone (EfficientNet-Lite0, ImageNet weights), the same split (headswap's:
near duplicates never on both sides) and the same machine, one after the other. Imports and
process start are apart: each way is imported before its clock starts, and headswap's features
are computed again in an empty folder. "headswap" runs in torch; "headswap[fast]" also has what
`pip install "headswap[fast]"` brings, in the engine that `headswap engines` measured and remembered
beforehand, once for the network and the machine. fastai is an extra: `pip install fastai`.

A row per set and way, then the totals and the ratios. With --json FILE the rows are added to
what the file holds, a later row in the place of an earlier one of the same set, way and seed;
the totals are of all that it holds.
"""

from __future__ import annotations

import argparse
import atexit
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import headswap
from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.split import split
from headswap.training.config import TrainConfig

MEAN, STD, SIZE = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 224
MODEL = "tf_efficientnet_lite0"
FAST = "headswap[fast]"


@dataclass(frozen=True)
class Row:
    """One way on one set."""

    data: str
    way: str
    seed: int
    seconds: float
    accuracy: float
    test_images: int
    threads: int  # of torch


@dataclass(frozen=True)
class Task:
    """One set, split."""

    source: Path
    manifest: Manifest
    seed: int
    epochs: int  # of the tutorial recipe

    def files(self, part: str) -> list[tuple[Path, int]]:
        images: Sequence[ImageRecord] = [one for one in self.manifest.images if one.part == part]
        return [(self.manifest.path(one), self.manifest.label(one)) for one in images]


def by_headswap(task: Task) -> float:
    """The solved head."""
    return _headswap(task, None)


def by_headswap_fast(task: Task) -> float:
    """The solved head, the body in the fastest engine of this machine."""
    return _headswap(task, _engines())


def _headswap(task: Task, engines: Path | None) -> float:
    with tempfile.TemporaryDirectory() as place:
        if engines is not None:
            shutil.copytree(engines, Path(place) / "work" / "features")
        outcome = headswap.teach(
            task.source,
            model=MODEL,
            out=Path(place) / "bundle",
            seed=task.seed,
            config=TrainConfig(),
            workspace=Path(place) / "work",
        )
        assert engines is not None or outcome.engine.startswith("torch-")  # no extra was measured on the way
        assert outcome.report.test_total == len(task.manifest.part("test"))
        return outcome.report.test_right / outcome.report.test_total


@cache
def _engines() -> Path:
    """A folder with the remembered measurement of every engine that is installed."""
    from headswap.cli.local import engines

    folder = Path(tempfile.mkdtemp(prefix="headswap-engines-"))
    atexit.register(shutil.rmtree, folder)
    found = engines(MODEL, workspace=folder)
    print(f"engines, ms a picture: {found.milliseconds}", flush=True)
    return folder


def by_tutorial(task: Task) -> float:
    """PyTorch's transfer learning tutorial: everything moves, SGD 1e-3, a tenth of it after 7 passes."""
    network = _fresh_network(len(task.manifest.classes))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best = 0.0
    for _ in range(task.epochs):
        _one_epoch(network, _loader(task, "train", 4, _crops()), optimizer, nn.functional.cross_entropy)
        schedule.step()
        best = max(best, _accuracy(network, task))  # the tutorial keeps the best pass of its validation part
    return best


def by_timm(task: Task) -> float:
    """A timm-style fine-tune: AdamW, cosine after a warm-up pass, RandAugment, smooth labels, 10 passes."""
    from timm.data import create_transform
    from timm.loss import LabelSmoothingCrossEntropy

    network = _fresh_network(len(task.manifest.classes))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4, weight_decay=0.05)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[1])
    augment = create_transform(SIZE, is_training=True, auto_augment="rand-m6-mstd0.5", mean=MEAN, std=STD)
    for _ in range(10):
        _one_epoch(network, _loader(task, "train", 32, augment), optimizer, LabelSmoothingCrossEntropy(0.1))
        schedule.step()
    return _accuracy(network, task)


def by_fastai(task: Task) -> float:
    """fastai's vision_learner and fine_tune(5), its defaults."""
    import pandas as pd
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        vision_learner,
    )

    rows = [
        {"path": str(path), "label": str(label), "valid": part == "test"}
        for part in ("train", "test")
        for path, label in task.files(part)
    ]
    loaders = ImageDataLoaders.from_df(
        pd.DataFrame(rows),
        path="/",
        valid_col="valid",
        item_tfms=Resize(320),
        batch_tfms=[*aug_transforms(size=SIZE), Normalize.from_stats(MEAN, STD)],
        bs=32,
        num_workers=2,
    )
    learner = vision_learner(loaders, _pretrained_body, metrics=accuracy, normalize=False, pretrained=True)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(5)
    return float(learner.validate()[1])


def _pretrained_body(pretrained: bool = True) -> nn.Module:
    return headswap.load_network(MODEL).module


WAYS: dict[str, Callable[[Task], float]] = {
    "headswap": by_headswap,
    FAST: by_headswap_fast,
    "tutorial": by_tutorial,
    "timm": by_timm,
    "fastai": by_fastai,
}


class _Files(Dataset[tuple[Tensor, int]]):
    def __init__(self, files: list[tuple[Path, int]], transform: Callable[..., Tensor]) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        from PIL import Image, ImageOps

        path, label = self.files[row]
        with Image.open(path) as image:
            return self.transform(ImageOps.exif_transpose(image).convert("RGB")), label


def _fresh_network(classes: int) -> nn.Module:
    network = headswap.load_network(MODEL)
    headswap.swap_head(network, classes)
    return network.module


def _crops() -> Callable[..., Tensor]:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def _centre() -> Callable[..., Tensor]:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def _loader(
    task: Task, part: str, batch: int, transform: Callable[..., Tensor]
) -> DataLoader[tuple[Tensor, int]]:
    return DataLoader(_Files(task.files(part), transform), batch, shuffle=part == "train", num_workers=2)


def _one_epoch(
    network: nn.Module,
    loader: DataLoader[tuple[Tensor, int]],
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    network.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss(network(images), labels).backward()
        optimizer.step()


@torch.inference_mode()
def _accuracy(network: nn.Module, task: Task) -> float:
    network.eval()
    right = total = 0
    for images, labels in _loader(task, "test", 32, _centre()):
        right += int((network(images).argmax(1) == labels).sum())
        total += len(labels)
    return right / total


def _warm(ways: Sequence[str]) -> float:
    """Import and use once what the ways need before any clock starts; returns the seconds."""
    begin = time.perf_counter()
    import scipy.optimize
    import timm
    import torchvision

    import headswap.pipeline.run

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).step()
    if "fastai" in ways:
        import fastai.vision.all
        import pandas

        del fastai, pandas
    headswap.load_network(MODEL)
    if FAST in ways:
        _engines()
    del scipy, timm, torchvision
    return time.perf_counter() - begin


def _show(rows: Sequence[Row]) -> None:
    """Totals over the sets that every way was tried on, and how many times faster headswap is."""
    ways = list(dict.fromkeys(row.way for row in rows))
    shared = set.intersection(*({(row.data, row.seed) for row in rows if row.way == way} for way in ways))
    print(f"{'':24} {'way':14} {'seconds':>8}    mean accuracy over {len(shared)} sets")
    kept = [row for row in rows if (row.data, row.seed) in shared]
    seconds = {way: sum(row.seconds for row in kept if row.way == way) for way in ways}
    ours = [way for way in ("headswap", FAST) if way in seconds]
    for way in ways:
        mean = statistics.mean(row.accuracy for row in kept if row.way == way)
        times = [f"{one} is {seconds[way] / seconds[one]:.1f}x faster" for one in ours if way not in ours]
        print(f"{'total':24} {way:14} {seconds[way]:8.1f} s  {mean:.3f}  {', '.join(times)}")


def _add(rows: dict[tuple[str, str, int], Row], row: Row, file: Path | None) -> None:
    rows[row.data, row.way, row.seed] = row
    if file:
        file.write_text(json.dumps([asdict(one) for one in rows.values()], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=["headswap", "tutorial"])
    parser.add_argument("--tutorial-passes", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    print(
        f"imports and first use: {_warm(choices.ways):.1f} s, {torch.get_num_threads()} threads", flush=True
    )
    rows: dict[tuple[str, str, int], Row] = {}
    if choices.json and choices.json.exists():
        for kept in json.loads(choices.json.read_text()):
            _add(rows, Row(**kept), None)
    for way in choices.ways:
        for source in choices.data:
            manifest = split(ingest(source).manifest, seed=choices.seed)
            torch.manual_seed(choices.seed)
            begin = time.perf_counter()
            accuracy = WAYS[way](Task(source, manifest, choices.seed, choices.tutorial_passes))
            seconds = time.perf_counter() - begin
            tested, threads = len(manifest.part("test")), torch.get_num_threads()
            _add(
                rows,
                Row(source.name, way, choices.seed, seconds, accuracy, tested, threads),
                choices.json,
            )
            print(f"{source.name:24} {way:14} {seconds:8.1f} s  {accuracy:.3f}", flush=True)
    _show(list(rows.values()))


if __name__ == "__main__":
    main()
