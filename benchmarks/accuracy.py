"""The proof: how accurate headswap is, next to what a user could take instead, fold by fold.

    python -m benchmarks.accuracy DATA... --results FILE [--ways last wide auto ...] [--repeats 2] [--folds 5]
        [--no-flips SET...] [--python WAY=PATH...] [--minutes N]
    python -m benchmarks.accuracy --results FILE

Folds are stratified, near duplicates whole, others in each repeat, the same for every way; each cell (set,
way, repeat, fold) runs in a process of its own, on one processor, and knows nothing of the fold it is judged
on (`benchmarks.accuracy_ways` says what each way does). It leaves one line in the results file. A second
start goes on where the first was ended, whenever that was; without DATA the table is of what is there.

Order: the first fold of every set in all ways, the quickest first, then the second fold, and so on.

Differences are paired: only cells that both ways have count. The interval is a bootstrap: in each of 10,000
draws the near-duplicate groups of every set (most are one image) are drawn again, as many as there are, and
an image brings its answers by both ways; sets count the same. It says nothing of other sets.

Seconds: "warm" from after the imports, the weights having been read once, to the trained network (with
headswap: the sealed bundle); "whole" from the start of the process to its end, answers to the fold included.
Seconds of the processor do not count waiting, and are disturbed less by other work on the machine.
Versions: benchmarks/requirements-accuracy.txt.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.errors import HeadswapError, TooFewImages
from headswap.training.linear.solver import folds_of

WAYS = (
    "last", "wide", "auto", "sklearn", "sklearn-wide", "deeper",
    "fastai", "frozen", "timm", "autogluon", "full",
)  # fmt: skip
DRAWS = 10_000
_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of linux/prctl.h


@dataclass(frozen=True)
class Line:
    """One way on one fold, as it stands in the results file."""

    data: str
    way: str
    repeat: int
    fold: int
    of: int  # folds in all
    groups: tuple[int, ...]  # of the images of the fold, in the order of the set
    wrong: tuple[int, ...]  # of these, counted from 0
    chosen: str  # on the way, where something was
    engine: str
    warm_s: float
    warm_processor_s: float
    whole_s: float
    whole_processor_s: float
    load: float  # of the machine when it began: processes that wanted a processor, over the last minute
    versions: str

    @property
    def cell(self) -> tuple[int, int]:
        return self.repeat, self.fold

    @property
    def right(self) -> float:
        return 1 - len(self.wrong) / len(self.groups)


@dataclass(frozen=True)
class Job:
    """One cell that is to be run."""

    source: Path
    way: str
    repeat: int
    fold: int


@dataclass(frozen=True)
class LabelledSet:
    """The images of a folder, in the order of its files."""

    folder: Path
    manifest: Manifest

    @property
    def labels(self) -> list[int]:
        return [self.manifest.label(image) for image in self.manifest.images]

    @property
    def groups(self) -> list[int]:
        return [image.group for image in self.manifest.images]

    def fold_of_each(self, count: int, seed: int) -> list[int]:
        folds = folds_of(np.array(self.labels), self.groups, count, seed)
        if folds is None:
            problem = f"A class of {self.folder.name} has too few images that differ to be cut into folds."
            raise TooFewImages(problem, remedy="Add images; ten or more are better.")
        return list(map(int, folds))


# --- the results file -------------------------------------------------------------------------


def read_lines(file: Path) -> list[Line]:
    """What is there; a line that was torn by a power cut is passed over."""
    found = {}
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            said = json.loads(text)
        except ValueError:
            continue
        line = Line(**{**said, "groups": tuple(said["groups"]), "wrong": tuple(said["wrong"])})
        found[line.data, line.way, line.cell] = line
    return list(found.values())


def append(file: Path, line: Line) -> None:
    """One write of one whole line; a torn one before it is closed first."""
    torn = file.exists() and file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")
    text = ("\n" if torn else "") + json.dumps(asdict(line), separators=(",", ":")) + "\n"
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


# --- one cell ---------------------------------------------------------------------------------


def run(job: Job, one: LabelledSet, choices: argparse.Namespace) -> Line:
    """Train in one way on the other folds, in a new process, and answer this one."""
    folds, images = one.fold_of_each(choices.folds, job.repeat), one.manifest.images
    held = [number for number, fold in enumerate(folds) if fold == job.fold]
    rest = [number for number, fold in enumerate(folds) if fold != job.fold]
    with tempfile.TemporaryDirectory(prefix="headswap-accuracy-") as name:
        folder = Path(name)
        parts = {part: _copied(one, rows, folder, part) for part, rows in (("train", rest), ("test", held))}
        description = {
            **parts, "way": job.way, "folder": name, "answer": str(folder / "answer.json"),
            "seed": job.repeat, "classes": list(one.manifest.classes),
            "groups": [images[number].group for number in rest],
            "flips": one.folder.name not in choices.no_flips,
        }  # fmt: skip
        (folder / "job.json").write_text(json.dumps(description))
        load, begin = os.getloadavg()[0], time.perf_counter()
        processor = _in_a_process(folder / "job.json", choices.python.get(job.way, sys.executable), choices)
        whole, said = time.perf_counter() - begin, json.loads((folder / "answer.json").read_text())
    return Line(
        data=one.folder.name, way=job.way, repeat=job.repeat, fold=job.fold, of=choices.folds,
        groups=tuple(images[number].group for number in held), whole_s=round(whole, 2),
        whole_processor_s=round(processor, 2), load=round(load, 1), **{**said, "wrong": tuple(said["wrong"])},
    )  # fmt: skip


def _copied(one: LabelledSet, rows: Sequence[int], folder: Path, part: str) -> list[tuple[str, int]]:
    """Images as a user would have them, a folder for each class; (file in `folder`, class) of each."""
    placed = []
    for number in rows:
        image = one.manifest.images[number]
        label = one.manifest.label(image)
        file = f"data/{part}/{one.manifest.classes[label]}/{number:05}{Path(image.file).suffix}"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.manifest.path(image), folder / file)
        placed.append((file, label))
    return placed


def _in_a_process(job: Path, python: str, choices: argparse.Namespace) -> float:
    """Run it on one processor; seconds of the processor, its children's included."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    log = choices.results.with_suffix(".log")
    with log.open("a") as file:
        child = subprocess.Popen(
            [python, "-m", "benchmarks.accuracy_ways", str(job)],
            stdout=file, stderr=file, env=environment, start_new_session=True, preexec_fn=_on_one_processor,
        )  # fmt: skip
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"it ended with {child.returncode}; the end of {log} says why")
    return usage.ru_utime + usage.ru_stime


