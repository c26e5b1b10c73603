"""One architecture of every family of torchvision and timm, and every family with a special head.

A family is a module of the library's own source. The judge is the architecture itself, built with
two class counts: the parameters whose shapes differ are the head. All on meta tensors.
The sweep over everything is `benchmarks/sweep_heads.py`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from headswap.errors import HeadNotFound
from headswap.heads.detect import find_head
from headswap.heads.site import HeadSite
from headswap.heads.swap import swap_head

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")
ORACLE = Path(__file__).parents[3] / "shared" / "oracle" / "heads.json"
COST = ("huge", "giant", "gigantic", "7b", "_1b", "_3b", "xxlarge", "xlarge", "large", "_512", "_448", "_384")


def torchvision_families() -> list[str]:
    """The first architecture of every module of torchvision.models."""
    families: dict[str, str] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        families.setdefault(torchvision.models.get_model_builder(name).__module__, name)
    return sorted(families.values())


def timm_families() -> list[str]:
    """The likely cheapest architecture of every module of timm.models."""
    families = defaultdict(list)
    for name in timm.list_models():
        if not name.endswith("_enc"):
            families[timm.models.model_entrypoint(name).__module__].append(name)
    return sorted(min(names, key=cheapness) for names in families.values())


def cheapness(name: str) -> tuple[int, int, str]:
    small = any(
        word in name for word in ("tiny", "nano", "pico", "femto", "atto", "small", "_s", "_xs", "b0")
    )
    return sum(word in name for word in COST), not small, name


def build_torchvision(name: str, classes: int) -> nn.Module:
    plain = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    builder = torchvision.models.get_model_builder(name)
    if name.startswith("regnet"):  # it computes widths with tensors while it is built
        return builder(weights=None, num_classes=classes).to("meta")
    with torch.device("meta"):
        return builder(weights=None, num_classes=classes, **plain)


def build_timm(name: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, num_classes=classes)


def differing(one: nn.Module, other: nn.Module) -> set[str]:
    shapes = {name: value.shape for name, value in other.named_parameters()}
    return {name for name, value in one.named_parameters() if value.shape != shapes[name]}


def parameters_at(net: nn.Module, paths: Iterable[str]) -> set[str]:
    places = tuple(f"{path}." for path in paths)
    return {name for name, _ in net.named_parameters() if f"{name}.".startswith(places)}


def assert_right(net: nn.Module, other: nn.Module) -> HeadSite:
    """Found exactly, swapped, proved, undone; the site, for more."""
    objects, truth = dict(net.named_parameters()), differing(net, other)

    site = find_head(net)
    record = swap_head(net, 3, site=site)

    assert parameters_at(net, (*site.all_paths, *site.tail_paths)) == truth
    now = dict(net.named_parameters())
    assert {name for name, value in objects.items() if now[name] is not value} == truth
    record.undo()
    assert all(value is objects[name] for name, value in net.named_parameters())
    return site


@pytest.fixture(scope="module")
def oracle() -> Any:
    return json.loads(ORACLE.read_text()) if ORACLE.exists() else None


def assert_listed(oracle: Any, zoo: str, name: str, site: HeadSite) -> None:
    if oracle is None or name not in oracle[zoo]:
        return
    assert sorted(site.paths) == sorted(oracle[zoo][name]["heads"])
    assert sorted(site.aux_paths) == sorted(oracle[zoo][name]["aux"])
    kinds, widths = oracle[zoo][name]["kind"], oracle[zoo][name]["in_features"]
    if zoo == "timm":
        assert [*site.kinds, *site.aux_kinds] == kinds
        assert [*site.in_features, *site.aux_in_features] == widths
    else:
        assert (site.kinds, site.in_features) == ((kinds,), (widths,))
    assert list(site.input_size) == oracle[zoo][name]["input_size"]


@pytest.mark.slow
@pytest.mark.parametrize("name", torchvision_families())
def test_every_family_of_torchvision_is_right(name: str, oracle: Any) -> None:
    site = assert_right(build_torchvision(name, 1000), build_torchvision(name, 9))

    assert_listed(oracle, "torchvision", name, site)


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
def test_every_family_of_timm_is_right(name: str, oracle: Any) -> None:
    site = assert_right(build_timm(name, 1000), build_timm(name, 9))

    assert_listed(oracle, "timm", name, site)


def special_families() -> list[str]:
    """From the list beside the checkout: one of each family with several heads or a convolution head."""
    if not ORACLE.exists():
        return []
    families: dict[tuple[str, int, bool], list[str]] = defaultdict(list)
    for name, known in json.loads(ORACLE.read_text())["timm"].items():
        convolution, heads = "Conv2d" in known["kind"], len(known["heads"]) + len(known["aux"])
        if convolution or heads > 1:
            families[timm.models.model_entrypoint(name).__module__, heads, convolution].append(name)
    return sorted(min(names, key=cheapness) for names in families.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", special_families())
def test_every_family_with_several_heads_or_a_convolution_head_is_right(name: str, oracle: Any) -> None:
    site = assert_right(build_timm(name, 1000), build_timm(name, 9))

    assert_listed(oracle, "timm", name, site)


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
