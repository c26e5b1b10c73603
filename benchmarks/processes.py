"""How long one run of fine-tuning takes with one process and with several, on this machine.

    python -m benchmarks.processes [--processes 1 2] [--pictures 200] [--epochs 3] [--out processes.json]

Pictures are drawn once, JPEGs of 256 px in two classes, and all of the usual network is trained by
`headswap.teach(..., processes=N)`, each time with nothing kept from before. Seconds are those of the step
that trains more than the head, with the start of the processes, and of the whole run. The load of the machine
is told, because on a processor that others use a second process gains nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cluster import draw

HERE = Path(__file__).parents[1]
TEACH = """
import json, sys, headswap
from headswap.training.config import FinetuneConfig, TrainConfig
data, out, workspace, processes, epochs = sys.argv[1:]
finetune = FinetuneConfig(epochs=int(epochs), learning_rate=1e-3, confirmations=1)
config = TrainConfig(depth="everything", finetune=finetune)
done = headswap.teach(
    data, out=out, workspace=workspace, head="last", config=config,
    processes=int(processes),
)
print(json.dumps({"said": done.report.finetune.sentence, **done.seconds}))
"""


@dataclass(frozen=True)
class Measured:
    """One run."""

    processes: int
    pictures: int
    epochs: int
    said: str  # what came of it
    finetune_s: float
    total_s: float
    load_before: float  # of the machine: what else it did
    processors: int


def measure(data: Path, folder: Path, processes: int, pictures: int, epochs: int) -> Measured:
    """Train with so many processes."""
    out, load = folder / f"bundle-{processes}", os.getloadavg()[0]
    choices = [data, out, folder / f"workspace-{processes}", processes, epochs]
    ended = subprocess.run(
        [sys.executable, "-c", TEACH, *map(str, choices)],
        cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    told = json.loads(ended.stdout.splitlines()[-1])
    return Measured(
        processes=processes, pictures=pictures, epochs=epochs, said=told["said"], finetune_s=told["finetune"],
        total_s=told["total"], load_before=round(load, 1), processors=os.cpu_count() or 1,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hs-") as name:
        folder = Path(name)
        found: list[Measured] = []
        draw(folder / "pictures", choices.pictures)
        for count in choices.processes:
            found.append(measure(folder / "pictures", folder, count, choices.pictures, choices.epochs))
            print(json.dumps(asdict(found[-1])), flush=True)
    if choices.out is not None:
        choices.out.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
