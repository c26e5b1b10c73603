"""How long it takes to teach once more, with another setting, when the features are known.

    python -m benchmarks.again DATA... [--model NAME]

As the page does it: pictures taken in once, a worker that has the libraries loaded, a first run that
fills the bank, then runs with another penalty, another exam share and another seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from headswap.data.ingest import ingest
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.run import DATASET, run_experiment
from headswap.storage.records import write_record
from headswap.training.config import TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    choices = parser.parse_args()
    for source in choices.data:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            manifest = ingest(source, store=place / "pictures").manifest
            write_record(place / DATASET, manifest)
            first = Experiment(data=DataConfig(source=str(place / DATASET)), model=choices.model)
            runs = {
                "first": first,
                "penalty": replace(first, train=TrainConfig(l2_grid=(0.03, 0.3))),
                "exam share": replace(first, data=replace(first.data, test_share=0.3)),
                "seed": replace(first, data=replace(first.data, seed=1)),
            }
            print(f"{source.name}, {len(manifest.images)} pictures")
            for name, experiment in runs.items():
                begin = time.perf_counter()
                outcome = run_experiment(experiment, place / name, workspace=place / "work")
                seconds = time.perf_counter() - begin
                steps = ", ".join(f"{step} {value:.2f}" for step, value in outcome.seconds.items())
                print(f"  {name:12} {seconds:6.2f} s  ({steps})", flush=True)


if __name__ == "__main__":
    main()
