from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.training.streaming import FeatureStream

SPEC = InputSpec(height=16, width=16, resize_px=16)


def network(head: nn.Module) -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    card = NetworkCard(name="tiny", zoo="test", input=SPEC, weights=Weights(state="here"))
    return Network(card=card, module=module.eval())


def stream(made: Network, folder: Path, spec: InputSpec = SPEC) -> FeatureStream:
    return FeatureStream(
        network=lambda: made,
        spec=spec,
        head_path=None,
        engine="torch-cpu-float32",
        folder=folder,
        batch_size=2,
    )


def send(into: FeatureStream, count: int) -> list[str]:
    names = [f"{number:064x}" for number in range(count)]
    images = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    into.expect(count)
    for name, image in zip(names, images, strict=True):
        into.add(name, image)
    return names


def test_features_are_there_when_the_last_image_has_come(tmp_path: Path) -> None:
    made = network(nn.Linear(8, 5))
    flow = stream(made, tmp_path)

    names = send(flow, 5)

    assert flow.builder is not None
    bank = flow.builder.bank(names)
    assert bank.features.shape == (5, 8)
    assert bank.computed == 5


def test_images_prepared_for_another_input_pass_by(tmp_path: Path) -> None:
    flow = stream(network(nn.Linear(8, 5)), tmp_path, InputSpec(height=16, width=16, resize_px=18))

    send(flow, 3)

    assert flow.builder is None


def test_a_head_that_is_not_one_linear_layer_takes_no_features(tmp_path: Path) -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 5))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight

    flow = stream(network(Bare()), tmp_path)

    send(flow, 3)

    assert flow.builder is None
