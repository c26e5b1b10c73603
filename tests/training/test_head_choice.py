"""What the new head reads: both heads from one pass; the wide one only where it is clearly better."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from headswap.errors import BadSetting
from headswap.heads.detect import locate_head
from headswap.heads.wide import NoBlocks, WideNetwork
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.training import head_choice
from headswap.training.config import HeadChoice, HeadKind, ReplayedChoices, TrainConfig, replayed
from headswap.training.head_choice import (
    MOST_NUMBERS,
    choose_head,
    most_features,
    prefers_wide,
    source_of,
)
from headswap.training.linear.heads import LinearHeads
from headswap.training.linear.solver import SolvedHead

SPEC = InputSpec(height=16, width=16, resize_px=16, mean=(0.5,) * 3, std=(0.5,) * 3)


class Forgetful(nn.Module):
    """The first block sees how an image is striped; the last one lets only its brightness through."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.edges, self.middle = nn.Conv2d(3, 16, 3, bias=False), nn.Conv2d(16, 8, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        found = self.middle(self.edges(x).relu()).relu()
        grey = x.mean((1, 2, 3), keepdim=True).expand_as(found)
        answer: Tensor = self.fc((found * 1e-6 + grey).mean((2, 3)))
        return answer


class Deep(nn.Module):
    """Six blocks in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(3 if first else 8) for first in (True, *[False] * 5)))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc(self.blocks(x).mean((2, 3)))
        return answer


class Block(nn.Module):
    """Two filters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(width, 8, 1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.two(self.one(x).relu()).relu()
        return found


@pytest.fixture
def striped(tmp_path: Path) -> Path:
    """Two classes that differ in the direction of their stripes and in nothing else."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16]
    for name, along in (("level", y), ("upright", x)):
        (tmp_path / "striped" / name).mkdir(parents=True)
        for number in range(30):
            wave = 128 + 60 * np.sin(along * 1.5 + random.uniform(0, 6)) + random.normal(0, 25, (16, 16))
            grey = np.clip(wave, 0, 255).astype(np.uint8)
            Image.fromarray(grey).convert("RGB").save(tmp_path / "striped" / name / f"{number}.png")
    return tmp_path / "striped"


def network_of(module: nn.Module) -> Network:
    card = NetworkCard(name="net", zoo="test", input=SPEC, weights=Weights(state="here"))
    return Network(card=card, module=module.eval())


def test_where_the_last_layer_has_forgotten_the_head_reads_every_layer(
    teach_module: Callable[..., Any], striped: Path, tmp_path: Path
) -> None:
    module = Forgetful()

    _, told, manifest = teach_module(module, striped, tmp_path / "f", SPEC)

    assert isinstance(told.network.module, WideNetwork)
    assert told.site.paths == ("head",)
    assert told.site.taps
    assert told.head.startswith("The new head reads every layer: ")
    right = (told.test.logits.argmax(1) == told.test.labels).mean()
    assert right > 0.9
    said = told.network.module(torch.zeros(1, 3, 16, 16))
    assert said.shape == (1, len(manifest.classes))


def test_what_it_answers_is_what_the_network_itself_says(
    teach_module: Callable[..., Any], striped: Path, tmp_path: Path
) -> None:
    from headswap.data.store import reread
    from headswap.data.transforms import prepare, to_float

    _, told, manifest = teach_module(Forgetful(), striped, tmp_path / "f", SPEC, engine="torch-cpu-float32")

    test = [image for image in manifest.images if image.part == "test"]
    images = np.stack([prepare(reread(manifest, image, wanted_px=None), SPEC) for image in test])
    with torch.inference_mode():
        said = told.network.module(torch.from_numpy(to_float(images, SPEC))).double().numpy()
    assert np.allclose(said, told.test.logits, atol=1e-3)


@pytest.mark.parametrize("head", ["wide", "auto"])
def test_labels_of_test_images_change_nothing_of_a_wide_head(
    head: HeadChoice, teach_module: Callable[..., Any], striped: Path, tmp_path: Path
) -> None:
    told = []
    for folder, wrong in (("as it is", {}), ("wrong", {"level": "upright", "upright": "level"})):
        for image in sorted(striped.rglob("*.png")):  # the same split is given both times
            part, label = ("test" if int(image.stem) % 5 == 0 else "train"), image.parent.name
            copied = tmp_path / folder / part / (wrong.get(label, label) if part == "test" else label)
            copied.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, copied / f"{label} {image.name}")
        config = TrainConfig(head=head)
        told.append(teach_module(Forgetful(), tmp_path / folder, tmp_path / "f", SPEC, config=config)[1])

    right, wrong_test = told
    assert right.site.taps == wrong_test.site.taps != ()
    truths = [
        {Path(file).name: label for file, label in zip(one.test.files, one.test.labels, strict=True)}
        for one in told
    ]
    assert len(truths[0]) == 12
    assert all(truths[0][name] != label for name, label in truths[1].items())
    assert right.l2 == wrong_test.l2
    for name in ("weight", "bias"):
        ours, theirs = (getattr(one.network.module.head, name) for one in told)
        assert torch.equal(ours, theirs)


def head_that_says(logits: Tensor) -> LinearHeads:
    solved = SolvedHead(torch.zeros(2, 1), torch.zeros(2), 1.0, logits, ())
    return LinearHeads((solved,), (1,))


@pytest.mark.parametrize(
    ("wrong_last", "wrong_wide", "kind"),
    [(20, 4, "wide"), (10, 10, "wide"), (10, 9, "wide"), (10, 13, "wide"), (4, 30, "last"), (0, 0, "wide")],
)
def test_a_tie_goes_to_the_wide_head(wrong_last: int, wrong_wide: int, kind: HeadKind) -> None:
    labels = torch.arange(60) % 2

    def solve(asked: HeadKind) -> LinearHeads:
        wrong = wrong_last if asked == "last" else wrong_wide
        rows = torch.randperm(60, generator=torch.Generator().manual_seed(int(asked == "wide")))[:wrong]
        said = torch.nn.functional.one_hot(labels, 2).float() * 3
        said[rows] = said[rows].flip(1)
        return head_that_says(said)

    chosen = choose_head(solve, labels)

    assert chosen.kind == kind
    assert f"{60 - wrong_wide} of 60" in chosen.text
    assert f"alone {60 - wrong_last}" in chosen.text


@pytest.mark.parametrize(("noise_wide", "kind"), [(0.6, "wide"), (2.5, "last"), (4.0, "last")])
def test_for_several_labels_average_precision_decides(noise_wide: float, kind: HeadKind) -> None:
    random = torch.Generator().manual_seed(0)
    labels = (torch.rand(80, 3, generator=random) < 0.4).float()
    noise = torch.randn(80, 3, generator=random)
    said = {"last": 2 * labels - 1 + 2.5 * noise, "wide": 2 * labels - 1 + noise_wide * noise}

    chosen = choose_head(lambda asked: head_that_says(said[asked]), labels)

    last, wide = (
        average_precision_score(labels.numpy(), said[name].numpy(), average="macro")
        for name in ("last", "wide")
    )
    assert chosen.kind == kind
    assert (
        f"was {wide:.3f} on 80 practice pictures it had not seen (cross-validation), with the last "
        f"layer alone {last:.3f}." in chosen.text
    )


@pytest.mark.parametrize(
    ("images", "wrong_wide", "kind"), [(14, 4, "wide"), (14, 8, "wide"), (14, 14, "last"), (18, 4, "wide")]
)
def test_a_tie_of_few_images_goes_to_the_wide_head(images: int, wrong_wide: int, kind: HeadKind) -> None:
    labels = torch.arange(images) % 2
    right = torch.nn.functional.one_hot(labels, 2).float() * 3
    said = {"last": right.clone(), "wide": right.clone()}
    said["last"][:4] = said["last"][:4].flip(1)
    said["wide"][-wrong_wide:] = said["wide"][-wrong_wide:].flip(1)

    chosen = choose_head(lambda asked: head_that_says(said[asked]), labels)

    assert chosen.kind == kind
    assert f"{images - wrong_wide} of {images}" in chosen.text
    assert prefers_wide(said["last"], said["wide"], labels) == (kind == "wide")


def test_with_too_few_images_to_compare_the_head_is_wide_and_says_why() -> None:
    nothing = SolvedHead(torch.zeros(2, 1), torch.zeros(2), 1.0, None, ())

    chosen = choose_head(lambda kind: LinearHeads((nothing,), (1,)), torch.arange(2))

    assert chosen.kind == "wide"
    assert "so few practice pictures" in chosen.text


@pytest.mark.parametrize(("head", "is_wide"), [("last", False), ("auto", True), ("wide", True)])
def test_one_pass_gives_the_features_of_both_heads(head: HeadChoice, is_wide: bool) -> None:
    network = network_of(Forgetful())

    source = source_of(network, locate_head(network), head, images=10)

    assert source.is_wide == is_wide
    assert source.plain is network
    if is_wide:
        assert source.reads("last").columns == source.site.last_features


def test_a_network_without_blocks_has_a_plain_head_and_says_why_it_has_no_other() -> None:
    network = network_of(nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU(), nn.Linear(8, 5)))
    located = locate_head(network)

    assert not source_of(network, located, "auto", images=10).is_wide
    with pytest.raises(NoBlocks):
        source_of(network, located, "wide", images=10)


def test_with_very_many_images_the_head_stays_plain() -> None:
    network = network_of(Forgetful())

    assert not source_of(network, locate_head(network), "auto", images=MOST_NUMBERS).is_wide
    with pytest.raises(BadSetting, match="Take fewer images"):
        source_of(network, locate_head(network), "wide", images=MOST_NUMBERS)


def test_a_wide_head_over_many_images_reads_fewer_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(Deep())
    located = locate_head(network)
    all_of_them = source_of(network, located, "wide", images=100).site
    width = sum(all_of_them.in_features)
    monkeypatch.setattr(head_choice, "MOST_NUMBERS", 128 * (width - 1))

    fewer = [source_of(network, located, "wide", images=images).site for images in (100, 128)]
    as_many = source_of(network, located, "wide", images=64).site

    assert as_many.taps == all_of_them.taps
    assert 2 <= len(fewer[0].taps) < len(all_of_them.taps)
    assert fewer[0].taps == fewer[1].taps  # a few images more change nothing
    assert fewer[0].taps[-1] == all_of_them.taps[-1]
    assert most_features(10) == 128 * (width - 1) // 16


def test_a_run_of_an_older_version_is_repeated_with_a_plain_head() -> None:
    older = ReplayedChoices(engine="torch-cpu-float32", threads=1, l2=0.1)

    assert replayed(TrainConfig(), older).head == "last"
