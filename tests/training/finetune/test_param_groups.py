"""What moves, how fast, and that every learning parameter is in exactly one group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from headswap.errors import TeachingFailed
from headswap.training.config import FinetuneConfig
from headswap.training.finetune.param_groups import build_optimizer, check_partition, moving_groups

Make = Callable[..., Any]


def test_rates_fall_from_the_head_down_to_the_image(classroom: Make) -> None:
    room = classroom()

    groups = moving_groups(room.module, room.site, "everything", FinetuneConfig(stage_decay=0.5))

    assert groups[0].path == "head"
    assert groups[0].rate == 1.0
    assert groups[-1].path.startswith("low")
    rates = [group.rate for group in groups]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)


@pytest.mark.parametrize("depth", ["norms", "last", "everything"])
def test_the_groups_share_the_parameters_among_them(classroom: Make, depth: Any) -> None:
    room = classroom(aux=True)
    config = FinetuneConfig()
    groups = moving_groups(room.module, room.site, depth, config)

    optimizer = build_optimizer(room.module, groups, config)

    names = [name for group in groups for name in group.names]
    assert len(names) == len(set(names))
    held = [value for part in optimizer.param_groups for value in part["params"]]
    learning = [value for value in room.module.parameters() if value.requires_grad]
    assert {id(value) for value in held} == {id(value) for value in learning}
    assert len(held) == len(learning)
    decayed = [part for part in optimizer.param_groups if part["weight_decay"]]
    assert all(value.dim() >= 2 for part in decayed for value in part["params"])


def test_a_parameter_in_no_group_or_in_two_is_refused(classroom: Make) -> None:
    module = classroom().module
    module.requires_grad_(True)
    forgotten = torch.optim.SGD([value for name, value in module.named_parameters() if name != "fc.bias"])
    with pytest.raises(TeachingFailed, match=r"exactly once: fc\.bias"):
        check_partition(module, forgotten)

    stranger = torch.optim.SGD([*module.parameters(), nn.Parameter(torch.zeros(1))])
    with pytest.raises(TeachingFailed, match="a parameter of another network"):
        check_partition(module, stranger)

    twice = torch.optim.SGD(module.parameters())
    twice.param_groups.append({**twice.param_groups[0], "params": [module.fc.bias]})
    with pytest.raises(TeachingFailed, match="Teach the head alone"):
        check_partition(module, twice)
