"""What is written down is enough for the library to build the taught network, number for number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headswap.bundle.predictor import load_bundle
from headswap.exports.rebuild import CannotRebuild, spec_of
from headswap.exports.templates import predict
from headswap.storage.files import to_plain
from tests.bundle.conftest import Untaught

NETWORKS = (
    "squeezenet1_1",  # a convolution for a head
    pytest.param("googlenet", marks=pytest.mark.thorough),  # two auxiliary heads, odd options
    "timm/deit_tiny_distilled_patch16_224",  # two heads that are averaged
    "timm/test_vit",
    # the answer lies in a record; tests/bundle/test_wide_bundle.py builds it each time
    pytest.param("LevitForImageClassificationWithTeacher", marks=pytest.mark.thorough),
)


@pytest.mark.parametrize("model", NETWORKS)
def test_its_own_library_builds_the_same_network(model: str, untaught: Untaught) -> None:
    place = untaught(model)
    bundle = load_bundle(place)
    spec = to_plain(spec_of(bundle))

    module = predict.bare_network(spec)
    predict.fill(module, spec, *predict.read_tensors(place / "weights.safetensors"))

    images = torch.rand(2, *bundle.card.input.size)
    with torch.inference_mode():
        said = predict.logits_of(module.eval()(images), spec)
    ours = bundle.logits((images * 0).permute(0, 2, 3, 1).to(torch.uint8).numpy())
    assert said.shape == ours.shape == (2, 3)
    theirs, saved = module.state_dict(), bundle.network.module.state_dict()
    assert list(theirs) == list(saved)
    assert all(torch.equal(theirs[name], saved[name]) for name in saved)


def test_tied_numbers_stay_tied_and_counts_follow() -> None:
    from torch import nn

    module = nn.Module()
    module.a, module.b = nn.Linear(3, 5), nn.Linear(3, 5)
    module.b.weight = module.a.weight

    predict.reshape(module, {name: torch.zeros(2, 3) for name in ("a.weight", "b.weight")})

    assert module.b.weight is module.a.weight
    assert module.a.weight.shape == (2, 3)


def test_a_layer_that_the_library_does_not_build_is_named(untaught: Untaught) -> None:
    bundle = load_bundle(untaught("timm/test_vit"))
    bundle.network.module.add_module("of_mine", torch.nn.Identity())

    with pytest.raises(CannotRebuild, match="timm does not build the layer 'of_mine'"):
        spec_of(bundle)


def test_nothing_of_this_machine_is_written_down(untaught: Untaught, tmp_path: Path) -> None:
    spec: dict[str, Any] = to_plain(spec_of(load_bundle(untaught("LevitForImageClassificationWithTeacher"))))

    assert "_name_or_path" not in spec["config"]
    assert str(Path.home()) not in str(spec)
