"""How accurate heads are that read the last features, every block, or what auto chooses; and scikit-learn's.

    python -m benchmarks.head_kinds DATA... [--model NAME] [--weights FILE] [--repeats 2] [--folds 5]
        [--ways last wide auto sklearn sklearn-wide] [--each N] [--px N] [--json FILE]

The body runs once over a set. Every way gets the same features and the same folds: stratified, near
duplicates whole, others in each repeat. It sees the other folds, chooses there what it chooses (penalties,
last or wide) and is judged once on the fold held out. "sklearn" is StandardScaler and LogisticRegressionCV
(scikit-learn 1.8 or newer): five penalties of its own grid, the best by accuracy in the inner folds that a
head gets, balanced classes, 500 iterations at most.

With --px the network gets square images of another size than its makers chose.

With --each a way gets at most so many training images of a class, drawn again for each repeat and fold.

The interval next to a mean difference is a bootstrap: in each of 10,000 draws the near-duplicate groups of
every set (most are one image) are drawn again, as many as there are, and an image brings its answers by both
ways in all repeats, so the same images are compared. Sets count the same. Seconds of a pass are the body's
on prepared images: once without clock, then plain and wide in turn three times, of which the median.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.ingest import ingest
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import BadSetting, HeadswapError, TooFewImages
from headswap.features.autotune import extractor_for
from headswap.features.bank import fill_bank
from headswap.features.engines import choose_engine
from headswap.features.extractor import Extractor
from headswap.heads.detect import locate_head
from headswap.network import Network
from headswap.pipeline.loading import NetworkOrigin, load_as_asked
from headswap.training.config import HeadKind, TrainConfig
from headswap.training.head_choice import FeatureSource, choose_head, source_of
from headswap.training.linear.heads import LinearHeads, fit_heads, has_bias
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import folds_of
from headswap.training.task import TrainingTask
from headswap.zoos.catalogue import DEFAULT_MODEL

BATCH, PASSES, DRAWS = 16, 3, 10_000


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """One set, or some of its images."""

    name: str
    classes: int
    source: FeatureSource
    features: Tensor  # (N, W), of every block, the last ones last
    labels: Tensor  # (N,)
    groups: NDArray[np.int64]  # (N,), near duplicates share a number
    body: tuple[str, int, float, float] = (
        "",
        0,
        0.0,
        0.0,
    )  # engine, images, seconds of a plain and a wide pass

    def part(self, rows: NDArray[np.bool_]) -> LabelledSet:
        features, labels, groups = self.features[rows], self.labels[rows], self.groups[rows]
        return LabelledSet(self.name, self.classes, self.source, features, labels, groups)

    def read(self, kind: HeadKind) -> Tensor:
        """(N, D): the features that a head of one kind reads."""
        return self.features[:, self.source.reads(kind).columns]

    def folds(self, count: int, seed: int) -> NDArray[np.int64]:
        folds = folds_of(self.labels.numpy(), self.groups.tolist(), count, seed)
        if folds is None:
            problem = f"A class of {self.name} has too few images that differ to be cut into folds."
            raise TooFewImages(problem, remedy="Add images; ten or more are better.")
        return folds


Fitted = tuple[HeadKind, Callable[[Tensor], Tensor]]  # what it reads; (M, D) of that to (M,) classes


def solved(part: LabelledSet, kind: HeadKind, seed: int) -> LinearHeads:
    """A head as teaching solves it."""
    reading = part.source.reads(kind)
    known = LabeledFeatures(part.read(kind), part.labels, part.classes, part.groups.tolist())
    biases = has_bias(reading.network.module, reading.site)
    return fit_heads(known, reading.site, has_bias=biases, config=TrainConfig(), seed=seed)


def by_head(part: LabelledSet, seed: int, kind: HeadKind) -> Fitted:
    heads = solved(part, kind, seed)
    return kind, lambda features: heads.logits(features).argmax(dim=1)


def by_auto(part: LabelledSet, seed: int) -> Fitted:
    if not part.source.is_wide:
        return by_head(part, seed, "last")
    chosen = choose_head(lambda kind: solved(part, kind, seed), part.labels)
    heads = chosen.heads or solved(part, chosen.kind, seed)
    return chosen.kind, lambda features: heads.logits(features).argmax(dim=1)


def by_sklearn(part: LabelledSet, seed: int, kind: HeadKind) -> Fitted:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = part.folds(TrainConfig().folds, seed)
    inner = [(np.flatnonzero(folds != one), np.flatnonzero(folds == one)) for one in np.unique(folds)]
    regression = LogisticRegressionCV(
        Cs=5, cv=inner, class_weight="balanced", max_iter=500,
        scoring="accuracy", l1_ratios=(0,), use_legacy_attributes=False,
    )  # fmt: skip
    model = make_pipeline(StandardScaler(), regression).fit(part.read(kind).numpy(), part.labels.numpy())
    return kind, lambda features: torch.from_numpy(model.predict(features.numpy()))


WAYS: dict[str, Callable[[LabelledSet, int], Fitted]] = {
    "last": lambda part, seed: by_head(part, seed, "last"),
    "wide": lambda part, seed: by_head(part, seed, "wide"),
    "auto": by_auto,
    "sklearn": lambda part, seed: by_sklearn(part, seed, "last"),
    "sklearn-wide": lambda part, seed: by_sklearn(part, seed, "wide"),
}


@dataclass(frozen=True)
class Row:
    """One way on one fold."""

    data: str
    repeat: int
    fold: int
    way: str
    images: int  # of the fold
    wrong: tuple[int, ...]  # numbers of images, in the order of the set
    kind: HeadKind
    seconds: float  # of solving, inner choices included


def read(folder: Path, network: Network, *, flip: bool = False, clocked: bool = True) -> LabelledSet:
    """Read a set and run the body over it; with `flip` features are the mean over image and mirror image."""
    spec = network.input
    intake = ingest(folder, prepare=lambda image: prepare(image, spec), wanted_px=wanted_px(spec))
    images = intake.manifest.images
    source = source_of(network, locate_head(network), "auto", len(images))
    if not source.fits_linear_head:
        raise BadSetting(f"No linear head fits {network.name}.", remedy="Choose another network.")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        task = TrainingTask(
            manifest=intake.manifest, intake=intake, config=TrainConfig(), features_folder=place
        )
        plain = extractor_for(source.plain, source.located.site, place, choose_engine())
        wide = extractor_for(source.network, source.site, place, choose_engine(), flip=flip)
        shas = [image.sha256 for image in images]
        bank = fill_bank(wide, shas, lambda number: task.prepared(images[number], network), folder=place)
        ready = np.stack(list(intake.prepared.values()))
        plain_s, wide_s = passes((plain, wide), ready) if clocked else (0.0, 0.0)
    if clocked and plain.engine != wide.engine:
        raise BadSetting(f"{network.name} ran in two engines.", remedy="Choose another network.")
    groups = np.array([image.group for image in images])
    classes, body = len(intake.manifest.classes), (bank.engine, len(ready), plain_s, wide_s)
    return LabelledSet(
        folder.resolve().name, classes, source, bank.features, task.labels(images), groups, body
    )


def passes(bodies: Sequence[Extractor], ready: NDArray[np.uint8]) -> list[float]:
    """Seconds of each body over (N, H, W, C) prepared images."""
    taken: list[list[float]] = [[] for _ in bodies]
    for _ in range(1 + PASSES):
        for seconds, body in zip(taken, bodies, strict=True):
            begin = time.perf_counter()
            for start in range(0, len(ready), BATCH):
                body.features(ready[start : start + BATCH])
            seconds.append(time.perf_counter() - begin)
    return [statistics.median(seconds[1:]) for seconds in taken]


def drawn(whole: LabelledSet, held: NDArray[np.bool_], each: int, seed: int) -> NDArray[np.bool_]:
    """(N,): of the images outside a fold, at most `each` of every class."""
    labels, chosen = whole.labels.numpy(), np.zeros(len(held), dtype=bool)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~held))
    for label in range(whole.classes):
        chosen[order[labels[order] == label][:each]] = True
    return chosen


def judge(
    whole: LabelledSet, way: str, held: NDArray[np.bool_], repeat: int, fold: int, *, each: int | None = None
) -> Row:
    """Train in one way outside a fold and look at the fold."""
    rows = ~held if each is None else drawn(whole, held, each, 1000 * repeat + fold)
    part, begin = whole.part(rows), time.perf_counter()
    kind, predict = WAYS[way](part, repeat)
    seconds = round(time.perf_counter() - begin, 4)
    test = whole.part(held)
    wrong = np.flatnonzero(held)[(predict(test.read(kind)) != test.labels).numpy()].tolist()
    return Row(whole.name, repeat, fold, way, int(held.sum()), tuple(wrong), kind, seconds)


def accuracy(rows: Sequence[Row]) -> float:
    return 1 - sum(len(row.wrong) for row in rows) / sum(row.images for row in rows)


def interval(
    sets: Sequence[LabelledSet], rows: Sequence[Row], way: str, usual: str = "last"
) -> tuple[float, float]:
    """95 % of the mean difference to the usual way, by the bootstrap that the first lines describe."""
    random, means = np.random.default_rng(0), np.zeros((len(sets), DRAWS))
    for number, one in enumerate(sets):
        own = [row for row in rows if row.data == one.name]
        gain = np.zeros(len(one.labels))  # of each image, in right answers
        for row in own:
            gain[list(row.wrong)] += (row.way == usual) - (row.way == way)
        _, group = np.unique(one.groups, return_inverse=True)
        sizes, sums = np.bincount(group), np.bincount(group, weights=gain)
        drawn = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS)
        means[number] = (drawn @ sums) / (drawn @ sizes) / len({row.repeat for row in own})
    low, high = np.quantile(means.mean(axis=0), (0.025, 0.975))
    return float(low), float(high)


def show(sets: Sequence[LabelledSet], rows: Sequence[Row], ways: Sequence[str]) -> None:
    """The table, then what else was counted."""

    def of(way: str, data: str | None = None) -> list[Row]:
        return [row for row in rows if row.way == way and data in (None, row.data)]

    print("\n| accuracy | " + " | ".join(ways) + " |\n|---|" + "--:|" * len(ways))
    for one in sets:
        cells = [f"{accuracy(of(way, one.name)):.3f}" for way in ways]
        print(f"| {one.name}, {len(one.labels)} images, {one.classes} classes | {' | '.join(cells)} |")
    mean = {way: statistics.mean(accuracy(of(way, one.name)) for one in sets) for way in ways}
    print(f"| mean | {' | '.join(f'{mean[way]:.3f}' for way in ways)} |")
    if "last" in ways:
        cells = []
        for way in ways:
            low, high = interval(sets, rows, way)
            cells.append(f"{100 * (mean[way] - mean['last']):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})")
        print(f"| points over last, 95 % interval | {' | '.join(cells)} |")
    solving = [f"{statistics.median(row.seconds for row in of(way)):.2f}" for way in ways]
    print(f"| seconds of solving a head, median | {' | '.join(solving)} |\n")
    if "auto" in ways:
        wide = {one.name: sum(row.kind == "wide" for row in of("auto", one.name)) for one in sets}
        by_set = ", ".join(f"{name} {count}" for name, count in wide.items())
        print(f"auto took the wide head {sum(wide.values())} times of {len(of('auto'))}: {by_set}")
    images = sum(one.body[1] for one in sets)
    plain_s, wide_s = sum(one.body[2] for one in sets), sum(one.body[3] for one in sets)
    engines = ", ".join(sorted({one.body[0] for one in sets}))
    print(f"the pass over {images} images ({engines}): {plain_s:.2f} s, with wide features {wide_s:.2f} s")


def machine() -> str:
    """What it ran on, and with which versions."""
    known = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(": ")[2] for line in known.splitlines() if line.startswith("model name")]
    processor = models[0] if models else platform.processor()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy", "scikit-learn"))
    threads = f"{os.cpu_count()} processors, {torch.get_num_threads()} threads of torch"
    return f"{processor}, {threads}, Python {platform.python_version()}, {packages}"


def measure(choices: argparse.Namespace) -> None:
    if len({folder.resolve().name for folder in choices.data}) < len(choices.data):
        raise BadSetting("Two folders have the same name.", remedy="Rename one: the table goes by it.")
    weights = str(choices.weights) if choices.weights else None
    origin = NetworkOrigin(model=choices.model, weights=weights, px=choices.px, crop_mode=None)
    network, sets, rows = load_as_asked(origin), [], []
    for folder in choices.data:
        print(f"reading {folder.name}", file=sys.stderr, flush=True)
        sets.append(read(folder, network))
        sets[-1].folds(choices.folds, 0)  # what cannot be cut is said before anything is solved
        if not sets[-1].source.is_wide and {"wide", "sklearn-wide"} & set(choices.ways):
            problem = f"{network.name} gives no wide features of {folder.name}."
            raise BadSetting(problem, remedy="Leave out the ways that need them.")
    for one in sets:
        for repeat in range(choices.repeats):
            folds = one.folds(choices.folds, repeat)
            for way in choices.ways:
                own = [
                    judge(one, way, folds == fold, repeat, int(fold), each=choices.each)
                    for fold in np.unique(folds)
                ]
                seconds = sum(row.seconds for row in own)
                words = f"{one.name:24} {repeat}  {way:14} {accuracy(own):.3f}  {seconds:7.1f} s"
                print(words, file=sys.stderr, flush=True)
                rows += own
    of_each = f", at most {choices.each} training images of a class" if choices.each else ""
    at = f" at {choices.px} px" if choices.px else ""
    print(f"{network.name}{at}, {choices.repeats} times {choices.folds} folds{of_each}; {machine()}")
    show(sets, rows, choices.ways)
    if choices.json:
        lines = ",\n".join(json.dumps(asdict(row), separators=(",", ":")) for row in rows)
        choices.json.write_text(f"[\n{lines}\n]\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights", type=Path, help="a file of your own for this network")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--each", type=int, metavar="N", help="at most so many training images of a class")
    parser.add_argument("--px", type=int, metavar="N", help="side of the network's images; otherwise its own")
    parser.add_argument("--json", type=Path, help="what was wrong in every fold")
    choices = parser.parse_args()
    if choices.repeats < 1 or choices.folds < 2:
        parser.error("--repeats is 1 or more, --folds 2 or more")
    try:
        measure(choices)
    except HeadswapError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
