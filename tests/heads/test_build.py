"""New numbers: right kind, right length, ties kept, every exchange taken back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headswap.heads.build import ClassDimension, Edits, NewHead, choices_for, resize
from headswap.heads.plan import HeadModule, HeadPlan, Resize


def head_module(path: str, resizes: tuple[Resize, ...], width: int = 4, classes: int = 3) -> HeadModule:
    return HeadModule(
        path=path, kind="Linear", part="head", in_features=width, classes=classes, resizes=resizes
    )


def linear_plan(*paths: str, width: int = 4) -> HeadPlan:
    axes = (0, 1) if width == 3 else (0,)
    return HeadPlan(
        head_modules=tuple(
            head_module(
                path,
                (
                    Resize(name=f"{path}.weight", axes=axes, role="matrix", classes=3),
                    Resize(name=f"{path}.bias", axes=(0,), role="offset", classes=3),
                ),
                width,
            )
            for path in paths
        )
    )


def test_weights_are_drawn_and_offsets_are_zero() -> None:
    net = nn.ModuleDict({"fc": nn.Linear(4, 3)}).bfloat16()
    plan = linear_plan("fc")

    resize(net, plan, next(choices_for(net, plan)), NewHead(num_classes=6, init_std=0.01))

    layer = net["fc"]
    assert (layer.weight.shape, layer.bias.tolist()) == ((6, 4), [0.0] * 6)
    assert layer.weight.dtype == torch.bfloat16
    assert layer.weight.abs().max() < 0.1
    assert layer.out_features == 6


def test_tied_weights_stay_tied() -> None:
    net = nn.ModuleDict({"one": nn.Linear(4, 3), "two": nn.Linear(4, 3)})
    net["two"].weight = net["one"].weight
    plan = linear_plan("one", "two")

    resize(net, plan, next(choices_for(net, plan)), NewHead(num_classes=6, init_std=0.01))

    assert net["one"].weight is net["two"].weight
    assert net["one"].bias is not net["two"].bias


def test_a_square_layer_can_be_read_in_two_ways_rows_first() -> None:
    net = nn.ModuleDict({"fc": nn.Linear(3, 3)})
    plan = linear_plan("fc", width=3)

    axes = [dict(choice.axes)["fc.weight"] for choice in choices_for(net, plan)]

    assert axes[:2] == [0, 1]


def test_an_exchange_that_breaks_off_is_taken_back() -> None:
    net = nn.ModuleDict({"one": nn.Linear(4, 3), "two": nn.Conv2d(4, 3, 1)})
    net["two"].groups = 2  # type: ignore[assignment]  # which 7 classes cannot be divided into
    weight = net["one"].weight
    plan = HeadPlan(head_modules=(*linear_plan("one").head_modules, head_module("two", ())))

    with pytest.raises(RuntimeError, match="works in 2 groups, which 7"):
        resize(net, plan, next(choices_for(net, plan)), NewHead(num_classes=7, init_std=0.01))

    assert net["one"].weight is weight


def test_edits_are_taken_back_last_first() -> None:
    edits, numbers = Edits(), {"a": 1}

    edits.put(numbers, "a", 2)
    edits.put(numbers, "a", 3)
    edits.revert()

    assert numbers == {"a": 1}
    assert edits.made == []


def test_a_choice_says_what_it_is() -> None:
    assert ClassDimension(axes=(("w", 0),)).every_count is False
