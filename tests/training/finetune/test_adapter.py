"""A lesson goes further than its head: through real files, for heads that are solved and for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.data.transforms import prepare, to_float
from headswap.events import EpochEnd, Event, Guesses, Progress
from headswap.heads.wide import WideNetwork
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.training.config import Depth, FinetuneConfig, TrainConfig
from headswap.training.task import TrainingResult, TrainingTask
from headswap.training.train import train_head

FAST = FinetuneConfig(epochs=3, learning_rate=1e-3, confirmations=1)
SPEC = InputSpec(height=24, width=24, resize_px=28)


class Solvable(nn.Module):
    """Its head is one linear layer under a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.norm = nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8)
        self.high, self.head = nn.Conv2d(8, 12, 3, stride=2), nn.Conv2d(12, 7, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.high(self.norm(self.low(x)).relu()).relu()).relu().mean((2, 3))


class NotSolvable(nn.Module):
    """A norm follows its head."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.Conv2d(8, 12, 3, stride=2)
        self.fc, self.after = nn.Linear(12, 7), nn.LayerNorm(7)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.fc(self.high(self.low(x).relu()).relu().mean((2, 3))))


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tinted noise in three classes, of many sizes."""
    folder, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(16):
            pixels = random.integers(0, 200, (30 + number, 46 - number, 3))
            pixels[..., channel] += 30
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Level and upright stripes, alike in every pixel by itself."""
    folder, random = tmp_path_factory.mktemp("textures"), np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    for name, along in (("level", y), ("upright", x)):
        (folder / name).mkdir()
        for number in range(40):
            wave = 128 + 60 * np.sin(along * 1.5 + random.uniform(0, 6)) + random.normal(0, 25, (28, 28))
            Image.fromarray(np.clip(wave, 0, 255).astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def teach(
    module: nn.Module,
    noise: Path,
    tmp_path: Path,
    depth: Depth,
    heard: list[Event],
    *,
    config: TrainConfig | None = None,
) -> TrainingResult:
    manifest = split(ingest(noise, prepare=lambda image: prepare(image, SPEC)).manifest, seed=1)
    card = NetworkCard(name=type(module).__name__, zoo="test", input=SPEC, weights=Weights(state="here"))

    @contextmanager
    def timing(step: str) -> Iterator[None]:
        yield

    task = TrainingTask(
        manifest=manifest,
        intake=replace(ingest(noise), manifest=manifest),
        config=config or TrainConfig(depth=depth, finetune=FAST),
        features_folder=tmp_path / "features",
        checkpoints=tmp_path / "unfinished",
    )
    return train_head(task, Network(card=card, module=module.eval()), timing=timing, listener=heard.append)


@pytest.mark.parametrize("make", [Solvable, NotSolvable])
def test_the_body_is_bit_for_bit_as_it_was_when_only_the_head_is_taught(
    make: type[nn.Module], noise: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = make()
    before = {name: value.clone() for name, value in module.state_dict().items()}

    trained = teach(module, noise, tmp_path, "head", [])

    heads = (*trained.site.all_paths, *trained.site.tail_paths)
    after = {name: value for name, value in module.state_dict().items() if not name.startswith(heads)}
    assert after
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert trained.finetune is None
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize("make", [Solvable, NotSolvable])
def test_a_lesson_goes_further_and_says_what_came_of_it(
    make: type[nn.Module], noise: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = make()
    heard: list[Any] = []

    trained = teach(module, noise, tmp_path, "everything", heard)

    assert trained.finetune is not None
    assert trained.finetune.asked == "everything"
    assert [event for event in heard if isinstance(event, Progress) and event.step == "finetune"]
    assert list((tmp_path / "unfinished").rglob("tensors.safetensors"))
    if trained.finetune.depth != "head":
        last = [event for event in heard if isinstance(event, EpochEnd)][-1]
        assert last.test_right == int((trained.test.logits.argmax(1) == trained.test.labels).sum())
        assert isinstance(heard[heard.index(last) + 1], Guesses)
        assert trained.train is not None
        assert len(trained.train.labels) == trained.finetune.validation


def test_a_run_with_other_choices_never_goes_on_from_the_checkpoints_of_this_one(
    noise: Path, tmp_path: Path
) -> None:
    for depth in ("norms", "last"):
        torch.manual_seed(0)
        teach(Solvable(), noise, tmp_path, depth, [])

    assert len(list((tmp_path / "unfinished").iterdir())) == 2


def test_what_is_kept_is_what_the_network_says(noise: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)

    trained = teach(Solvable(), noise, tmp_path, "last", [])

    image = Image.open(noise / trained.test.files[0]).convert("RGB")
    pixels = torch.from_numpy(prepare(image, SPEC).copy()).permute(2, 0, 1)[None] / 255
    pixels = (pixels - torch.tensor(SPEC.mean)[:, None, None]) / torch.tensor(SPEC.std)[:, None, None]
    with torch.no_grad():
        said = trained.network.module(pixels).softmax(1)[0]
    assert torch.allclose(said, torch.from_numpy(trained.test.logits[0]).softmax(0).float(), atol=1e-2)


class Blind(nn.Module):
    """Four blocks and a head. As pretrained, no block looks at neighbours, so none knows a direction."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Looking(width) for width in (3, 8, 8, 8)))
        self.fc = nn.Linear(8, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(x).mean((2, 3)))


class Looking(nn.Module):
    """Filters of three by three, of which only the centre is not zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, 8, 3, padding=1), nn.BatchNorm2d(8)
        with torch.no_grad():
            self.conv.weight *= torch.eye(3)[1].outer(torch.eye(3)[1]) * 3

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


def test_the_last_blocks_learn_below_a_wide_head_and_the_others_stay_bit_for_bit(
    textures: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Blind()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    far = FinetuneConfig(
        epochs=12, learning_rate=1e-2, confirmations=1, batch_size=8, least_crop=1.0, flip=False
    )
    config = TrainConfig(depth="last", head="wide", finetune=far)

    trained = teach(module, textures, tmp_path, "last", [], config=config)

    wide = trained.network.module
    assert isinstance(wide, WideNetwork)
    assert len(trained.site.taps) == 4
    assert trained.finetune is not None
    assert trained.finetune.depth == "last", trained.finetune.sentence
    assert trained.finetune.right_after > trained.finetune.right_before
    after = wide.body.state_dict()
    blocks = [name for name in before if name.startswith("blocks.")]
    changed = {name.split(".")[1] for name in blocks if not torch.equal(before[name], after[name])}
    assert changed == {"3"}
    assert np.allclose(trained.test.logits, said_of(trained, textures), atol=1e-3)


def said_of(trained: TrainingResult, folder: Path) -> Any:
    """(N, C) logits of the test images, by the network as it is installed."""
    images = [prepare(Image.open(folder / file).convert("RGB"), SPEC) for file in trained.test.files]
    with torch.inference_mode():
        return trained.network.module(torch.from_numpy(to_float(np.stack(images), SPEC))).numpy()
