from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import save_file

from headswap.errors import BundleDamaged, ModelNotFound
from headswap.zoos.bounded import Extent, check_extent, extent_of
from headswap.zoos.zoo import ZooSettings

VIT = "transformers/ViTForImageClassification"
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file as large as a network of a few million numbers."""
    save_file({f"layer{i}": torch.zeros(100_000) for i in range(40)}, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def check(model: str, weights: Path, **variant: Any) -> None:
    check_extent(model, json.dumps(variant) if variant else "", weights, ZooSettings(offline=True))


def test_a_weight_file_says_how_large_it_is(weights: Path) -> None:
    assert extent_of(weights) == Extent(tensors=40, numbers=4_000_000)


def test_a_file_that_is_cut_short_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(BundleDamaged, match=r"weights\.safetensors cannot be read as weights"):
        extent_of(weights)


def test_an_honest_network_passes(weights: Path) -> None:
    pytest.importorskip("transformers")
    check("timm/resnet18", weights)
    check("torchvision/googlenet", weights)
    check(VIT, weights, **TINY)


@pytest.mark.parametrize(
    "lie",
    [
        {"hidden_size": 1_000_000},
        {"hidden_size": 1_000_000, "num_attention_heads": 1_000_000, "intermediate_size": 10**12},
        {"num_hidden_layers": 100_000_000},
        {"image_size": 10_000_000},
        {"num_labels": 2_000_000_000},
        {"num_hidden_layers": -1, "hidden_size": -5},
        {"patch_size": 0},
        {"hidden_act": "no such thing"},
        {"num_hidden_layers": "many"},
        {"hidden_size": None},
    ],
    ids=lambda lie: "-".join(lie) + str(next(iter(lie.values())))[:12],
)
def test_a_network_larger_than_its_file_is_refused_before_it_is_built(
    weights: Path, lie: dict[str, Any]
) -> None:
    pytest.importorskip("transformers")
    check(VIT, weights, **TINY)  # the library is imported
    before = psutil.Process().memory_info().rss

    with pytest.raises(BundleDamaged, match=r"far larger than its own weights|that cannot be built"):
        check(VIT, weights, **{**TINY, **lie})

    assert psutil.Process().memory_info().rss - before < 300_000_000


def test_a_known_giant_with_small_weights_is_refused_by_its_measured_size(weights: Path) -> None:
    with pytest.raises(BundleDamaged, match=r"a timm/vit_giant_patch14_224 far larger than its own weights"):
        check("timm/vit_giant_patch14_224", weights)


def test_what_no_zoo_has_is_not_interpreted(weights: Path) -> None:
    with pytest.raises(ModelNotFound):
        check("timm/hf-hub:someone/something", weights)


def test_a_configuration_cannot_name_code_to_fetch(weights: Path) -> None:
    pytest.importorskip("transformers")
    from headswap.zoos.catalogue import build_network

    variant = json.dumps(
        {**TINY, "_attn_implementation": "someone/kernel", "auto_map": {"AutoConfig": "x.y"}}
    )

    network = build_network(VIT, variant=variant, settings=ZooSettings(offline=True))

    assert network.module.config._attn_implementation in ("sdpa", "eager")
    assert not hasattr(network.module.config, "auto_map")
