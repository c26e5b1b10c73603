"""What the exam says of features in half precision is what the network will say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from headswap.data.manifest import Manifest
from headswap.data.store import reread
from headswap.data.transforms import prepare
from headswap.features.engines import Engine
from headswap.features.extractor import Extractor
from headswap.network import InputSpec, Network
from headswap.training.task import TrainingResult

SPEC = InputSpec(height=32, width=32, resize_px=32)
PROOF_IMAGES = 8
Sat = tuple[Network, TrainingResult, Manifest]


class Rough(nn.Module):
    """Its features lie far from 0 and near one another: half precision keeps little of their differences."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 48, 7, stride=4, padding=3), nn.BatchNorm2d(48)
        self.fc = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)) + 1.0)


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noise that differ so little that half precision cannot always tell."""
    folder = tmp_path_factory.mktemp("hard")
    random = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(60):
            pixels = random.integers(0, 250, (40, 40, 3))
            pixels[..., channel] += 1
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def trained(teach_module: Callable[..., Sat]) -> Callable[[Path, Path], Sat]:
    def teach(folder: Path, features: Path) -> Sat:
        torch.manual_seed(0)
        options = {"test_share": 0.4, "engine": "torch-cpu-bfloat16"}
        return teach_module(Rough(), folder, features, SPEC, **options)

    return teach


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each look in single precision takes."""
    seen: list[int] = []
    look = Extractor.features_and_logits

    def counted(self: Extractor, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        if self.engine.is_exact:
            seen.append(len(images))
        return look(self, images)

    monkeypatch.setattr(Extractor, "features_and_logits", counted)
    return seen


def test_every_answer_of_the_test_is_the_network_s_own(
    hard: Path, tmp_path: Path, looks: list[int], trained: Callable[[Path, Path], Sat]
) -> None:
    network, result, manifest = trained(hard, tmp_path)
    seen = sum(looks)

    test = manifest.part("test")
    images = np.stack([prepare(reread(manifest, one), SPEC) for one in test])
    _, own = Extractor(network, result.site, Engine("cpu", "float32")).features_and_logits(images)
    assert "bfloat16" in result.engine
    assert (result.test.logits.argmax(1) == own.argmax(1).numpy()).all()
    assert PROOF_IMAGES < seen < len(test), "some were looked at again, and not all"
    ours = torch.from_numpy(result.test.logits)
    gap = (ours.softmax(1) - own.double().softmax(1)).abs().amax(1)  # (E,)
    best = own.topk(2, dim=1).values
    undecided = (best[:, 0] - best[:, 1]).argsort()[:PROOF_IMAGES]
    assert float(gap[undecided].max()) < 1e-5, "what is undecided is exact"
    assert float(gap.max()) > 1e-5, "what is decided is as half precision says"


def test_what_was_looked_at_again_is_known_the_next_time(
    hard: Path, tmp_path: Path, looks: list[int], trained: Callable[[Path, Path], Sat]
) -> None:
    _, first, _ = trained(hard, tmp_path)
    looks.clear()

    _, again, _ = trained(hard, tmp_path)

    assert looks == [PROOF_IMAGES], "the proof alone runs the network"
    assert np.array_equal(first.test.logits, again.test.logits)


def test_a_test_of_a_few_images_is_filled_up_with_train_for_the_proof(
    hard: Path, tmp_path: Path, looks: list[int], trained: Callable[[Path, Path], Sat]
) -> None:
    few = tmp_path / "few"
    for folder in sorted(hard.iterdir())[:2]:
        (few / folder.name).mkdir(parents=True)
        for file in sorted(folder.iterdir())[:6]:
            (few / folder.name / file.name).write_bytes(file.read_bytes())

    _, result, manifest = trained(few, tmp_path / "features")

    assert len(manifest.part("test")) < PROOF_IMAGES
    assert looks == [PROOF_IMAGES]
    assert len(result.test.logits) == len(manifest.part("test"))
