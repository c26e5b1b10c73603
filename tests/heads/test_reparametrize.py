"""Layers with a computed weight come to rest after a resize."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from headswap.heads.swap import swap_head

SIZE = (3, 4, 4)


def test_spectral_norm_has_its_largest_singular_value_at_one_at_once() -> None:
    net = nn.Sequential(nn.Flatten(), parametrizations.spectral_norm(nn.Linear(48, 10)))

    swap_head(net, 6, input_size=SIZE)

    assert torch.linalg.matrix_norm(net.eval()[1].weight, 2).item() == pytest.approx(1.0, abs=0.1)


def test_weight_norm_starts_with_the_spread_asked_for() -> None:
    net = nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(48, 10)))

    swap_head(net, 200, input_size=SIZE, init_std=0.02)

    assert net[1].weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_weight_norm_of_the_old_style_starts_with_the_spread_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(48, 10)))

    swap_head(net, 200, input_size=SIZE, init_std=0.02)
    net(torch.zeros(1, *SIZE))

    assert net[1].weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_layer_that_cannot_be_resized_says_so_and_stays() -> None:
    from headswap.errors import SwapFailed

    net = nn.Sequential(nn.Flatten(), parametrizations.orthogonal(nn.Linear(48, 10)))
    before = {name: value.clone() for name, value in net.state_dict().items()}

    with pytest.raises(SwapFailed, match="cannot be made for 6 classes"):
        swap_head(net, 6, input_size=SIZE)

    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
