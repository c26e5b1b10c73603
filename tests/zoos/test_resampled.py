"""Networks of transformers at another image size, from the zoo to the take-home zip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import headswap
from headswap.bundle.format import read_report
from headswap.errors import BadSetting
from headswap.exports.package import read_check
from headswap.network import Network
from headswap.training.config import TrainConfig
from headswap.zoos.resampled import resampled
from headswap.zoos.transformers_zoo import TransformersZoo
from tests.own_test import right_in_own_test

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def small(name: str, **settings: object) -> Network:
    """A network of random numbers with large positions, so that they matter."""
    network = TransformersZoo().build(name, num_classes=3, variant=json.dumps({**SMALL, **settings}))
    torch.manual_seed(0)
    for key, value in network.module.named_parameters():
        if "position" in key:
            value.data.normal_()
    return network


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ViTForImageClassification", {}),
        ("DeiTForImageClassification", {}),  # two tokens before the grid
        ("IJepaForImageClassification", {}),  # none
        (
            "SiglipForImageClassification",
            {"vision_config": SMALL},
        ),  # an embedding, and a second configuration
    ],
)
def test_positions_are_stretched_as_the_library_does_in_each_pass(
    name: str, settings: dict[str, object]
) -> None:
    network = small(name, **settings)
    images = torch.rand(2, 3, 96, 96)

    again = resampled(network, 96)

    assert again is not None
    with torch.inference_mode():
        theirs = network.module(images, interpolate_pos_encoding=True).logits
        ours = again.module(images).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    rebuilt = TransformersZoo().build(name, num_classes=3, variant=again.card.variant, device="meta").module
    shapes = {key: value.shape for key, value in again.module.state_dict().items()}
    assert {key: value.shape for key, value in rebuilt.state_dict().items()} == shapes


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights where `train` looks for them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "headswap" / "weights" / "transformers"


def test_a_vit_is_trained_on_smaller_images_saved_opened_and_taken_home(
    few_drawings: Path, workspace: Path, tmp_path: Path, here: Path
) -> None:
    small("ViTForImageClassification").module.save_pretrained(here / "ViTForImageClassification")
    folder = tmp_path / "b"

    headswap.train(
        few_drawings, model="ViTForImageClassification", out=folder, workspace=workspace,
        config=TrainConfig(px=96),
    )  # fmt: skip

    bundle = headswap.load_bundle(folder)
    positions = [value for key, value in bundle.network.module.named_parameters() if "position_emb" in key]
    assert [value.shape for value in positions] == [(1, 1 + 6 * 6, 32)]
    assert right_in_own_test(folder, few_drawings) == read_report(folder).test_right
    headswap.export(folder, tmp_path / "b.zip")
    assert read_check(tmp_path / "b.zip").agree


def test_windows_that_do_not_fit_are_refused_in_one_sentence(
    few_drawings: Path, workspace: Path, tmp_path: Path, here: Path
) -> None:
    config = {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
    network = TransformersZoo().build("SwinForImageClassification", num_classes=3, variant=json.dumps(config))
    network.module.save_pretrained(here / "SwinForImageClassification")

    with pytest.raises(BadSetting, match="SwinForImageClassification does not take pictures of 96×96 px"):
        headswap.train(
            few_drawings, model="SwinForImageClassification", out=tmp_path / "b", workspace=workspace,
            config=TrainConfig(px=96),
        )  # fmt: skip
    assert not (tmp_path / "b").exists()
