"""How good a class is that is added to a bundle later, without the old images; and how long that takes.

    python -m benchmarks.class_later DATA... [--model NAME] [--classes 3] [--head auto] [--json FILE]

For each set and for some of its classes, spread over their names: the set is split as a run splits it. A
bundle is taught on the training images of all other classes, the class is added to it from its training
images, and everything is taught again from the training images of all classes. Both answer the images that
were locked away, of all classes, which neither has seen. Inside, a run locks a share of what it is given away
as ever, and so does `headswap edit` of a new class. A set of two classes is left out: no bundle has one.

The interval next to a difference is a bootstrap over the images that were locked away: in each of 10,000
draws those of every set are drawn again, and an image brings its answers in all trials of its set; sets count
the same. Seconds of "later" are those of `headswap.edit` in a process that has torch loaded: opening the
bundle, the body over the new images, solving, proving, judging, writing. "again" is `headswap.train` with no
features kept from before. Of both the median.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

import headswap
from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.split import split
from headswap.training.config import HeadChoice, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One class of one set, added later."""

    dataset: str
    class_name: str
    later: tuple[bool, ...]  # which of the images that were locked away are right when it is added later
    again: tuple[bool, ...]  # the same when everything is taught again
    of_class: tuple[bool, ...]  # which of them are of that class
    later_s: float
    again_s: float
    kept_bytes: int  # features.safetensors of the bundle


def lay_out(manifest: Manifest, images: Iterable[ImageRecord], place: Path) -> Path:
    """Copies in class folders."""
    for number, image in enumerate(images):
        target = place / image.class_name / f"{number:05}{Path(image.file).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(manifest.path(image), target)
    return place


def tried(manifest: Manifest, name: str, place: Path, model: str, head: HeadChoice) -> Trial:
    train, test = manifest.part("train"), manifest.part("test")
    others = lay_out(manifest, (one for one in train if one.class_name != name), place / "others")
    fresh = lay_out(manifest, (one for one in train if one.class_name == name), place / "fresh")
    whole = lay_out(manifest, train, place / "whole")
    config = TrainConfig(head=head)

    def taught(data: Path, out: str) -> headswap.Outcome:
        workspace = place / f"workspace-{out}"
        return headswap.train(data, model=model, out=place / out, config=config, workspace=workspace)

    before, again = taught(others, "before"), taught(whole, "again")
    later = headswap.edit(before.bundle, place / "later", add=fresh, workspace=place / "workspace")
    return Trial(
        dataset=manifest.name,
        class_name=name,
        later=right(manifest, test, later.bundle),
        again=right(manifest, test, again.bundle),
        of_class=tuple(image.class_name == name for image in test),
        later_s=later.seconds,
        again_s=again.seconds["total"],
        kept_bytes=(Path(before.bundle) / "features.safetensors").stat().st_size,
    )


def right(manifest: Manifest, images: Iterable[ImageRecord], bundle: str) -> tuple[bool, ...]:
    images = tuple(images)
    said = headswap.load_bundle(bundle).predict_many([manifest.path(image) for image in images])
    return tuple(one.label == image.class_name for one, image in zip(said, images, strict=True))


def interval(trials: list[Trial]) -> tuple[float, float]:
    """95 %, of the mean difference in points."""
    random = np.random.default_rng(0)
    means: list[NDArray[np.float64]] = []
    for dataset in sorted({trial.dataset for trial in trials}):
        mine = [trial for trial in trials if trial.dataset == dataset]
        gaps = np.mean([np.array(one.later, float) - np.array(one.again, float) for one in mine], axis=0)
        means.append(100 * gaps[random.integers(len(gaps), size=(DRAWS, len(gaps)))].mean(axis=1))
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)


def share(flags: Iterable[bool]) -> float:
    return statistics.fmean(map(float, flags))


def by_sets(trials: list[Trial], value: Callable[[Trial], float]) -> float:
    """The mean over sets of the mean over their classes."""
    sets = sorted({trial.dataset for trial in trials})
    return statistics.fmean(
        statistics.fmean(value(one) for one in trials if one.dataset == dataset) for dataset in sets
    )


def line(name: str, trials: list[Trial]) -> str:
    def of_class(flags: Sequence[bool], trial: Trial) -> float:
        return share(flag for flag, mine in zip(flags, trial.of_class, strict=True) if mine)

    later, again = (
        by_sets(trials, lambda one: share(one.later)),
        by_sets(trials, lambda one: share(one.again)),
    )
    low, high = interval(trials)
    cells = (
        name,
        len(trials),
        f"{later:.3f}",
        f"{again:.3f}",
        f"{100 * (later - again):+.1f}",
        f"{low:+.1f} to {high:+.1f}",
        f"{by_sets(trials, lambda one: of_class(one.later, one)):.2f}",
        f"{by_sets(trials, lambda one: of_class(one.again, one)):.2f}",
        f"{statistics.median(one.later_s for one in trials):.1f}",
        f"{max(one.later_s for one in trials):.1f}",
        f"{statistics.median(one.again_s for one in trials):.1f}",
        f"{max(one.kept_bytes for one in trials) / 1e6:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--classes", type=int, default=3, help="that are added later, of each set")
    parser.add_argument("--head", default="auto", choices=("last", "wide", "auto"))
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    trials: list[Trial] = []
    print(
        "| | classes | later | again | points | 95 % | the class, later | again | s, later | the slowest "
        "| s, again | MB kept |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for source in choices.data:
        manifest = split(ingest(source).manifest)
        able = [name for name in manifest.classes if len(manifest.classes) > 2]
        names = able[:: max(1, len(able) // choices.classes)][: choices.classes]
        mine = []
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                mine.append(tried(manifest, name, Path(place), choices.model, cast(HeadChoice, choices.head)))
        trials += mine
        if mine:
            print(line(source.name, mine), flush=True)
    print(line("**mean**", trials))
    if choices.json:
        machine = {
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "torch": version("torch"),
        }
        record = {"model": choices.model, "head": choices.head, "machine": machine}
        choices.json.write_text(json.dumps(record | {"trials": [asdict(one) for one in trials]}) + "\n")


if __name__ == "__main__":
    main()
