"""A tiny network and pictures for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headswap.network import InputSpec, Network, NetworkCard, Weights

SPEC = InputSpec(height=16, width=16, resize_px=16)


@pytest.fixture
def make_network() -> Callable[..., Network]:
    def make(*middle: nn.Module) -> Network:
        torch.manual_seed(0)
        layers: list[nn.Module] = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), *middle]
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        card = NetworkCard(name="tiny", zoo="test", input=SPEC, weights=Weights(state="here"))
        return Network(card=card, module=module.eval())

    return make


@pytest.fixture
def make_images() -> Callable[[int], NDArray[np.uint8]]:
    return lambda count: np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
