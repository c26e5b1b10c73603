from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headswap.features.body import Body
from headswap.features.engines import Engine, engines_here
from headswap.heads.detect import find_head
from headswap.network import Network

MakeNetwork = Callable[..., Network]
MakePictures = Callable[[int], NDArray[np.uint8]]
EXACT = Engine("cpu", "float32")


class Explodes(nn.Module):
    """Gives infinities in bfloat16 only."""

    def forward(self, x: Tensor) -> Tensor:
        factor = 3e38 if x.dtype == torch.bfloat16 else 1.0
        return x * factor * factor


class IsOff(nn.Module):
    """Wrong by a share of itself in bfloat16 only."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 + self.share) if x.dtype == torch.bfloat16 else x


def body(network: Network, engine: Engine, translations: Path | None = None) -> Body:
    return Body(network, find_head(network), engine, translations)


def test_features_are_what_reaches_the_head(make_network: MakeNetwork, make_pictures: MakePictures) -> None:
    network = make_network()

    features, logits = body(network, EXACT).look(make_pictures(3))

    assert features.shape == (3, 8)
    assert torch.allclose(network.module[-1](features), logits, atol=1e-6)


@pytest.mark.parametrize("engine", engines_here(), ids=lambda engine: engine.name)
def test_every_engine_is_near_the_exact_one(
    engine: Engine, make_network: MakeNetwork, make_pictures: MakePictures, tmp_path: Path
) -> None:
    network, batch = make_network(), make_pictures(8)
    fast = body(network, engine, tmp_path)

    features, logits = fast.look(batch)

    true = body(network, EXACT).look(batch)
    assert fast.engine == engine
    assert (features - true[0]).norm() / true[0].norm() < 0.05
    assert (logits - true[1]).norm() / true[1].norm() < 0.05


@pytest.mark.parametrize("count", [1, 5])
def test_a_translation_takes_any_number_of_pictures(
    count: int, make_network: MakeNetwork, make_pictures: MakePictures, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    fast = body(make_network(), Engine("cpu", "float32", library="onnxruntime"), tmp_path)
    fast.features(make_pictures(3))

    assert fast.features(make_pictures(count)).shape == (count, 8)
    assert fast.engine.library == "onnxruntime"


def test_an_engine_that_is_not_near_enough_gives_way_to_single_precision(
    make_network: MakeNetwork, make_pictures: MakePictures
) -> None:
    folded = body(make_network(Explodes()), Engine("cpu", "bfloat16", folded=True))

    features = folded.features(make_pictures(4))

    assert folded.engine == Engine("cpu", "float32", folded=True)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize(("share", "kept"), [(0.1, True), (0.3, False)])
def test_an_engine_that_is_wrong_by_a_third_is_left_and_one_that_is_wrong_by_a_tenth_is_not(
    share: float, kept: bool, make_network: MakeNetwork, make_pictures: MakePictures
) -> None:
    fast, pictures = Engine("cpu", "bfloat16"), make_pictures(4)
    network = make_network(IsOff(share))
    runner = body(network, fast)

    features = runner.features(pictures)

    assert (runner.engine == fast) is kept
    assert torch.equal(features, body(network, EXACT).features(pictures)) is not kept


def test_a_network_that_cannot_be_translated_runs_in_torch(
    make_network: MakeNetwork, make_pictures: MakePictures, tmp_path: Path
) -> None:
    class Unknown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.special.i0(x)

    network, batch = make_network(Unknown()), make_pictures(3)
    runner = body(network, Engine("cpu", "float32", library="onnxruntime"), tmp_path)

    features = runner.features(batch)

    assert runner.engine == EXACT
    assert torch.equal(features, body(network, EXACT).features(batch))


def test_a_fast_way_that_ends_in_an_error_is_left_for_the_exact_one(
    make_network: MakeNetwork, make_pictures: MakePictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: nn.Module, example: Tensor) -> nn.Module:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr("headswap.features.body.folded", refuse)
    network, batch = make_network(), make_pictures(3)
    fast = body(network, Engine("cpu", "float32", folded=True))

    features, _ = fast.look(batch)

    assert fast.engine == EXACT
    assert torch.equal(features, body(network, EXACT).look(batch)[0])
