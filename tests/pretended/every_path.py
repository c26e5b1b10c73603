"""What `tests/test_every_path_on_a_device.py` does, with real networks and the page's own processes; minutes.

python -m tests.pretended.every_path [mps | cuda]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import headswap
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.bundle.evaluate import evaluate_bundle
from headswap.bundle.heatmap import heat_map
from headswap.exports.package import take_home
from headswap.heads.detect import find_head
from headswap.heads.swap import swap_head
from headswap.lessons.catalogue import LESSONS, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.pipeline.replay import train_again
from headswap.training.config import Depth, FinetuneConfig, TrainConfig
from headswap.zoos.catalogue import build_network
from tests.conftest import ROOT
from tests.pretend_device import pretend_device

NETWORKS = (
    "torchvision/resnet18",
    "torchvision/vit_b_16",
    "timm/levit_128s",
    "timm/convnext_atto",
    "transformers/ViTForImageClassification",
)
PATIENCE_S = 600.0


def main(device: Any) -> int:
    """Try every path; returns how many ended badly."""
    data = ROOT / "assets" / "sample" / "train"
    folder, failures = Path(tempfile.mkdtemp()), 0

    def step(name: str, act: Callable[[], object]) -> None:
        nonlocal failures
        begin = time.perf_counter()
        try:
            act()
            _say(f"{name}: well, {time.perf_counter() - begin:.0f} s")
        except Exception:  # noqa: BLE001 - shown whole; the other paths are tried too
            failures += 1
            _say(f"{name}: failed")
            traceback.print_exc()

    with pretend_device(device):
        for depth in get_args(Depth):
            config = TrainConfig(depth=depth, finetune=FinetuneConfig(epochs=2, crops=2, confirmations=1))
            step(
                f"teach {depth}",
                lambda depth=depth, config=config: headswap.teach(  # type: ignore[misc]
                    data, out=folder / depth, workspace=folder, config=config
                ),
            )
        image = next((ROOT / "assets" / "sample" / "try").iterdir())
        bundle = folder / "last"
        step("replay", lambda: train_again(bundle, data, out=folder / "again", workspace=folder))
        step("predict", lambda: headswap.load_bundle(bundle).predict(image))
        step("heat map", lambda: heat_map(headswap.load_bundle(bundle), image))
        step("evaluate", lambda: evaluate_bundle(headswap.load_bundle(bundle), data, workspace=folder))
        step("export", lambda: take_home(bundle, folder / "home.zip"))
        step("compare", lambda: headswap.compare(data, models=["tf_efficientnet_lite0"], workspace=folder))
        for lesson in LESSONS:
            step(f"lesson {lesson.name}", lambda name=lesson.name: _lesson(name, folder))  # type: ignore[misc]
        for name in NETWORKS:
            step(f"swap {name}", lambda name=name: _swap(name, device))  # type: ignore[misc]
    step("the page", lambda: _page(device, data, image, folder / "page"))
    return failures


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _lesson(name: str, folder: Path) -> None:
    run_lesson(name, LessonConfig(most_images=48, epochs=1), workspace=folder)


def _swap(name: str, device: str) -> None:
    network = build_network(name)
    network.module.to(device)
    swap_head(network, 3, site=find_head(network))


def _page(device: str, data: Path, image: Path, workspace: Path) -> None:
    """A worker teaches, the process that answers predicts, each with the device."""
    os.environ |= {"HEADSWAP_PRETENDS": device, "PYTHONPATH": str(Path(__file__).parent)}
    with Service(Settings(workspace=workspace, sample=data)) as service:
        project = service.new_project("ada").id
        service.images.use_sample("ada", project)
        job, end = service.start_teaching("ada", project), time.monotonic() + PATIENCE_S
        while not (view := service.job("ada", job)).is_over and time.monotonic() < end:
            time.sleep(0.5)
        if view.state != "done":
            raise RuntimeError(f"{view.state}: {view.problem} {view.remedy}")
        service.predict("ada", job, image)
        service.results.heat_map("ada", job, image)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "mps"))