def _on_one_processor() -> None:
    """On Linux also ended with its parent, however that ends."""
    if hasattr(os, "sched_setaffinity"):
        ctypes.CDLL(None).prctl(_PARENTS_DEATH, signal.SIGKILL)
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


# --- all cells --------------------------------------------------------------------------------


def jobs(choices: argparse.Namespace) -> Iterator[Job]:
    for repeat in range(choices.repeats):
        for fold in range(choices.folds):
            for way in choices.ways:
                for source in choices.data:
                    yield Job(source, way, repeat, fold)


def measure(choices: argparse.Namespace) -> None:
    sets = {source: LabelledSet(source.resolve(), ingest(source).manifest) for source in choices.data}
    done = {
        (line.data, line.way, line.cell) for line in read_lines(choices.results) if line.of == choices.folds
    }
    end, failed = time.monotonic() + 60 * choices.minutes, set()
    for job in jobs(choices):
        name = sets[job.source].folder.name
        if (name, job.way, (job.repeat, job.fold)) in done or job.way in failed:
            continue
        if time.monotonic() > end:
            print("the minutes are over; another start goes on from here", file=sys.stderr)
            return
        try:
            line = run(job, sets[job.source], choices)
        except RuntimeError as error:
            print(f"{job.way} on {name} failed and is left out: {error}", file=sys.stderr, flush=True)
            failed.add(job.way)
            continue
        append(choices.results, line)
        words = f"{job.repeat}.{job.fold}  {line.way:14} {name:24} {line.right:.3f}"
        print(f"{words}  {line.warm_processor_s:8.1f} s of the processor", file=sys.stderr, flush=True)


# --- the table --------------------------------------------------------------------------------


def show(lines: Sequence[Line]) -> None:
    """Accuracy of each way on each set with its folds, then differences and seconds on the same cells."""
    found = {line.way for line in lines}
    ways = [way for way in WAYS if way in found]
    names = sorted({line.data for line in lines})
    print("| accuracy (folds) | " + " | ".join(ways) + " |\n|---|" + "--:|" * len(ways))
    for name in names:
        own = [[line for line in lines if (line.data, line.way) == (name, way)] for way in ways]
        print(f"| {name} | {' | '.join(_accuracy(part) for part in own)} |")
    print(f"| mean of the sets | {' | '.join(_mean(lines, way, names) for way in ways)} |")
    for base in ("last", "auto", "deeper"):
        if base in ways:
            cells = [_difference(lines, way, base) if way != base else "" for way in ways]
            print(f"| points over {base}, on the same folds | {' | '.join(cells)} |")
    for field, words in (
        ("warm_processor_s", "warm, s of the processor"), ("whole_processor_s", "whole, s of the processor"),
        ("warm_s", "warm, s"), ("whole_s", "whole, s"),
    ):  # fmt: skip
        cells = [_seconds([line for line in lines if line.way == way], field) for way in ways]
        print(f"| {words}: a fold, mean of sets | {' | '.join(cells)} |")
        if "auto" in ways:
            cells = [_times(lines, way, field) for way in ways]
            print(f"| … times that of auto, same folds | {' | '.join(cells)} |")
    took = [line for line in lines if line.way == "auto"]
    if took:
        wide = sum(line.chosen.startswith("wide") for line in took)
        print(f"\nauto took the wide head {wide} times of {len(took)}")
    loads = [line.load for line in lines]
    if loads:
        middle = statistics.median(loads)
        print(f"load of the machine when a cell began: {min(loads)} to {max(loads)}, median {middle:.1f}")
    for versions in sorted({line.versions for line in lines}):
        print(versions)


