"""What many images and many classes take: solving a head, grouping near duplicates, making a report.

    python -m benchmarks.blocks [--against CHECKOUT] [--heads 500x1280x10 40000x64x1000] [--iterations 11]
                                [--groups 20000] [--thumbnails 3000 20000] [--reports 20000x1000]
                                [--sets DATA...] [--out blocks.json]

Every figure comes from a process of its own, with this checkout and with the other one in turn: seconds by
the clock and of the processor, and the most memory it had (VmHWM, which counts what is mapped from files).
Features are drawn around one centre for each class, looks of images at random, half of them in bursts
of fifty; with `--thumbnails` these have thumbnails too, as real images have. `--iterations` ends every solve
early: L-BFGS has all of its memory after ten. Of sets, folders of class folders, both checkouts teach a head
from features that they share, and say what came of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from headswap.data.manifest import ImageRecord

HERE = Path(__file__).parents[1]
BURST = 50


@dataclass(frozen=True)
class Measured:
    """One process."""

    what: str
    shape: str
    checkout: str  # "this" or "other"
    seconds: float  # the least, where it was done several times
    processor_s: float
    peak_mb: int
    before_mb: int  # with libraries and what is given, before anything was done
    note: str


def memory_mb(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) // 1024


def image_record(
    number: int, label: int, is_test: bool, look: bytes = bytes(32), thumbnail: str = ""
) -> ImageRecord:
    from headswap.data.manifest import ImageRecord

    return ImageRecord(
        file=f"{number}.jpg", source="", class_name=f"{label:04d}", sha256=f"{number:064x}", width=1,
        height=1, fingerprint=look.hex(), brightness=0.5, part="test" if is_test else "train",
        thumbnail=thumbnail,
    )  # fmt: skip


def a_head(shape: str, iterations: int | None) -> tuple[list[float], list[float], int, str]:
    import torch

    from headswap.features.memmap import matrix
    from headswap.training.config import TrainConfig
    from headswap.training.linear import solver
    from headswap.training.linear.labeled_features import LabeledFeatures

    count, width, classes = map(int, shape.split("x"))
    if iterations is not None:
        solver._FOLD_ITERATIONS = solver._FINAL_ITERATIONS = iterations
    source = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=source)
    features = matrix(count, width)
    for some, own in zip(features.split(4096), labels.split(4096), strict=True):
        some.copy_(centres[own] + 6 * torch.randn(some.shape, generator=source))
    before = memory_mb("VmRSS")
    config = TrainConfig() if iterations is None else TrainConfig(l2_grid=(0.001,))
    seconds, processor = [], []
    for _ in range(25 if count < 1000 else 1):
        begin, busy = time.perf_counter(), time.process_time()
        head = solver.fit_head(LabeledFeatures(features, labels, classes), config=config)
        seconds.append(time.perf_counter() - begin)
        processor.append(time.process_time() - busy)
    losses = " ".join(f"{loss:.5f}" for loss in head.fold_losses)
    return seconds, processor, before, f"penalty {head.l2:g}, losses {losses}"


def thumbnails_of(count: int) -> list[str]:
    """Of images whose first half is in bursts: the same, but for a little noise."""
    random = np.random.default_rng(1)
    cells = random.integers(0, 256, (count, 8, 8))
    for start in range(0, count // 2, BURST):
        cells[start : start + BURST] = cells[start]
    light = cells.repeat(4, axis=1).repeat(4, axis=2) + random.integers(-3, 4, (count, 32, 32))
    colours = bytes([128]) * 128
    return [b64encode(one.clip(0, 255).astype(np.uint8).tobytes() + colours).decode() for one in light]


def with_thumbnails(shape: str) -> tuple[list[float], list[float], int, str]:
    return groups(shape, thumbnails_of(int(shape)))


def groups(shape: str, thumbnails: Sequence[str] = ()) -> tuple[list[float], list[float], int, str]:
    from headswap.data.duplicates import group_alike

    count, random = int(shape), np.random.default_rng(0)
    looks = random.integers(0, 256, (count, 32), dtype=np.uint8)
    for start in range(0, count // 2, BURST):  # a burst differs in a few bits from its first image
        flips = random.integers(0, 8, (BURST, 4))
        looks[start : start + BURST] = looks[start]
        looks[start + np.arange(BURST)[:, None], random.integers(0, 32, (BURST, 4))] ^= (1 << flips).astype(
            np.uint8
        )
    images = [
        image_record(number, number % 5, False, look.tobytes(), thumbnail)
        for number, (look, thumbnail) in enumerate(zip(looks, thumbnails or [""] * count, strict=True))
    ]
    before, begin, busy = memory_mb("VmRSS"), time.perf_counter(), time.process_time()
    found = group_alike(images)
    return [time.perf_counter() - begin], [time.process_time() - busy], before, f"{len(set(found))} groups"


def a_report(shape: str) -> tuple[list[float], list[float], int, str]:
    from headswap.data.manifest import Manifest
    from headswap.evaluation.evaluate import EvaluationInputs, SplitLogits, build_report
    from headswap.storage.files import to_json

    count, classes = map(int, shape.split("x"))
    images = tuple(
        image_record(number, number % classes, number < count) for number in range(count + classes)
    )
    names = tuple(f"{number:04d}" for number in range(classes))
    manifest = Manifest(name="drawn", root="/", classes=names, images=images)
    labels = np.arange(count) % classes
    logits = np.random.default_rng(0).normal(size=(count, classes)).astype(np.float32)
    logits[np.arange(count), labels] += 4
    files, hashes = [one.file for one in images[:count]], [one.sha256 for one in images[:count]]
    test = SplitLogits(files=files, sha256s=hashes, labels=labels, logits=logits)
    inputs = EvaluationInputs(manifest=manifest, test=test, train=None, train_right=1)
    before, begin, busy = memory_mb("VmRSS"), time.perf_counter(), time.process_time()
    text = to_json(build_report(inputs, temperature=1.0), indent=1)
    seconds, processor = [time.perf_counter() - begin], [time.process_time() - busy]
    return seconds, processor, before, f"{len(text) / 1e6:.0f} MB of JSON"


def a_set(place: str) -> tuple[list[float], list[float], int, str]:
    import headswap

    before, begin, busy = memory_mb("VmRSS"), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(tempfile.gettempdir()) / "headswap-benchmark-blocks"
        outcome = headswap.train(place, out=Path(folder) / "bundle", workspace=shared)
        seconds, processor = [time.perf_counter() - begin], [time.process_time() - busy]
        replay = json.loads((Path(outcome.bundle) / "experiment.json").read_text())["replay"]
        split = hashlib.sha256((Path(outcome.bundle) / "dataset.json").read_bytes()).hexdigest()[:8]
    report = outcome.report
    said = hashlib.sha256(repr([(one.file, one.label) for one in report.answers]).encode()).hexdigest()[:8]
    note = (
        f"penalty {replay['strength']:g}, {replay['head']}, test {report.test_right} of {report.test_total}"
    )
    return seconds, processor, before, f"{note}, groups and parts {split}, answers {said}"


def child(what: str, shape: str, checkout: str, iterations: int | None) -> Measured:
    if what == "head":
        seconds, processor, before, note = a_head(shape, iterations)
    else:
        ways = {"groups": groups, "thumbnails": with_thumbnails, "report": a_report, "set": a_set}
        seconds, processor, before, note = ways[what](shape)
    least = round(min(seconds), 3), round(min(processor), 3)
    return Measured(what, shape, checkout, *least, memory_mb("VmHWM"), before, note)


def measured(what: str, shape: str, checkout: str, place: Path, iterations: int | None) -> Measured:
    """Let another process do it, with the package of one checkout."""
    early = ["--iterations", str(iterations)] if iterations and what == "head" else []
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--child", what, shape, checkout, *early],
        env={**os.environ, "PYTHONPATH": str(place.resolve())},
        cwd=place,
        check=True,
        capture_output=True,
        text=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--heads", nargs="*", default=["500x1280x10", "40000x64x1000"])
    parser.add_argument("--iterations", type=int, help="of each solve at most, and the weakest penalty alone")
    parser.add_argument("--groups", nargs="*", default=["20000"])
    parser.add_argument("--thumbnails", nargs="*", default=["3000", "20000"])
    parser.add_argument("--reports", nargs="*", default=["20000x1000"])
    parser.add_argument("--sets", nargs="*", default=[], type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.child:
        what, shape, checkout = choices.child
        print(json.dumps(asdict(child(what, shape, checkout, choices.iterations))))
        return
    checkouts = {"this": HERE} if choices.against is None else {"other": choices.against, "this": HERE}
    tasks = [("head", one) for one in choices.heads] + [("groups", one) for one in choices.groups]
    tasks += [("thumbnails", one) for one in choices.thumbnails]
    tasks += [("report", one) for one in choices.reports]
    tasks += [("set", str(one.resolve())) for one in choices.sets]
    found = []
    print(f"{'':8} {'':20} {'':6} {'seconds':>9} {'processor':>9} {'peak MB':>8} {'before':>7}")
    for what, shape in tasks:
        for checkout, place in checkouts.items():
            one = measured(what, shape, checkout, place, choices.iterations)
            one = replace(one, shape=Path(shape).name)
            found.append(asdict(one))
            took = f"{one.seconds:9.2f} {one.processor_s:9.2f} {one.peak_mb:8} {one.before_mb:7}"
            print(f"{what:8} {one.shape:20} {checkout:6} {took}  {one.note}", flush=True)
            if choices.out:
                choices.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
