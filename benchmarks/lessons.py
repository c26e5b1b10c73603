"""How long the experiments take, as in the process that runs them for the page: libraries loaded.

    python -m benchmarks.lessons [--models tf_efficientnet_lite0 torchvision/resnet50] [--data DIR]

Weights that are not here are drawn by chance: the seconds are the same, the accuracies mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.accuracy_ways import processor_s
from headswap.errors import HeadswapError
from headswap.lessons.catalogue import LESSONS, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.zoos.catalogue import DEFAULT_MODEL, build_network, describe_network


def by_chance(model: str, folder: Path) -> str:
    """A weight file for a network whose weights are not on this machine."""
    place = folder / f"{model.split('/')[-1]}.pt"
    torch.save(build_network(model).module.state_dict(), place)
    return str(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL])
    parser.add_argument("--data", default="", help="default: the sample set")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run_lesson("which-layer", LessonConfig(most_images=16), workspace=folder / "warm")
        for model in choices.models:
            is_here = describe_network(model).weights.state == "here"
            weights = "" if is_here else by_chance(model, folder)
            print(f"{model}{'' if is_here else ', weights drawn by chance'}")
            setting = LessonConfig(model=model, data=choices.data, weights=weights)
            for lesson in LESSONS:
                start, used = time.perf_counter(), processor_s()
                try:
                    result = run_lesson(lesson.name, setting, workspace=folder / model)
                except HeadswapError as error:
                    print(f"  {lesson.name:16} {error}")
                    continue
                seconds, processor = time.perf_counter() - start, processor_s() - used
                words = f"{seconds:6.1f} s  {processor:6.1f} s of the processor  {result.images:3} pictures"
                print(f"  {lesson.name:16} {words}", flush=True)


if __name__ == "__main__":
    main()