def _accuracy(part: Sequence[Line]) -> str:
    if not part:
        return ""
    return f"{_share(part):.3f} ({len(part)})"


def _share(part: Sequence[Line]) -> float:
    return 1 - sum(len(line.wrong) for line in part) / sum(len(line.groups) for line in part)


def _mean(lines: Sequence[Line], way: str, names: Sequence[str]) -> str:
    """Of a way that has something of every set; of others it would be of easier or harder ones."""
    own = [[line for line in lines if (line.data, line.way) == (name, way)] for name in names]
    return f"{statistics.mean(_share(part) for part in own):.3f}" if all(own) else ""


def _both(lines: Sequence[Line], way: str, base: str) -> dict[str, list[tuple[Line, Line]]]:
    """For each set, the cells that both ways have."""
    known = {(line.data, line.way, line.cell): line for line in lines}
    pairs: dict[str, list[tuple[Line, Line]]] = {}
    for line in lines:
        other = known.get((line.data, base, line.cell))
        if line.way == way and other is not None:
            pairs.setdefault(line.data, []).append((line, other))
    return pairs


def _difference(lines: Sequence[Line], way: str, base: str) -> str:
    """Points of a way over another, with 95 % of the bootstrap that the first lines describe."""
    pairs = _both(lines, way, base)
    if not pairs:
        return ""
    random, draws, mean = np.random.default_rng(0), np.zeros((len(pairs), DRAWS)), []
    for number, (_, own) in enumerate(sorted(pairs.items())):
        groups = np.concatenate([one.groups for one, _ in own])
        gain = np.concatenate([_wrong(other) - _wrong(one) for one, other in own])
        _, group = np.unique(groups, return_inverse=True)
        sizes, sums = np.bincount(group), np.bincount(group, weights=gain)
        drawn = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS)
        draws[number] = (drawn @ sums) / (drawn @ sizes)
        mean.append(gain.mean())
    low, high = np.quantile(draws.mean(axis=0), (0.025, 0.975))
    cells = sum(map(len, pairs.values()))
    return f"{100 * statistics.mean(mean):+.1f} ({100 * low:+.1f} to {100 * high:+.1f}; {cells} folds)"


def _wrong(line: Line) -> Any:
    marks = np.zeros(len(line.groups))
    marks[list(line.wrong)] = 1
    return marks


def _seconds(part: Sequence[Line], field: str) -> str:
    means = [
        statistics.mean(getattr(line, field) for line in part if line.data == name)
        for name in {line.data for line in part}
    ]
    return f"{statistics.mean(means):.1f}"


def _times(lines: Sequence[Line], way: str, field: str) -> str:
    pairs = [pair for own in _both(lines, way, "auto").values() for pair in own]
    base = sum(getattr(other, field) for _, other in pairs)
    return f"{sum(getattr(one, field) for one, _ in pairs) / base:.1f}" if pairs and base else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--results", type=Path, required=True, help="lines of JSON; a second start adds")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--no-flips", nargs="+", default=[], help="sets whose images must not be mirrored")
    parser.add_argument("--python", nargs="+", default=[], help="of an environment for one way: fastai=PATH")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so many")
    choices = parser.parse_args()
    choices.python = dict(pair.split("=", 1) for pair in choices.python)
    if choices.repeats < 1 or choices.folds < 2:
        parser.error("--repeats is 1 or more, --folds 2 or more")
    if len({folder.resolve().name for folder in choices.data}) < len(choices.data):
        parser.error("two folders have the same name, and the table goes by it: rename one")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # ends its process, too
    try:
        if choices.data:
            measure(choices)
    except HeadswapError as error:
        print(error, file=sys.stderr)
        return 2
    show(read_lines(choices.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
