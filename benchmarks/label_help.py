"""How far some of the labels lead: in random order, as Label with help asks, and with whole groups named.

    python -m benchmarks.label_help DATA... [--head auto] [--seeds 5] [--bank FOLDER] [--json FILE]

The body runs once over a set. For each seed a fold of four (stratified, near duplicates whole) is held out;
the labels of the others are what a person may be asked for. A head is solved on the answers, on the last
features or those of every block, as `teach` or --head chooses, and judged on the fold; "all labels" is one
that is solved on all of them in the same way. An answer is one press, the budget a share of the images:

    random     one image after another, in random order
    questions  those of `advise`, asked again after ten answers
    +unlabeled the same answers; the head is also solved with its guesses for the images that have no name,
               as `teach --unlabeled` does it
    groups     of each advice first its groups, then its questions. Where six of ten images of a group are of
               one class the person takes out those that are not, one answer each, and names the rest with
               one more; any other group costs one answer and names nothing.

Classes and images are known to the person, who makes no mistakes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.head_kinds import machine
from headswap.data.ingest import ingest
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import HeadswapError
from headswap.features.autotune import extractor_for
from headswap.features.bank import fill_bank
from headswap.features.engines import choose_engine
from headswap.heads.detect import locate_head
from headswap.network import Network
from headswap.training.config import HeadChoice, HeadKind
from headswap.training.head_choice import ChosenHead, choose_guesses, choose_head, source_of
from headswap.training.label_advice import LabelAdvice
from headswap.training.labelling import QUESTIONS, ClusterTree, advise, cluster_tree, solved
from headswap.training.linear.heads import LinearHeads
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import folds_of
from headswap.zoos.catalogue import DEFAULT_MODEL, load_network

SHARES = (0.1, 0.2, 0.3)
FOLDS, MIXED = 4, 0.6


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """One set, or some of its images."""

    name: str
    features: Tensor  # (N, D), those of every block where there are some
    last: slice  # of the columns: the last features
    labels: Tensor  # (N,)
    groups: NDArray[np.int64]  # (N,), near duplicates share a number


def read(folder: Path, network: Network, bank_folder: Path) -> LabelledSet:
    spec = network.input
    intake = ingest(folder, prepare=lambda image: prepare(image, spec), wanted_px=wanted_px(spec))
    images, classes = intake.manifest.images, intake.manifest.classes
    source = source_of(network, locate_head(network), "auto", len(images))
    body = extractor_for(source.network, source.site, bank_folder, choose_engine())
    shas = [image.sha256 for image in images]
    bank = fill_bank(body, shas, lambda number: intake.prepared[shas[number]], folder=bank_folder)
    labels = torch.tensor([classes.index(image.class_name) for image in images])
    groups = np.array([image.group for image in images])
    return LabelledSet(folder.resolve().name, bank.features, source.reads("last").columns, labels, groups)


@dataclass(eq=False)
class Person:
    """Who knows every label, and how much was asked of them."""

    features: Tensor
    truth: Tensor
    tree: ClusterTree
    kind: HeadKind  # of the head that the questions are chosen by
    stops: tuple[int, ...]  # answers at which the labels are kept; the last ends it
    answers: int = 0
    slowest_s: float = 0.0  # of the processor

    def __post_init__(self) -> None:
        self.labels = torch.full_like(self.truth, -1)
        self.kept: dict[int, tuple[int, Tensor]] = {}  # stop -> answers, labels

    @property
    def is_done(self) -> bool:
        return self.answers >= self.stops[-1] or bool((self.labels >= 0).all())

    def answer(self, rows: Sequence[int], answers: int) -> None:
        """Name some with so many presses; what would lead over a stop comes after it."""
        for stop in self.stops:
            if self.answers < stop <= self.answers + answers:
                reached = self.answers + answers == stop
                self.kept.setdefault(stop, (self.answers, self.labels.clone()))
                if reached:
                    self.kept[stop] = (stop, self.labels.clone())
                    self.kept[stop][1][list(rows)] = self.truth[list(rows)]
        self.labels[list(rows)] = self.truth[list(rows)]
        self.answers += answers

    def at(self, stop: int) -> tuple[int, Tensor]:
        """Answers and labels by then; all, where every image had a name before."""
        return self.kept.get(stop, (self.answers, self.labels))

    def advice(self) -> LabelAdvice:
        begin = time.process_time()
        found = advise(self.features, self.tree, self.labels, head=self.kind)
        self.slowest_s = max(self.slowest_s, time.process_time() - begin)
        return found

    def name(self, rows: Sequence[int]) -> None:
        """One by one."""
        for row in rows:
            if not self.is_done:
                self.answer([row], 1)

    def name_together(self, rows: Sequence[int]) -> None:
        """With one press, after those of other classes are taken out; the budget may end it before."""
        names, counts = self.truth[list(rows)].unique(return_counts=True)
        label = int(names[counts.argmax()])
        same = [row for row in rows if int(self.truth[row]) == label]
        if len(same) < MIXED * len(rows):
            self.answer([], 1)
        elif self.answers + len(rows) - len(same) + 1 <= self.stops[-1]:
            self.answer(same, len(rows) - len(same) + 1)


def by_random(person: Person, seed: int) -> None:
    person.name(np.random.default_rng(seed).permutation(len(person.truth)).tolist())


def by_questions(person: Person, seed: int) -> None:
    while not person.is_done:
        person.name(person.advice().questions)


def by_groups(person: Person, seed: int) -> None:
    while not person.is_done:
        advice, begin = person.advice(), person.answers
        for group in advice.groups:
            if not person.is_done and person.answers - begin < QUESTIONS:
                person.name_together(group.rows)
        person.name(person.advice().questions if advice.groups else advice.questions)


WAYS: dict[str, Callable[[Person, int], None]] = {
    "random": by_random, "questions": by_questions, "groups": by_groups,
}  # fmt: skip

UNLABELED = "+unlabeled"
MORE = ("random", "questions")  # also with the images that have no name
TOLD = tuple(name for way in WAYS for name in ((way, way + UNLABELED) if way in MORE else (way,)))


@dataclass(frozen=True)
class Row:
    """One way with one seed."""

    data: str
    seed: int
    way: str
    share: float  # of the images that could be asked; 1: all labels
    images: int  # that could be asked
    answers: int
    labelled: int  # images
    accuracy: float  # on the fold held out
    slowest_s: float  # of the processor, for an advice, its head included


def accuracy(
    whole: LabelledSet,
    features: Tensor,
    labels: Tensor,
    held: Tensor,
    head: HeadChoice = "auto",
    unlabeled: Tensor | None = None,
) -> float:
    """Of the head that is asked for, or of the one that `teach` would choose, on the fold held out."""
    classes, own = labels.unique(return_inverse=True)
    if len(classes) < 2:
        return float((whole.labels[held] == classes[0]).double().mean())

    def solve(kind: HeadKind, others: Tensor | None = None) -> LinearHeads:
        images = LabeledFeatures(features, own, len(classes), unlabeled=others)
        read = images.columns(whole.last if kind == "last" else slice(None))
        return LinearHeads((solved(read, kind),), (read.features.shape[1],))

    chosen = choose_head(solve, own) if head == "auto" else ChosenHead(kind=head, heads=solve(head))
    if unlabeled is not None and len(unlabeled):
        kind: HeadKind = "last" if head == "last" or whole.last == slice(None) else "wide"
        heads = solve(kind, unlabeled)
        chosen = choose_guesses(chosen, ChosenHead(kind=kind, heads=heads, guesses=heads.guesses), own)
    columns = whole.last if chosen.kind == "last" else slice(None)
    assert chosen.heads is not None
    said = classes[chosen.heads.logits(whole.features[held][:, columns]).argmax(dim=1)]
    return float((said == whole.labels[held]).double().mean())


def measure(whole: LabelledSet, seed: int, head: HeadChoice) -> list[Row]:
    folds = folds_of(whole.labels.numpy(), whole.groups.tolist(), FOLDS, seed)
    assert folds is not None, f"{whole.name} has too few images"
    held = torch.from_numpy(folds == 0)
    features, truth = whole.features[~held], whole.labels[~held]
    tree, count = cluster_tree(features), len(truth)
    best = accuracy(whole, features, truth, held, head)
    rows = [Row(whole.name, seed, "all labels", 1.0, count, count, count, best, 0.0)]
    kind: HeadKind = "last" if whole.last == slice(None) else "wide"
    stops = tuple(int(share * count) for share in SHARES)
    for way, ask in WAYS.items():
        person = Person(features, truth, tree, kind, stops)
        ask(person, seed)
        for share, stop in zip(SHARES, stops, strict=True):
            answers, labels = person.at(stop)
            known = labels >= 0
            named = int(known.sum())
            for also in (False, True) if way in MORE else (False,):
                others = features[~known] if also else None
                found = accuracy(whole, features[known], labels[known], held, head, others)
                told = way + UNLABELED if also else way
                rows.append(
                    Row(whole.name, seed, told, share, count, answers, named, found, person.slowest_s)
                )
    return rows


def show(rows: Sequence[Row]) -> None:
    sets = list(dict.fromkeys(row.data for row in rows))

    def mean(data: str, way: str, share: float) -> float:
        return statistics.mean(r.accuracy for r in rows if (r.data, r.way, r.share) == (data, way, share))

    columns = [(way, share) for share in SHARES for way in TOLD]
    print(
        "\n| share of the accuracy with all labels | all labels | "
        + " | ".join(f"{w} {s:.0%}" for w, s in columns)
        + " |"
    )
    print("|---|" + "--:|" * (len(columns) + 1))
    for data in sets:
        best = mean(data, "all labels", 1.0)
        cells = [f"{mean(data, way, share) / best:.3f}" for way, share in columns]
        count = next(row.images for row in rows if row.data == data)
        print(f"| {data}, {count} images to ask | {best:.3f} | {' | '.join(cells)} |")
    cells = [
        f"{statistics.mean(mean(data, way, share) / mean(data, 'all labels', 1.0) for data in sets):.3f}"
        for way, share in columns
    ]
    print(f"| mean | | {' | '.join(cells)} |\n")
    for way in TOLD:
        named = statistics.mean(r.labelled / r.images for r in rows if (r.way, r.share) == (way, SHARES[-1]))
        reached = sum(mean(d, way, SHARES[-1]) >= 0.95 * mean(d, "all labels", 1.0) for d in sets)
        words = f"{named:.0%} of the images; 95 % reached on {reached} of {len(sets)}"
        print(f"{way}: {SHARES[-1]:.0%} answers name {words}")
    print(f"slowest advice: {max(row.slowest_s for row in rows):.2f} s of the processor")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--head", choices=("auto", "wide", "last"), default="auto", help="that is judged")
    parser.add_argument("--bank", type=Path, help="a folder that keeps features for the next time")
    parser.add_argument("--json", type=Path, help="every measurement")
    choices = parser.parse_args()
    rows: list[Row] = []
    try:
        network = load_network(choices.model)
        with tempfile.TemporaryDirectory() as name:
            for folder in choices.data:
                one = read(folder, network, choices.bank or Path(name))
                for seed in range(choices.seeds):
                    rows += measure(one, seed, choices.head)
                print(f"{one.name} done", file=sys.stderr, flush=True)
    except HeadswapError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{network.name}, {choices.seeds} seeds; {machine()}")
    show(rows)
    if choices.json:
        choices.json.write_text("[\n" + ",\n".join(json.dumps(asdict(row)) for row in rows) + "\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
