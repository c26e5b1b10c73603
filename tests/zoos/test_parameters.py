from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files

import pytest
import torch
from torch import nn

from headswap.zoos.catalogue import zoos
from headswap.zoos.parameters import count, measured

TABLE = json.loads(files("headswap.zoos").joinpath("measured.json").read_text())
SAME = all(
    version(library).startswith(TABLE["libraries"][library]) for library in ("torchvision", "timm")
)  # counts belong to the versions they were measured with


def test_shared_numbers_are_counted_once() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight

    assert count(network) == 9 + 3 + 3


def test_an_unknown_network_was_not_measured() -> None:
    assert measured("timm", "no_such_network") is None


@pytest.mark.skipif(not SAME, reason="measured with other versions of the libraries")
def test_every_network_of_torchvision_and_timm_was_measured() -> None:
    names = [
        (zoo.name, name) for zoo in zoos() for name in zoo.names() if zoo.name in ("torchvision", "timm")
    ]

    assert [name for name in names if not measured(*name)] == []


@pytest.mark.skipif(not SAME, reason="measured with other versions of the libraries")
@pytest.mark.parametrize(
    ("zoo", "name", "stated"),
    [
        ("torchvision", "resnet50", 25_557_032),
        ("torchvision", "vgg11", 132_863_336),
        ("timm", "tf_efficientnet_lite0", 4_652_008),
        ("timm", "vit_base_patch16_224", 86_567_656),
    ],
)
def test_what_was_measured_is_what_is_published(zoo: str, name: str, stated: int) -> None:
    assert measured(zoo, name) == stated


@pytest.mark.skipif(not SAME, reason="measured with other versions of the libraries")
def test_all_of_torchvision_has_the_numbers_that_torchvision_states() -> None:
    from torchvision.models import get_model_weights

    names = zoos()[0].names()

    stated = {name: get_model_weights(name).DEFAULT.meta["num_params"] for name in names}
    other = {name for name in names if measured("torchvision", name) != stated[name]}
    assert other == {"googlenet"}  # with its auxiliary heads, which torchvision does not count


@pytest.mark.thorough  # the counts change with the libraries only
@pytest.mark.skipif(not SAME, reason="measured with other versions of the libraries")
def test_a_spread_of_measured_counts_equals_networks_built_now() -> None:
    torch.set_num_threads(1)

    for zoo in zoos()[:2]:
        for name in zoo.names()[:: max(len(zoo.names()) // 8, 1)]:
            assert count(zoo.build(name, device="meta").module) == measured(zoo.name, name), name
