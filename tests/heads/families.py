"""Architectures of torchvision and timm, one of each family, and the judge of their heads.

A family is a module of the library's own source. The judge shares no code with the detector: an architecture
is built with two class counts, and the parameters whose shapes differ are its head. All on meta tensors.

    python -m tests.heads.families    writes expected.json again: what is found, if the judge agrees
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from headswap.heads.detect import find_head
from headswap.heads.site import HeadSite

EXPECTED = Path(__file__).with_name("expected.json")
SPECIAL = (  # of timm: one of each family with several heads, and one with a convolution as its head
    "crossvit_small_240", "deit_small_distilled_patch16_224", "dla102", "dpn107", "efficientformer_l1",
    "efficientformerv2_s0", "efficientvim_m1", "efficientvim_m1_dist", "iformer_l2_distilled", "levit_128",
    "pit_s_distilled_224", "repvit_m0_9", "resnetv2_101", "swiftformer_s", "volo_d1_224",
)  # fmt: skip
SMALL = (
    "atto", "femto", "pico", "nano", "zepto", "xxt", "xt", "xxs", "xs", "tiny", "t", "mini", "small", "s",
    "b0", "a0", "s0", "m0",
)  # fmt: skip
COST = ("huge", "giant", "gigantic", "7b", "_1b", "_3b", "xxlarge", "xlarge", "large", "_512", "_448", "_384")

FEWER: dict[str, dict[str, Any]] = {  # the dearest: with fewer blocks, or fewer steps of an LSTM
    "cait_xxs24_224": {"depth": 4}, "deepseek_vit_412m": {"depth": 4}, "gemma4_vit_167m": {"depth": 4},
    "qwen3_vit_306m": {"depth": 4},
    "sequencer2d_s": {"layers": (1, 1, 1, 1), "pretrained_cfg_overlay": {"input_size": (3, 56, 56)}},
}  # fmt: skip
FILLS = frozenset(  # in place, so they give the tensor that they take
    getattr(torch.Tensor, name)
    for name in ("uniform_", "normal_", "erfinv_", "mul_", "add_", "clamp_", "zero_", "fill_", "copy_")
)


def torchvision_families() -> list[str]:
    """The smallest architecture of every module of torchvision.models."""
    families = defaultdict(list)
    for name in torchvision.models.list_models(module=torchvision.models):
        size = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
        families[torchvision.models.get_model_builder(name).__module__].append((size, name))
    return sorted(min(found)[1] for found in families.values())


def timm_names() -> list[str]:
    """All but the encoders, which take no class count."""
    return [name for name in timm.list_models() if not name.endswith("_enc")]


def timm_families() -> list[str]:
    """The likely cheapest architecture of every module of timm.models."""
    families = defaultdict(list)
    for name in timm_names():
        families[timm.models.model_entrypoint(name).__module__].append(name)
    return sorted(min(names, key=cheapness) for names in families.values())


def cheapness(name: str) -> tuple[int, int, str]:
    """By the words of its name; smaller is cheaper."""
    words = re.findall(r"(?<=_)(?:[a-z]0|[a-z]+)", name)
    small = min((SMALL.index(word) for word in words if word in SMALL), default=len(SMALL))
    return sum(word in name for word in COST), small, name


class WithoutNumbers(TorchFunctionMode):
    """Weights on meta are not filled: working out their shapes again took most of the time of building."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        filled = args[0] if args else (kwargs or {}).get("tensor")
        fills = getattr(function, "__module__", "") == init.__name__ or function in FILLS
        if fills and isinstance(filled, torch.Tensor) and filled.is_meta:
            return filled
        return function(*args, **(kwargs or {}))


def build_torchvision(name: str, classes: int) -> nn.Module:
    plain = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    builder = torchvision.models.get_model_builder(name)
    if name.startswith("regnet"):  # it computes widths with tensors while it is built
        return builder(weights=None, num_classes=classes).to("meta")
    with torch.device("meta"), WithoutNumbers():
        return builder(weights=None, num_classes=classes, **plain)


def build_timm(name: str, classes: int) -> nn.Module:
    if name.startswith("regnet"):  # its widths come from tensors, and older versions of torch need numbers
        return timm.create_model(name, num_classes=classes).to("meta")
    with torch.device("meta"), WithoutNumbers():
        return timm.create_model(name, num_classes=classes, **FEWER.get(name, {}))


BUILDERS = {"torchvision": build_torchvision, "timm": build_timm}


def differing(one: nn.Module, other: nn.Module) -> set[str]:
    """The judge."""
    shapes = {name: value.shape for name, value in other.named_parameters()}
    return {name for name, value in one.named_parameters() if value.shape != shapes[name]}


def parameters_at(net: nn.Module, paths: Iterable[str]) -> set[str]:
    places = tuple(f"{path}." for path in paths)
    return {name for name, _ in net.named_parameters() if f"{name}.".startswith(places)}


def told(site: HeadSite) -> dict[str, Any]:
    """What is kept of a head that was found."""
    layers = (*site.layers, *site.aux_layers)
    return {
        "heads": sorted(site.paths),
        "aux": sorted(site.aux_paths),
        "kinds": [layer.kind for layer in layers],
        "in_features": [layer.in_features for layer in layers],
        "input_size": list(site.input_size),
    }


def main() -> int:
    warnings.simplefilter("ignore")
    wanted = {"torchvision": torchvision_families(), "timm": sorted({*timm_families(), *SPECIAL})}
    expected: dict[str, Any] = {
        "versions": {zoo: version(zoo).partition("+")[0] for zoo in wanted},
        **{zoo: {} for zoo in wanted},
    }
    for zoo, names in wanted.items():
        for name in names:
            net = BUILDERS[zoo](name, 1000)
            site = find_head(net)
            found = parameters_at(net, (*site.all_paths, *site.tail_paths))
            if found != differing(net, BUILDERS[zoo](name, 9)):
                sys.stderr.write(f"{zoo}/{name}: found {sorted(found)}, and the judge says otherwise\n")
                return 1
            expected[zoo][name] = told(site)
    lines = json.dumps(expected, indent=1)
    EXPECTED.write_text(f"{lines}\n", encoding="utf-8")
    sys.stdout.write(f"{sum(len(expected[zoo]) for zoo in wanted)} heads in {EXPECTED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
