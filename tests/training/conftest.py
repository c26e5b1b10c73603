"""A tiny network with a solved head and pictures it can be taught on further."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.data.transforms import prepare
from headswap.events import Listener, silent
from headswap.features.engines import Engine
from headswap.heads.site import HeadSite
from headswap.heads.swap import swap_head
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.training.budget import Budget
from headswap.training.config import FinetuneConfig, TrainConfig
from headswap.training.finetune.batches import ImageBatches
from headswap.training.finetune.candidates import FinetuneSetup
from headswap.training.finetune.modes import recalibrate
from headswap.training.finetune.records import FinetuneTask, RunConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head
from headswap.training.task import TrainingResult, TrainingTask
from headswap.training.train import train_head

SPEC = InputSpec(height=16, width=16, resize_px=18, mean=(0.5,) * 3, std=(0.5,) * 3)


class Block(nn.Module):
    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


class Tiny(nn.Module):
    """Three blocks, dropout and a head; the auxiliary head speaks in training only, if there is one."""

    def __init__(self, *, aux: bool = False) -> None:
        super().__init__()
        self.low, self.middle, self.high = Block(3, 6), Block(6, 8), Block(8, 8)
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(8, 5)
        self.aux = nn.Linear(8, 5) if aux else None

    def body(self, x: Tensor) -> Tensor:
        return self.high(self.middle(self.low(x))).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        answer = self.fc(self.drop(self.body(x)))
        if self.training and self.aux is not None:
            return answer, self.aux(self.middle(self.low(x)).mean((2, 3)))
        return answer


@dataclass(frozen=True)
class Classroom:
    """Everything that the tests teach with."""

    module: Tiny
    site: HeadSite
    image_batches: ImageBatches
    labels: Tensor
    start: Callable[[Tensor], None]

    def task(self, config: FinetuneConfig, **run_config: object) -> FinetuneTask:
        depth, rate = run_config.get("depth", "everything"), run_config.get("learning_rate", 3e-3)
        epochs = int(str(run_config.get("epochs", 4)))
        rows = torch.arange(len(self.labels))
        held = rows % 4 == 0 if run_config.get("watch", True) else rows < 0
        folder = run_config.get("folder")
        assert folder is None or isinstance(folder, Path)
        return FinetuneTask(
            run_config=RunConfig(depth=depth, learning_rate=rate, epochs=epochs, stop_after=epochs),  # type: ignore[arg-type]
            config=config,
            learn=rows[~held],
            watch=rows[held],
            labels=self.labels,
            seed=1,
            folder=folder,
            engine=Engine("cpu", "float32"),
        )

    def setup(
        self, config: TrainConfig, budget_s: float | None = None, folder: Path | None = None
    ) -> FinetuneSetup:
        return FinetuneSetup(
            module=self.module,
            site=self.site,
            image_batches=self.image_batches,
            train=torch.arange(len(self.labels)),
            labels=self.labels,
            groups=list(range(len(self.labels))),
            start=self.start,
            engine=Engine("cpu", "float32"),
            config=config,
            seed=1,
            budget=Budget(budget_s),
            folder=folder,
        )


def stripes(count: int, seed: int = 0) -> tuple[np.ndarray, Tensor]:
    """Pictures whose stripes lie level, upright or aslant: (N, 20, 24, 3) uint8 and their classes."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:20, :24]
    labels = np.arange(count) % 3
    along = np.stack([y, x, x + y])[labels]  # (N, 20, 24)
    waves = np.sin(along * 1.3 + random.uniform(0, 6, (count, 1, 1)))[..., None]
    noise = random.normal(0, 0.9, (count, 20, 24, 3))
    return np.clip(128 + 50 * (waves + noise), 0, 255).astype(np.uint8), torch.from_numpy(labels)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def classroom() -> Callable[..., Classroom]:
    """Makes one, always the same."""

    def make(
        count: int = 48, *, aux: bool = False, shuffled: bool = False, several: bool = False
    ) -> Classroom:
        torch.manual_seed(0)
        module = Tiny(aux=aux).eval()
        site = swap_head(module, 3, input_size=SPEC.size).site
        images, labels = stripes(count)
        if shuffled:  # nothing can be learned from these
            labels = labels[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
        if several:  # level, upright, and "not upright": (N, 3)
            labels = torch.stack([labels == 0, labels == 1, labels != 1], dim=1).float()
        image_batches = ImageBatches(
            SPEC, read_input=lambda row: images[row, 2:18, 4:20], read_uncut=images.__getitem__
        )
        recalibrate(module, [image_batches.inputs(range(count))])  # as if pretrained on pictures like these
        with torch.no_grad():
            features = copy.deepcopy(module).body(image_batches.inputs(range(count)))

        def start(rows: Tensor) -> None:
            solved = fit_head(LabeledFeatures(features[rows], labels[rows], 3))
            with torch.no_grad():
                module.fc.weight.copy_(solved.weight)
                module.fc.bias.copy_(solved.bias)

        start(torch.arange(count))
        return Classroom(module, site, image_batches, labels, start)

    return make


TeachModule = Callable[..., tuple[Network, TrainingResult, Manifest]]


@pytest.fixture
def teach_module() -> TeachModule:
    """Teach a small module on a folder, as the pipeline does, with no one timing it."""

    def teach(
        module: nn.Module,
        folder: Path,
        features: Path,
        spec: InputSpec,
        *,
        test_share: float = 0.2,
        engine: str | None = None,
        config: TrainConfig | None = None,
        listener: Listener = silent,
    ) -> tuple[Network, TrainingResult, Manifest]:
        intake = ingest(folder, prepare=lambda image: prepare(image, spec))
        manifest = split(intake.manifest, seed=1, test_share=test_share)
        card = NetworkCard(name=type(module).__name__, zoo="test", input=spec, weights=Weights(state="here"))
        network = Network(card=card, module=module.eval())
        task = TrainingTask(
            manifest=manifest,
            intake=intake,
            config=config or TrainConfig(),
            features_folder=features,
            engine=engine,
        )
        told = train_head(task, network, timing=lambda step: nullcontext(), listener=listener)
        return network, told, manifest

    return teach
