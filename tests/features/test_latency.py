"""How fast and how large."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from headswap.features.latency import pace_of, size_of
from headswap.network import InputSpec, Network, NetworkCard, Weights
from tests.pretend_device import pretend_device


def test_a_pace_is_measured_and_the_network_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).train()
    card = NetworkCard(
        name="tiny", zoo="own", input=InputSpec(height=4, width=4), weights=Weights(state="here")
    )

    pace = pace_of(Network(card=card, module=module), np.zeros((4, 4, 3), np.uint8))

    assert 0 < pace < 1000
    assert module.training


def test_a_pace_is_the_median_of_several_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    took, now = iter([5.0, 0.001, 0.009, 0.002, 0.003, 0.08, 0.003, 0.003]), [0.0]

    class Counted(nn.Flatten):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            now[0] += next(took)
            return super().forward(images)

    card = NetworkCard(
        name="tiny", zoo="own", input=InputSpec(height=4, width=4), weights=Weights(state="here")
    )
    monkeypatch.setattr("headswap.features.latency.time.perf_counter", lambda: now[0])

    pace = pace_of(Network(card=card, module=Counted()), np.zeros((4, 4, 3), np.uint8), most_s=9.0)

    assert pace == pytest.approx(3.0)
    assert next(took, None) is None


def test_a_shared_weight_counts_once_and_buffers_count_as_bytes() -> None:
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    module = nn.Sequential(first, second, nn.BatchNorm1d(3, affine=False))

    numbers, size_bytes = size_of(module)

    assert numbers == 9
    assert size_bytes == 4 * (9 + 3 + 3) + torch.tensor(0).element_size()


def test_a_network_on_a_gpu_is_measured_on_the_processor_where_predictions_run() -> None:
    ran_on: list[str] = []
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    module.register_forward_pre_hook(lambda part, given: ran_on.append(given[0].device.type))
    card = NetworkCard(
        name="tiny", zoo="own", input=InputSpec(height=4, width=4), weights=Weights(state="here")
    )
    with pretend_device("cuda"):
        module.to("cuda")

        pace_of(Network(card=card, module=module), np.zeros((4, 4, 3), np.uint8))

    assert set(ran_on) == {"cpu"}
    assert module[1].weight.device.type == "cpu"
