"""Every way through headswap on a machine with a GPU, pretended: nothing mixes devices, all of it ends well.

With tiny networks, so that it is quick; `python -m tests.pretended.every_path` does the same with real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

import headswap
from headswap.app.processes.child import ChildProcess
from headswap.app.processes.inference import AskHeatMap, AskPredictions, BatchPredictions
from headswap.app.processes.lessons import AskLesson, LessonReply
from headswap.bundle.evaluate import evaluate_bundle
from headswap.bundle.heatmap import heat_map
from headswap.bundle.prediction import HeatMap
from headswap.exports.package import take_home
from headswap.features.autotune import measure
from headswap.features.engines import choose_engine
from headswap.heads.detect import find_head
from headswap.heads.swap import swap_head
from headswap.lessons.catalogue import LESSONS, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.material import Material
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.inspect import inspect_network
from headswap.pipeline.job import run_job
from headswap.pipeline.replay import train_again
from headswap.pipeline.run import Outcome
from headswap.storage.files import to_json
from headswap.training.config import Depth, FinetuneConfig, TrainConfig
from headswap.zoos.catalogue import build_network
from tests.pipeline.tiny_network import TINY, TINY_PX
from tests.pretend_device import pretend_device

FINETUNE = FinetuneConfig(epochs=1, crops=2, confirmations=1)
SMALL = LessonConfig(model=TINY, most_images=16, small_px=TINY_PX, epochs=1, draws=2)
Device = Literal["mps", "cuda"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(
    few_drawings: Path, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Device, Depth], Outcome]:
    """Teaches the tiny network on a device, once for each depth."""
    folder, known = tmp_path_factory.mktemp("taught"), dict[tuple[Device, Depth], Outcome]()

    def teach(device: Device, depth: Depth) -> Outcome:
        if (device, depth) not in known:
            with pretend_device(device):
                known[device, depth] = headswap.teach(
                    few_drawings,
                    model=TINY,
                    weights=tiny_weights,
                    out=folder / f"{device}-{depth}",
                    workspace=folder / device,
                    config=TrainConfig(depth=depth, px=TINY_PX, finetune=FINETUNE),
                )
        return known[device, depth]

    return teach


THOROUGH = pytest.mark.thorough  # the gate tries one that does all of it, or works like it
DIFFERENT_LESSONS = ("all-at-once", "every-layer")  # one trains the whole network, one reads all of it


@pytest.mark.parametrize(
    "depth", ["head", pytest.param("norms", marks=THOROUGH), "last", "everything", "auto"]
)
def test_every_depth_is_taught_on_mps(trained: Callable[..., Outcome], depth: Depth) -> None:
    outcome = trained("mps", depth)

    assert outcome.engine == "torch-mps-float32"
    assert headswap.load_bundle(outcome.bundle).report.test_total == outcome.test_images


@pytest.mark.parametrize("depth", ["head", "everything"])
def test_a_head_and_its_body_are_taught_on_cuda(trained: Callable[..., Outcome], depth: Depth) -> None:
    assert trained("cuda", depth).engine == "torch-cuda-bfloat16-folded"


def test_a_head_taught_on_a_gpu_is_the_one_taught_on_the_processor(
    trained: Callable[..., Outcome], few_drawings: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    here = headswap.teach(
        few_drawings, model=TINY, weights=tiny_weights, out=tmp_path / "here", workspace=tmp_path,
        config=TrainConfig(px=TINY_PX),
    )  # fmt: skip
    image = next((few_drawings / "bird").iterdir())
    expected = headswap.load_bundle(here.bundle).predict(image).probabilities

    for device in ("mps", "cuda"):
        said = headswap.load_bundle(trained(device, "head").bundle).predict(image).probabilities

        assert said == pytest.approx(expected, abs=0.02)


def test_what_was_taught_is_used_in_every_way(
    trained: Callable[..., Outcome], few_drawings: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    place, image = Path(trained("mps", "last").bundle), next((few_drawings / "bird").iterdir())
    with pretend_device("mps"):
        bundle = headswap.load_bundle(place)
        again = train_again(
            place, few_drawings, out=tmp_path / "again", weights=tiny_weights, workspace=tmp_path
        )
        check = take_home(place, tmp_path / "home.zip")

        assert bundle.predict(image).label in bundle.classes
        assert heat_map(bundle, image).png.startswith(b"\x89PNG")
        measured = evaluate_bundle(bundle, few_drawings, workspace=tmp_path)
        assert sum(tally.images for tally in measured.seen.values()) == 24
        assert check.agree, check
        assert again.report.test_right == bundle.report.test_right


@pytest.mark.parametrize("device", ["mps", pytest.param("cuda", marks=pytest.mark.thorough)])
def test_networks_of_every_zoo_are_found_swapped_and_measured(device: Device, tmp_path: Path) -> None:
    names = ["torchvision/squeezenet1_1", "timm/test_vit", "transformers/ResNetForImageClassification"]
    measured = names if device == "cuda" else names[1:2]  # the smallest: each is translated for other engines
    with pretend_device(device):
        assert inspect_network("timm/test_vit").site.paths == ("head",)
        for name in names:
            network = build_network(name)
            site = find_head(network)
            network.module.to(device)  # where a person of their own may have put it

            record = swap_head(network, 3, site=site)

            batch = torch.zeros(2, *network.input.size)
            assert {value.device.type for value in network.module.state_dict().values()} == {device}
            assert record.site.num_classes == 3
            assert find_head(network).paths == site.paths
            network.module.to("cpu")
            if name in measured:
                images = np.zeros((2, *batch.shape[2:], 3), np.uint8)
                assert choose_engine().name in measure(network, record.site, images, tmp_path).milliseconds


@pytest.mark.parametrize(
    "lesson",
    [pytest.param(one, marks=() if one.name in DIFFERENT_LESSONS else THOROUGH) for one in LESSONS],
    ids=[one.name for one in LESSONS],
)
def test_every_lesson_runs_beside_a_gpu(lesson: object, material: Material) -> None:
    with pretend_device("mps"):
        result = run_lesson(lesson.name, workspace=material.workspace, material=material)  # type: ignore[attr-defined]

    assert result.numbers
    assert {value.device.type for value in material.network.module.state_dict().values()} == {"cpu"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Sixteen drawings and the tiny network."""
    torch.manual_seed(0)
    made = Material(SMALL, tmp_path_factory.mktemp("lessons"))
    network = build_network(TINY)
    made.__dict__["network"] = replace(
        network, card=replace(network.card, input=network.input.sized(TINY_PX))
    )
    return made


