"""One architecture of every family of torchvision and timm, and every family with a special head.

What a family is, and who judges: `tests/heads/families.py`. `expected.json` is what was found and judged
right before. The sweep over everything is `benchmarks/sweep_heads.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from headswap.errors import HeadNotFound
from headswap.heads.detect import find_head, locate_head
from headswap.heads.meta_kernels import QuickShapes
from headswap.heads.site import HeadSite
from headswap.heads.swap import swap_head, swap_located
from headswap.heads.wide import MOST_FEATURES, find_taps, widen
from headswap.network import InputSpec, Network, NetworkCard, Weights
from tests.heads.families import (
    EXPECTED,
    SPECIAL,
    build_timm,
    build_torchvision,
    differing,
    parameters_at,
    timm_families,
    told,
    torchvision_families,
)

KNOWN: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))


def assert_right(net: nn.Module, other: nn.Module) -> HeadSite:
    """Found exactly, swapped, proved, undone; the site, for more."""
    objects, truth = dict(net.named_parameters()), differing(net, other)

    located = locate_head(net)
    site = located.site
    record = swap_located(located, 3)

    assert parameters_at(net, (*site.all_paths, *site.tail_paths)) == truth
    now = dict(net.named_parameters())
    assert {name for name, value in objects.items() if now[name] is not value} == truth
    record.undo()
    assert all(value is objects[name] for name, value in net.named_parameters())
    return site


def assert_every_block_can_be_read(net: nn.Module, site: HeadSite) -> None:
    """Its blocks are found, and a head that reads them answers."""
    card = NetworkCard(name="net", zoo="test", input=InputSpec(), weights=Weights(state="not available"))
    network = Network(card=card, module=net.eval())

    taps = find_taps(network, site)
    wide, where = widen(network, site, taps, 3)

    assert len(taps) >= 2
    assert sum(where.in_features) <= MOST_FEATURES
    with torch.inference_mode(), QuickShapes():
        assert wide.module(torch.empty(2, *site.input_size, device="meta")).shape == (2, 3)


def assert_known(zoo: str, name: str, site: HeadSite) -> None:
    """As `expected.json` has it; a family that came later is judged by its two builds alone."""
    if name in KNOWN[zoo]:
        assert told(site) == KNOWN[zoo][name]


@pytest.mark.parametrize(
    ("zoo", "families"),
    [("torchvision", torchvision_families), ("timm", timm_families)],
    ids=["torchvision", "timm"],
)
def test_the_list_of_known_heads_holds_every_family_of_its_version(
    zoo: str, families: Callable[[], list[str]]
) -> None:
    if KNOWN["versions"][zoo] != version(zoo).partition("+")[0]:
        pytest.skip(
            f"the list is of {zoo} {KNOWN['versions'][zoo]}: python -m tests.heads.families writes it again"
        )

    assert set(families()) <= KNOWN[zoo].keys()
    assert set(SPECIAL) <= KNOWN["timm"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", torchvision_families())
def test_every_family_of_torchvision_is_right(name: str) -> None:
    net = build_torchvision(name, 1000)

    site = assert_right(net, build_torchvision(name, 9))

    assert_known("torchvision", name, site)
    assert_every_block_can_be_read(net, site)


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", ["quantized_mobilenet_v2", "quantized_googlenet"])
def test_float_networks_prepared_for_quantization_are_right(name: str) -> None:
    def build(classes: int) -> nn.Module:
        with torch.device("meta"):
            builder = torchvision.models.get_model_builder(name)
            return builder(weights=None, quantize=False, num_classes=classes)

    assert_right(build(1000), build(9))


@pytest.mark.slow
@pytest.mark.parametrize("name", timm_families())
def test_every_family_of_timm_is_right(name: str) -> None:
    net = build_timm(name, 1000)

    site = assert_right(net, build_timm(name, 9))

    assert_known("timm", name, site)
    assert_every_block_can_be_read(net, site)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in SPECIAL if timm.is_model(name) and name not in timm_families()]
)
def test_every_family_with_several_heads_or_a_convolution_head_is_right(name: str) -> None:
    site = assert_right(build_timm(name, 1000), build_timm(name, 9))

    assert_known("timm", name, site)


@pytest.mark.parametrize("name", ["mobilenetv5_300m_enc", "qwen3_vit_88m_enc"])
def test_an_encoder_without_a_head_is_refused(name: str) -> None:
    with torch.device("meta"):
        net = timm.create_model(name)

    with pytest.raises(HeadNotFound, match=r"not a picture classifier.*one row of numbers per picture"):
        find_head(net)


@pytest.mark.parametrize("name", ["resnet18", "vit_small_patch14_dinov2"])
def test_a_network_built_without_classes_is_refused(name: str) -> None:
    with pytest.raises(HeadNotFound, match="num_classes is 0"):
        find_head(build_timm(name, 0))


def test_a_network_pretrained_without_a_head_says_that_its_head_is_new() -> None:
    site = find_head(build_timm("vit_small_patch14_dinov2", 1000))

    assert site.new_head
    assert site.input_size == (3, 518, 518)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_of_torchvision_are_swapped_too(name: str) -> None:
    net = build_torchvision(name, 1000)

    site = swap_head(net, 4).site

    assert len(site.aux_paths) == len(site.aux_outputs) == (2 if name == "googlenet" else 1)
    assert site.metadata_agrees


def test_every_bit_outside_the_head_survives_find_swap_and_undo() -> None:
    net = torchvision.models.mobilenet_v3_small(weights=None).eval()
    net.features[0].requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}

    record = swap_head(net, 4)

    assert all(
        torch.equal(value, before[name])
        for name, value in net.state_dict().items()
        if "classifier.3" not in name
    )
    assert not net.training
    assert not net.features[0][0].weight.requires_grad
    record.undo()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
