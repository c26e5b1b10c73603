"""How good a label is that is added to a bundle later, without the old pictures; and how long that takes.

    python -m benchmarks.label_later DATA... [--labels 2] [--most 150] [--json FILE]

Each DATA is a folder of class folders, laid in collages as `benchmarks.multi_label` does: every picture is
used once, and a collage has the classes of what lies on it as labels. A third of the collages is locked
away. For some labels, a bundle is taught on other collages without it, and the label is added in three ways:

    table   a table of the collages with the label and of as many without it; of the others, which are the
            old ones, nothing is said
    absent  a table of the collages with the label; no old one, which are all others, shows it
    folder  the collages with the label in a folder of its name, no other label said; no old one shows it

"again" is everything taught again, with every label known. All answer the collages that were locked away; the
figures are scikit-learn's average precision, the mean over all labels and that of the added one. Seconds are
those of `headswap.edit`, and of `headswap.train` without features kept from before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import average_precision_score

import headswap
from benchmarks.multi_label import collages

WAYS = ("table", "absent", "folder", "again")
Rows = Sequence[int]


def lay_out(
    images: Sequence[Image.Image], names: Sequence[tuple[str, ...]], rows: Rows, folder: Path
) -> Path:
    """Collages with their table."""
    folder.mkdir(parents=True)
    for row in rows:
        images[row].save(folder / f"{row:03}.png")
    lines = ["file,label", *(f"{row:03}.png,{';'.join(names[row])}" for row in rows)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def precisions(bundle: str, locked: Path, labels: Sequence[str], truth: np.ndarray) -> list[float]:
    said = list(headswap.load_bundle(bundle).predict_many(sorted(locked.glob("*.png"))))
    scores = np.array([[one.probabilities[name] for name in labels] for one in said])
    return [float(average_precision_score(truth[:, k], scores[:, k])) for k in range(len(labels))]


def trial(images: Any, truth: Any, labels: Sequence[str], number: int, home: Path) -> dict[str, Any]:
    """One label, added in each way."""
    names = [tuple(name for name, has in zip(labels, row, strict=True) if has) for row in truth]
    locked = list(range(0, len(images), 3))
    train = [row for row in range(len(images)) if row % 3]
    new = labels[number]
    having = [row for row in train if new in names[row]]
    lacking = [row for row in train if new not in names[row]]
    without, old = lacking[: len(having)], lacking[len(having) :]
    place = lay_out(images, names, locked, home / "locked")
    bases = {
        part: headswap.train(
            lay_out(images, names, rows, home / f"old {part}"),
            out=home / f"base {part}",
            workspace=home / "kept",
        ).bundle
        for part, rows in (("some", old), ("all", lacking))
    }
    folder = home / new
    folder.mkdir()
    for row in having:
        images[row].save(folder / f"{row:03}.png")
    table = lay_out(images, names, [*having, *without], home / "both")
    alone = lay_out(images, names, having, home / "alone")
    asked = {"table": ("some", table, ()), "absent": ("all", alone, new), "folder": ("all", folder, new)}
    found: dict[str, Any] = {"label": new, "old": len(old), "new": len(having)}
    for way, (part, source, absent) in asked.items():
        done = headswap.edit(bases[part], home / way, add=source, absent=absent, workspace=home / "kept")
        found[f"{way}, s"] = done.seconds
        found[way] = precisions(done.bundle, place, labels, truth[locked])
    begin = time.perf_counter()
    whole = lay_out(images, names, train, home / "whole")
    again = headswap.train(whole, out=home / "again", workspace=home / "fresh")
    found["again, s"] = round(time.perf_counter() - begin, 2)
    return found | {"again": precisions(again.bundle, place, labels, truth[locked])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--labels", type=int, default=2)
    parser.add_argument("--most", type=int, default=150)
    parser.add_argument("--json", type=Path)
    choices = parser.parse_args()
    found = []
    for folder in choices.data:
        images, truth, labels = collages(folder, choices.most)
        for number in np.linspace(0, len(labels) - 1, choices.labels).round().astype(int):
            with tempfile.TemporaryDirectory() as home:
                row = {"data": folder.name} | trial(images, truth, labels, int(number), Path(home))
            found.append(row | {"labels": labels, "number": int(number)})
            told = [
                f"{way} {np.mean(row[way]):.3f} / {row[way][number]:.3f} ({row[f'{way}, s']} s)"
                for way in WAYS
            ]
            print(folder.name, row["label"], row["old"], row["new"], *told, flush=True)
    means = {way: statistics.fmean(float(np.mean(row[way])) for row in found) for way in WAYS}
    print({way: round(value, 4) for way, value in means.items()})
    if choices.json:
        choices.json.write_text(json.dumps({"trials": found, "means": means}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