@pytest.mark.slow
def test_the_processes_of_the_page_run_beside_a_gpu(
    trained: Callable[..., Outcome], few_drawings: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    """What the one that answers and the one of the lessons do, in a real child."""
    pretending = {
        "HEADSWAP_PRETENDS": "mps",
        "PYTHONPATH": str(Path(__file__).parent / "pretended"),
    }
    bundle, image = trained("mps", "head").bundle, str(next((few_drawings / "bird").iterdir()))
    child = ChildProcess("answers:answer", timeout_s=600, environment=pretending)
    try:
        assert child.ask(AskPredictions(bundle, (image,)), BatchPredictions).predictions
        assert child.ask(AskHeatMap(bundle, image, None), HeatMap).png_base64
        asked = AskLesson(
            lesson="old-optimizer", setting=replace(SMALL, weights=str(tiny_weights)),
            workspace=str(tmp_path), folder=str(tmp_path / "run"),
        )  # fmt: skip
        ran = child.ask(asked, LessonReply)
        assert ran.result is not None
        assert ran.result["moved_optimizer_first"] == 0.0
    finally:
        child.close()


def test_the_work_of_a_worker_runs_beside_a_gpu(
    few_drawings: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    experiment = Experiment(
        data=DataConfig(source=str(few_drawings)),
        model=TINY,
        weights=str(tiny_weights),
        train=TrainConfig(px=TINY_PX),
    )
    with pretend_device("cuda"):
        name = run_job(to_json(experiment), tmp_path / "jobs" / "one", lambda event: None)

    assert headswap.load_bundle(tmp_path / "jobs" / "one" / name).card.engine == "torch-cuda-bfloat16-folded"
