"""Which size of picture a network is tried with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from headswap.heads.detect import find_head
from headswap.heads.input_size import hinted_sizes
from headswap.network import InputSpec, Network, NetworkCard, Weights


def fixed(channels: int, height: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 5))


@pytest.mark.parametrize("size", [(3, 32, 32), (1, 28, 28), (1, 64, 64), (3, 224, 224), (3, 96, 96)])
def test_common_sizes_are_tried(size: tuple[int, int, int]) -> None:
    assert find_head(fixed(*size)).input_size == size


@pytest.mark.parametrize(("channels", "side"), [(1, 37), (3, 101), (1, 333), (3, 5), (1, 1), (4, 45)])
def test_an_odd_size_is_found_by_the_mismatch_it_causes(channels: int, side: int) -> None:
    net = nn.Sequential(nn.Conv2d(channels, 2, 1), nn.Flatten(), nn.Linear(2 * side * side, 5))

    assert find_head(net).input_size == (channels, side, side)


def test_a_rectangle_is_taken_when_it_is_given() -> None:
    assert find_head(fixed(3, 10, 20), input_size=(3, 10, 20)).input_size == (3, 10, 20)


def test_the_networks_own_words_come_first() -> None:
    net = fixed(3, 40, 50)
    net.pretrained_cfg = {"input_size": (3, 40, 50)}  # type: ignore[assignment]

    assert find_head(net).input_size == (3, 40, 50)


def test_every_source_of_a_size_is_known() -> None:
    net = fixed(3, 8, 8)
    net.config = SimpleNamespace(num_channels=1, image_size=44)  # type: ignore[assignment]
    net[0].img_size = (12, 14)
    card = NetworkCard(
        name="n", zoo="z", input=InputSpec(height=9, width=7), weights=Weights(state="not available")
    )

    assert list(hinted_sizes(Network(card=card, module=net), net)) == [(3, 9, 7), (1, 44, 44), (3, 12, 14)]


def test_a_stale_word_of_the_network_is_not_the_last_one() -> None:
    net = fixed(3, 32, 32)
    net.pretrained_cfg = {"input_size": (3, 224, 224)}  # type: ignore[assignment]

    assert find_head(net).input_size == (3, 32, 32)


def test_a_training_pass_that_needs_a_larger_image_gets_one() -> None:
    class Aux(nn.Module):
        """Its auxiliary head needs 256 px, the rest takes anything."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.fc = nn.Conv2d(3, 4, 3, stride=4), nn.Linear(4, 5)
            self.narrow, self.aux = nn.Conv2d(4, 4, 60), nn.Linear(4, 5)

        def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            features = self.stem(image).relu()
            logits = self.fc(features.mean((2, 3)))
            return (logits, self.aux(self.narrow(features).mean((2, 3)))) if self.training else logits

    site = find_head(Aux())

    assert site.aux_paths == ("aux",)
    assert site.input_size == (3, 256, 256)
    assert torch.zeros(site.input_size).shape == (3, 256, 256)
