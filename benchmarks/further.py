"""What each way of going further than the head gains, on the exam, over several splits.

    python -m benchmarks.further DATA... [--ways last:1e-3 everything:1e-3] [--seeds 0 1 2] [--passes 20]
    python -m benchmarks.further DATA... --estimates norms    # how long it was said to take, and took

Every way begins from the same solved head, practises on all practice pictures and is looked at
once, on the exam. Nothing is chosen: this shows what there is to choose from. With --auto
the search itself is run too. A row per set, split and way; with --json FILE the rows are kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch

import headswap
from headswap.app.jobs.job import Job, JobState
from headswap.app.service.networks import training_s
from headswap.app.service.views import RemainingTime
from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.data.transforms import prepare, wanted_px
from headswap.events import Event, Progress
from headswap.pipeline.inspect import inspect_network
from headswap.training.config import Depth, FinetuneConfig, Moving, TrainConfig
from headswap.training.finetune.adapter import finetune_setup_of, run_finetuning
from headswap.training.finetune.candidates import CandidateRunner, FinetuneSetup, planned_last
from headswap.training.finetune.compare import answers
from headswap.training.finetune.plan import FinetuneCandidate
from headswap.training.task import TrainingTask
from headswap.training.train import begin
from headswap.zoos.catalogue import DEFAULT_MODEL, describe_network, load_network


@dataclass(frozen=True)
class Row:
    """One way on one split of one set."""

    data: str
    seed: int
    way: str
    right: int
    test: int
    seconds: float


_JOB = Job(
    id="0" * 32, sequence=1, owner="", project="", experiment_json='{"teach": {"depth": "norms"}}',
    state=JobState.RUNNING, attempt=1, crashes=0, lease=1, worker="", cancel_requested=False, progress=None,
    result="", error=None, created_at=0.0,
)  # fmt: skip


@contextmanager
def untimed(step: str) -> Iterator[None]:
    yield


def measure(source: Path, seed: int, options: argparse.Namespace) -> Iterator[Row]:
    """All ways on one split."""
    spec = describe_network(options.model).input
    intake = ingest(source, prepare=lambda image: prepare(image, spec), wanted_px=wanted_px(spec))
    manifest = split(intake.manifest, seed=seed)
    network = load_network(options.model)
    config = TrainConfig(
        depth="auto", budget_s=options.budget, finetune=FinetuneConfig(epochs=options.passes)
    )
    with tempfile.TemporaryDirectory() as folder:
        task = TrainingTask(
            manifest=manifest, intake=intake, config=config, features_folder=Path(folder), seed=seed
        )
        start = time.perf_counter()
        beginning = begin(task, network, timing=untimed)
        labels, logits = beginning.trained.test.labels, beginning.trained.test.logits
        head_s = time.perf_counter() - start
        yield Row(source.name, seed, "head", int((logits.argmax(1) == labels).sum()), len(labels), head_s)
        task, network = beginning.task, beginning.network
        setup = finetune_setup_of(task, network, beginning)
        runner = CandidateRunner(setup)
        runner.fill(frozenset({"last"}), lambda images: None)
        for way in options.ways:
            yield _tried(way, setup, runner, manifest, Row(source.name, seed, way, 0, len(labels), 0.0))
        runner.put_back()
        if options.auto:
            start = time.perf_counter()
            trained = run_finetuning(task, network, beginning, lambda event: None)
            right = int((trained.test.logits.argmax(1) == labels).sum())
            depth = trained.finetune.depth if trained.finetune else "head"
            seconds = time.perf_counter() - start
            yield Row(source.name, seed, f"auto ({depth})", right, len(labels), seconds)


def _tried(way: str, setup: FinetuneSetup, runner: CandidateRunner, manifest: Manifest, row: Row) -> Row:
    depth, _, rate = way.partition(":")
    candidate = FinetuneCandidate(depth=cast(Moving, depth), learning_rate=float(rate))
    epochs, start = setup.config.finetune.epochs, time.perf_counter()
    runner.run(planned_last(candidate, epochs, epochs), tick=lambda images: None)
    test = torch.tensor([number for number, one in enumerate(manifest.images) if one.part == "test"])
    said = answers(setup.module, setup.site, setup.image_batches, test, setup.engine).argmax(1)
    seconds = time.perf_counter() - start
    return replace(row, right=int((said == setup.labels[test]).sum()), seconds=round(seconds, 1))


@dataclass(frozen=True)
class Estimate:
    """How long one deeper teaching was said to take, and how long it took, in seconds from there on."""

    data: str
    images: int
    depth: str
    before: float  # before it began, from one measurement of the network
    took: float
    after_a_pass: float  # after the first pass of the search
    then_took: float


def estimate(source: Path, depth: Depth, options: argparse.Namespace) -> Estimate:
    """Teach as the page does, and listen as its worker's row is read."""
    found = inspect_network(options.model)
    config = TrainConfig(depth=depth, finetune=FinetuneConfig(epochs=options.passes))
    pace, told = RemainingTime(time.perf_counter), list[tuple[float, float]]()
    begin = time.perf_counter()

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            left = pace.seconds_left(replace(_JOB, progress=event))
            if left is not None:
                told.append((time.perf_counter(), left))

    with tempfile.TemporaryDirectory() as folder:
        outcome = headswap.teach(
            source, model=options.model, config=config, out=Path(folder) / "bundle", workspace=folder,
            seed=options.seeds[0], listener=listen,
        )  # fmt: skip
    end = time.perf_counter()
    images = outcome.train_images + outcome.test_images
    before = training_s(
        config, images=images, test_share=0.2, image_ms=found.image_ms or 0.0, train_ms=found.train_ms or 0.0
    )
    at, left = told[0] if told else (end, 0.0)
    return Estimate(source.name, images, depth, before, end - begin, left, end - at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--ways", nargs="*", default=["last:1e-3", "everything:1e-3"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--auto", action="store_true")
    parser.add_argument("--budget", type=float)
    parser.add_argument("--estimates", nargs="+", metavar="DEPTH")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.estimates:
        for source in options.data:
            for depth in options.estimates:
                one = estimate(source, depth, options)
                first = f"before: said {one.before:5.0f} s, took {one.took:5.0f}"
                then = f"after a pass: said {one.after_a_pass:5.0f} s, took {one.then_took:5.0f}"
                print(f"{one.data:22} {one.images:4} {one.depth:10} {first}; {then}", flush=True)
        return
    rows: list[Row] = []
    for source in options.data:
        for seed in options.seeds:
            for row in measure(source, seed, options):
                rows.append(row)
                counted = f"{row.right:4} of {row.test:4}  {row.seconds:7.1f} s"
                print(f"{row.data:22} {row.seed}  {row.way:20} {counted}", flush=True)
                if options.json:
                    options.json.write_text(json.dumps([asdict(one) for one in rows], indent=1))
    for way in dict.fromkeys(row.way for row in rows):
        shares = [row.right / row.test for row in rows if row.way == way]
        print(f"{way:20} mean {statistics.mean(shares):.3f} over {len(shares)} splits")


if __name__ == "__main__":
    main()
