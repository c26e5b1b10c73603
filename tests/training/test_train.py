"""Heads of every shape are taught: a convolution under a ReLU, two at once, one that is not linear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL.Image import Image
from torch import Tensor, nn

from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.transforms import prepare
from headswap.errors import FinishEarly
from headswap.events import EpochEnd, Event, Note, Progress
from headswap.features.engines import Engine
from headswap.features.extractor import Extractor
from headswap.network import InputSpec, Network
from headswap.training.task import TrainingResult

SPEC = InputSpec(height=32, width=32, resize_px=32)
Sat = tuple[Network, TrainingResult, Manifest]


class Body2(nn.Module):
    """A small body whose colours survive."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 5, stride=4, padding=2)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


class ConvHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Body2(), nn.Conv2d(24, 11, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)).relu().mean((2, 3))


class TwoHeads(nn.Module):
    def __init__(self, *, add: bool) -> None:
        super().__init__()
        self.body, self.one, self.two, self.add = Body2(), nn.Linear(24, 11), nn.Linear(24, 11), add

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x)
        both = self.one(maps.mean((2, 3))) + self.two(maps.amax((2, 3)))
        return both if self.add else both / 2


class NoBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = Body2(), nn.Linear(24, 11, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x).mean((2, 3)))


class NormAfterHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc, self.after = Body2(), nn.Linear(24, 11), nn.LayerNorm(11)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.fc(self.body(x).mean((2, 3))))


class BareParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.weight = Body2(), nn.Parameter(torch.randn(24, 11))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3)) @ self.weight


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy red, green and blue pictures: any body can tell them apart."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("colours")
    random = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(14):
            pixels = random.integers(0, 140, (40, 40, 3))
            pixels[..., channel] += 90
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def fresh(module: nn.Module) -> nn.Module:
    """The same module with the same numbers as ever."""
    torch.manual_seed(0)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return module


@pytest.fixture
def trained(teach_module: Callable[..., Sat]) -> Callable[[nn.Module, Path, Path, list[Event]], Sat]:
    def teach(module: nn.Module, colours: Path, features: Path, heard: list[Event]) -> Sat:
        return teach_module(fresh(module), colours, features, SPEC, listener=heard.append)

    return teach


@pytest.mark.parametrize(
    "module",
    [ConvHead(), TwoHeads(add=False), TwoHeads(add=True), NoBias()],
    ids=["convolution under a ReLU", "two averaged", "two added", "no bias"],
)
def test_a_head_that_is_linear_is_solved_and_the_network_says_the_same(
    module: nn.Module, colours: Path, tmp_path: Path, trained: Callable[..., Sat]
) -> None:
    heard: list[Event] = []

    network, result, manifest = trained(module, colours, tmp_path, heard)

    assert result.l2 is not None
    test = manifest.part("test")
    images = np.stack([prepare(_open(manifest, p), SPEC) for p in test])
    _, logits = Extractor(network, result.site, Engine("cpu", "float32")).features_and_logits(images)
    ours = torch.from_numpy(result.test.logits).softmax(1)
    assert (logits.softmax(1) - ours).abs().max() < 0.05  # the bank may be bfloat16
    assert (logits.argmax(1).numpy() == result.test.labels).mean() > 0.8


@pytest.mark.parametrize(
    "module", [NormAfterHead(), BareParameter()], ids=["norm after it", "bare parameter"]
)
def test_a_head_that_is_not_one_linear_layer_is_taught_by_gradient(
    module: nn.Module, colours: Path, tmp_path: Path, trained: Callable[..., Sat]
) -> None:
    heard: list[Event] = []

    network, result, _ = trained(module, colours, tmp_path, heard)

    assert result.l2 is None
    assert [event for event in heard if isinstance(event, Note)]
    assert (result.test.logits.argmax(1) == result.test.labels).mean() > 0.6
    assert not network.module.training


def test_teaching_by_gradient_can_be_ended_early_and_keeps_what_it_has(
    colours: Path, tmp_path: Path, trained: Callable[..., Sat]
) -> None:
    class AfterThreeEpochs(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, Progress) and event.has_best and event.done == 3:
                raise FinishEarly

    heard = AfterThreeEpochs()
    _, result, _ = trained(NormAfterHead(), colours, tmp_path, heard)

    assert [event.number for event in heard if isinstance(event, EpochEnd)][-1] == 3
    assert len(result.test.logits) == len(result.test.labels)


def test_the_body_is_bit_for_bit_as_it_was(
    colours: Path, tmp_path: Path, trained: Callable[..., Sat]
) -> None:
    module = NormAfterHead()
    before = {name: value.clone() for name, value in fresh(module).body.state_dict().items()}

    network, _, _ = trained(module, colours, tmp_path, [])

    after = network.module.body.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def _open(manifest: Manifest, image: ImageRecord) -> Image:
    from headswap.data.store import reread

    return reread(manifest, image)
