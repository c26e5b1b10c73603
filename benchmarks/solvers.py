"""Which rule solves a head best, on tables that are no features of a network, and on which none was chosen.

    python -m benchmarks.solvers [--repeats 2] [--folds 5] [--rules default logistic ...] [--json FILE]

Tables: the four of scikit-learn that need no download, the digits also with 100 of their images; once more
as 2,000 random rectified sums of their columns, which is what a layer with random weights makes of them (100
and 500 of the digits); and made ones, in which classes differ in a few directions of many (`made`). Each rule
gets the same stratified folds and is judged once on the fold held out; penalties are chosen in the others.

"default" is what headswap takes for a wide head: ridge regression where features outnumber images, logistic
regression otherwise. "chosen" solves both there, and takes logistic regression where its loss out of fold,
both calibrated, is lower by more than the standard error of the difference. scikit-learn's are StandardScaler
with LogisticRegressionCV or RidgeClassifierCV, with penalties from 1e-4 to 1e4, as its users write them.

The interval next to a mean difference is a bootstrap over the rows of every table; tables count the same.
Loss is the cross-entropy of the answers as probabilities; scikit-learn's ridge gives none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.head_kinds import DRAWS, machine
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import calibrated, fit_ridge
from headswap.training.linear.solver import SolvedHead, fit_head

WIDE = 2_000
PENALTIES = np.logspace(-4, 4, 9)
FIVE = np.logspace(-4, 4, 5)  # for a solver that needs minutes for a table
Answers = tuple[NDArray[np.int64], NDArray[np.float64] | None]  # classes, probabilities


@dataclass(frozen=True, eq=False)
class Table:
    """N rows of D numbers, and the class of each."""

    name: str
    features: NDArray[np.float32]  # (N, D)
    labels: NDArray[np.int64]  # (N,)

    def random_features(self) -> Table:
        """As 2,000 rectified random sums of its standardised columns."""
        random = np.random.default_rng(0)
        width = self.features.shape[1]
        weights = random.normal(size=(width, WIDE)) / np.sqrt(width)
        ready = StandardScaler().fit_transform(self.features)
        wide = np.maximum(ready @ weights + random.normal(size=WIDE), 0)
        return Table(f"{self.name}, random features", wide.astype(np.float32), self.labels)

    def some(self, count: int) -> Table:
        """So many of its rows, drawn."""
        rows = np.random.default_rng(0).permutation(len(self.labels))[:count]
        return Table(f"{self.name}, {count} rows", self.features[rows], self.labels[rows])


def shipped() -> list[Table]:
    """The tables that come with scikit-learn."""
    sets = {
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
    }
    read = {name: load(return_X_y=True) for name, load in sets.items()}
    return [Table(name, x.astype(np.float32), y.astype(np.int64)) for name, (x, y) in read.items()]


def made(rows: int, width: int, classes: int = 5) -> Table:
    """Classes that differ in ten directions, in features whose spread falls as 1 / k, and noise added.

    Features of networks look like that: few directions with a large spread, very many with a small one.
    """
    random = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    means = random.normal(size=(classes, 10))
    factors = random.normal(size=(rows, 100)) * (1 / np.arange(1, 101)) * 3
    factors[:, 20:30] += 0.25 * means[labels]
    features = factors @ random.normal(size=(100, width)) + random.normal(size=(rows, width))
    return Table(f"made, {rows} × {width}", features.astype(np.float32), labels.astype(np.int64))


def ours(solve: Callable[[LabeledFeatures], SolvedHead]) -> Callable[[Table, NDArray[np.float32]], Answers]:
    def rule(train: Table, test: NDArray[np.float32]) -> Answers:
        known = LabeledFeatures(
            torch.from_numpy(train.features), torch.from_numpy(train.labels), int(train.labels.max()) + 1
        )
        head = solve(known)
        logits = torch.from_numpy(test) @ head.weight.T + head.bias
        return logits.argmax(dim=1).numpy(), logits.double().softmax(dim=1).numpy()

    return rule


def chosen(known: LabeledFeatures) -> SolvedHead:
    """Ridge regression unless logistic regression is clearly better in the same folds."""
    ridge = fit_ridge(known)
    logistic = fit_head(known)
    if not ridge.by_ridge or ridge.fold_logits is None or logistic.fold_logits is None:
        return ridge
    rows = torch.arange(len(known.labels))
    losses = []  # of each row
    for logits in (ridge.fold_logits.double(), logistic.fold_logits.double()):
        temperature, _ = calibrated(logits, known.labels)
        losses.append(-(logits / temperature).log_softmax(dim=1)[rows, known.labels])
    gain = losses[0] - losses[1]
    return logistic if gain.mean() > gain.std() / len(gain) ** 0.5 else ridge


def by_sklearn_logistic(train: Table, test: NDArray[np.float32]) -> Answers:
    regression = LogisticRegressionCV(
        Cs=FIVE, cv=5, class_weight="balanced", l1_ratios=(0,),
        scoring="neg_log_loss", use_legacy_attributes=False,
    )  # fmt: skip
    model = make_pipeline(StandardScaler(), regression).fit(train.features, train.labels)
    chances = model.predict_proba(test)
    return chances.argmax(axis=1), chances


def by_sklearn_ridge(train: Table, test: NDArray[np.float32]) -> Answers:
    ridge = RidgeClassifierCV(alphas=PENALTIES, class_weight="balanced")
    model = make_pipeline(StandardScaler(), ridge).fit(train.features, train.labels)
    return model.predict(test), None


RULES = {
    "default": ours(fit_ridge),
    "logistic": ours(fit_head),
    "ridge": ours(lambda known: fit_ridge(known, always=True)),
    "chosen": ours(chosen),
    "sklearn logistic": by_sklearn_logistic,
    "sklearn ridge": by_sklearn_ridge,
}


@dataclass(frozen=True)
class Cell:
    """One rule on one table, all repeats."""

    table: str
    rule: str
    rows: int
    wrong: tuple[int, ...]  # of each row, in how many repeats
    repeats: int
    loss: float | None
    seconds: float  # of solving one fold, median

    @property
    def accuracy(self) -> float:
        return 1 - sum(self.wrong) / (self.rows * self.repeats)


def judged(table: Table, rule: str, repeats: int, folds: int) -> Cell:
    wrong, losses, seconds = np.zeros(len(table.labels), dtype=int), [], []
    for repeat in range(repeats):
        cut = StratifiedKFold(folds, shuffle=True, random_state=repeat)
        for known, held in cut.split(table.features, table.labels):
            begin = time.perf_counter()
            train = Table(table.name, table.features[known], table.labels[known])
            classes, chances = RULES[rule](train, table.features[held])
            seconds.append(time.perf_counter() - begin)
            wrong[held] += classes != table.labels[held]
            if chances is not None:
                right = chances[np.arange(len(held)), table.labels[held]]
                losses += (-np.log(np.maximum(right, 1e-12))).tolist()
    loss = round(statistics.mean(losses), 4) if losses else None
    median = round(statistics.median(seconds), 3)
    return Cell(table.name, rule, len(wrong), tuple(wrong.tolist()), repeats, loss, median)


def interval(ours: Sequence[Cell], theirs: Sequence[Cell]) -> tuple[float, float]:
    """95 % of the mean difference in points of accuracy, rows of every table drawn again."""
    random, means = np.random.default_rng(0), []
    for one, other in zip(ours, theirs, strict=True):
        gain = (np.array(other.wrong) - np.array(one.wrong)) / one.repeats
        drawn = random.multinomial(one.rows, np.full(one.rows, 1 / one.rows), size=DRAWS)
        means.append(100 * drawn @ gain / one.rows)
    low, high = np.quantile(np.mean(means, axis=0), (0.025, 0.975))
    return float(low), float(high)


def show(cells: Sequence[Cell]) -> None:
    rules, tables = (
        list(dict.fromkeys(cell.rule for cell in cells)),
        list(dict.fromkeys(cell.table for cell in cells)),
    )
    found = {(cell.table, cell.rule): cell for cell in cells}
    print("| accuracy (loss) | " + " | ".join(rules) + " |\n|---|" + "--:|" * len(rules))
    for table in tables:
        texts = []
        for rule in rules:
            cell = found[table, rule]
            loss = "" if cell.loss is None else f" ({cell.loss:.3f})"
            texts.append(f"{cell.accuracy:.3f}{loss}")
        print(f"| {table} | {' | '.join(texts)} |")
    columns = {rule: [found[table, rule] for table in tables] for rule in rules}
    means = [f"{statistics.mean(cell.accuracy for cell in columns[rule]):.3f}" for rule in rules]
    print(f"| mean | {' | '.join(means)} |")
    texts = []
    for rule in rules:
        if "default" not in columns:
            break
        low, high = interval(columns[rule], columns["default"])
        mean = 100 * statistics.mean(
            a.accuracy - b.accuracy for a, b in zip(columns[rule], columns["default"], strict=True)
        )
        texts.append("" if rule == "default" else f"{mean:+.1f} ({low:+.1f} to {high:+.1f})")
    print(f"| points over default | {' | '.join(texts)} |")
    spent = [f"{statistics.mean(cell.seconds for cell in columns[rule]):.2f}" for rule in rules]
    print(f"| seconds of solving a fold, mean of tables | {' | '.join(spent)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--json", type=Path, help="what was wrong of every table")
    choices = parser.parse_args()
    plain = shipped()
    few, more = plain[-1].some(100), plain[-1].some(500)
    tables = [*plain, few, *(table.random_features() for table in (*plain[:-1], few, more))]
    tables += [made(100, 1_280), made(100, 6_000), made(400, 1_280), made(400, 6_000)]
    cells = []
    for table in tables:
        for rule in choices.rules:
            cells.append(judged(table, rule, choices.repeats, choices.folds))
            print(f"{table.name:30} {rule:18} {cells[-1].accuracy:.3f} {cells[-1].seconds:.2f} s", flush=True)
    print(f"\n{choices.repeats} times {choices.folds} folds; {machine()}\n")
    show(cells)
    if choices.json:
        lines = ",\n".join(json.dumps(asdict(cell), separators=(",", ":")) for cell in cells)
        choices.json.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
