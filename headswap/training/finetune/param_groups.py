"""What moves when more than the head is trained, and how fast: one row of groups, head first.

Flow:  swapped network + depth --moving_groups--> Group, ... --build_optimizer--> AdamW

The stages come from the network's own structure. The rate falls from group to group towards
the image, and the groups begin to move one after another. Every parameter that may learn is
in exactly one group of the optimizer, or nothing is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from headswap.errors import TeachingFailed
from headswap.heads.site import HeadSite
from headswap.heads.stages import Stage, backbone_stages
from headswap.heads.trainable import head_names, head_parameters
from headswap.training.config import FinetuneConfig, Moving


# How fast each group moves at each step: a late start, a rise, a fall along a cosine.
def release_epoch(group_index: int, groups: int, epochs: int, share: float) -> int:
    """In which epoch, from 0, a group begins to move.

    The head and the topmost stage begin at once, the others one after another, the lowest when
    `share` of the epochs is over.
    """
    if group_index <= 1 or groups <= 2:
        return 0
    return math.floor(share * epochs * (group_index - 1) / (groups - 2))


def rate_at(step: int, steps: int, begin: int, config: FinetuneConfig) -> float:
    """Share of a group's peak rate at a step.

    Args:
        step: from 0.
        steps: of the whole run; the cosine ends there.
        begin: the group's first step.
        config: the share of steps in which the rate rises.
    """
    if step < begin:
        return 0.0
    rise = max(1, round(config.warm_up * steps))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))
    return min(1.0, (step - begin + 1) / rise) * fall


_MOST_STEPS_DOWN = 9.0  # with more stages each counts for less, so that the lowest still moves


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that begin to move together and at one rate."""

    path: str  # of a stage; "head" for the heads
    names: tuple[str, ...]  # of parameters
    rate: float  # share of the head's learning rate


def moving_groups(
    module: nn.Module, site: HeadSite, depth: Moving, config: FinetuneConfig
) -> tuple[Group, ...]:
    """Say what may move.

    Args:
        module: the swapped network.
        site: its new head.
        depth: norms: the head and every norm of the backbone; last: the head and the topmost stages;
            everything: all of it.
        config: the share of "last", the decay of the rates, whether auxiliary heads learn.

    Returns:
        The head, then stages from the top down to the image.
    """
    stages = backbone_stages(module, site)[::-1]  # from the head down
    step = min(1.0, _MOST_STEPS_DOWN / max(1, len(stages)))
    silent = head_names(module, site.aux_paths) if config.aux_weight == 0 else frozenset()
    groups = [Group(path="head", names=_head_names(module, site, silent), rate=1.0)]
    last = _last(stages, config.last_share)
    norms = _norm_names(module)
    for number, stage in enumerate(stages, start=1):
        names = tuple(name for name in stage.names if name not in silent)
        if depth == "norms":
            names = tuple(name for name in names if name in norms)
        if names and (depth != "last" or number <= last):
            groups.append(Group(path=stage.path, names=names, rate=config.stage_decay ** (step * number)))
    return tuple(groups)


def build_optimizer(
    module: nn.Module, groups: Sequence[Group], config: FinetuneConfig
) -> torch.optim.Optimizer:
    """AdamW over exactly the groups, which alone require gradients afterwards.

    Each group becomes one or two parts of the optimizer, without and with weight decay; every part
    carries `index`, the number of its group.
    """
    named = dict(module.named_parameters(remove_duplicate=False))
    parts = []
    for index, group in enumerate(groups):
        values = [named[name] for name in group.names]
        for decay, chosen in (
            (0.0, [value for value in values if value.dim() < 2]),
            (config.weight_decay, [value for value in values if value.dim() >= 2]),
        ):
            if chosen:
                parts.append({"params": chosen, "weight_decay": decay, "index": index})
    wanted = [value for group in groups for value in (named[name] for name in group.names)]
    module.requires_grad_(False)
    for value in wanted:
        value.requires_grad_(True)
    optimizer = torch.optim.AdamW(parts, lr=0.0)
    check_partition(module, optimizer)
    return optimizer


def check_partition(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Every parameter that requires a gradient is in exactly one part of the optimizer, no other is.

    Raises:
        TeachingFailed: one is missing, twice there, or frozen.
    """
    names = {id(value): name for name, value in module.named_parameters()}
    held = [id(value) for part in optimizer.param_groups for value in part["params"]]
    twice = {key for key in held if held.count(key) > 1} if len(set(held)) < len(held) else set()
    learning = {id(value) for value in module.parameters() if value.requires_grad}
    wrong = twice | (learning ^ set(held))
    if wrong:
        shown = ", ".join(sorted(names.get(key, "a parameter of another network") for key in wrong)[:3])
        raise TeachingFailed(
            f"The optimizer does not hold every learning parameter exactly once: {shown}.",
            remedy="Teach the head alone (depth “head”), and tell the makers of headswap about this network.",
        )


def _head_names(module: nn.Module, site: HeadSite, silent: Iterable[str]) -> tuple[str, ...]:
    heads = {id(value) for value in head_parameters(module, site)}
    left_out = set(silent)
    return tuple(
        name for name, value in module.named_parameters() if id(value) in heads and name not in left_out
    )


def _last(stages: Sequence[Stage], share: float) -> int:
    """How many of the topmost stages hold a share of the backbone; never all of several."""
    whole, held = sum(stage.parameters for stage in stages), 0
    for number, stage in enumerate(stages, start=1):
        held += stage.parameters
        if held >= share * whole:
            return min(number, max(1, len(stages) - 1))
    return len(stages)


def _norm_names(module: nn.Module) -> frozenset[str]:
    """Parameters of modules that own vectors only: norms and scales, whatever they are called."""
    found: set[str] = set()
    for path, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False))
        if own and all(value.dim() <= 1 for value in own.values()):
            found.update(f"{path}.{name}" if path else name for name in own)
    return frozenset(found)
