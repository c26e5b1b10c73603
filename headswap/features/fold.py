"""Fold every BatchNorm that follows a convolution into it, and what activates that: the same, sooner.

In eval mode a BatchNorm is y = x * a + b with fixed a and b per channel, and so is what a
convolution may do with its weights and bias. An activation can be applied while the convolution's
numbers are still at hand, where the processor's library has a step for it. Which norm follows which
convolution, and which activation follows the norm, is seen by running once, not read from names.
The network given is left as it is.

Whoever uses the folded copy compares its answers with the network's own.
"""

from __future__ import annotations

import copy
import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

_NAMES = {nn.ReLU: "relu", nn.SiLU: "swish", nn.Hardswish: "hardswish"}
_ONE_STEP = (
    hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    and torch.backends.mkldnn.is_available()
    and platform.machine() in ("x86_64", "AMD64")
)


class AfterNorm(nn.Module):
    """What a norm layer did besides normalising: nothing, or its own activation."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.rest = nn.ModuleList(norm.children())

    def forward(self, x: Tensor) -> Tensor:
        for part in self.rest:
            x = part(x)
        return x


class Activated(nn.Module):
    """A convolution and its activation in one step of oneDNN."""

    def __init__(self, convolution: nn.Conv2d, step: tuple[str, list[float], str]) -> None:
        super().__init__()
        self.convolution, self._step = convolution, step
        self._cast: tuple[torch.dtype, Tensor, Tensor | None] | None = None  # of the last number type

    def forward(self, x: Tensor) -> Tensor:
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if self._cast is None or self._cast[0] != dtype:
            bias = self.convolution.bias
            self._cast = dtype, self.convolution.weight.to(dtype), bias if bias is None else bias.to(dtype)
        _, weight, bias = self._cast
        name, numbers, algorithm = self._step
        made, op = self.convolution, torch.ops.mkldnn._convolution_pointwise
        found: Tensor = op(
            x.to(dtype), weight, bias, made.padding, made.stride, made.dilation, made.groups,
            name, numbers, algorithm,
        )  # fmt: skip
        return found


def folded(module: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network in eval mode with its convolutions' norms, and what activates them, folded in.

    Args:
        module: in eval mode, on the example's device.
        example: (B, C, H, W), a batch it can take.
    """
    twin = copy.deepcopy(module)
    chains = _chains(twin, example)
    names = {part: name for name, part in twin.named_modules()}
    for norm, (convolution, activation) in chains.items():
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:  # it measures each batch anew
            continue
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        convolution.weight, convolution.bias = weight, bias
        own = [part for part in norm.children() if type(part) is not nn.Identity]
        last = own[0] if len(own) == 1 else activation if not own else None
        step = _one_step(convolution, last)
        if step is None or last is None:
            twin.set_submodule(names[norm], AfterNorm(norm))
            continue
        twin.set_submodule(names[convolution], Activated(convolution, step))
        twin.set_submodule(names[norm], nn.Identity())
        if last is activation:
            twin.set_submodule(names[last], nn.Identity())
    return twin


def _one_step(convolution: nn.Conv2d, activation: nn.Module | None) -> tuple[str, list[float], str] | None:
    """What oneDNN calls the activation, its numbers and its algorithm; None where it has no such step."""
    if not _ONE_STEP or convolution.weight.device.type != "cpu" or convolution.padding_mode != "zeros":
        return None
    if isinstance(convolution.padding, str):
        return None
    kind = type(activation)
    if kind in _NAMES:
        return _NAMES[kind], [], ""
    if isinstance(activation, nn.Hardtanh) and kind in (nn.Hardtanh, nn.ReLU6):
        return "hardtanh", [float(activation.min_val), float(activation.max_val)], ""
    return None


def _chains(module: nn.Module, example: Tensor) -> dict[_BatchNorm, tuple[nn.Conv2d, nn.Module | None]]:
    """Norms whose input is what one convolution, used once, has just given to nobody else.

    With the module, used once, that alone reads what the norm gives.
    """
    made: dict[int, tuple[nn.Module, Tensor]] = {}  # the tensor is kept, so that its id stays its own
    calls: dict[nn.Module, int] = {}
    readers: dict[nn.Module, list[nn.Module]] = {}

    def after(part: nn.Module, _arguments: Any, answer: Any) -> None:
        calls[part] = calls.get(part, 0) + 1
        if isinstance(part, nn.Conv2d | _BatchNorm):
            made[id(answer)] = (part, answer)
        elif next(part.children(), None) is None:
            made.pop(id(answer), None)  # changed in place: what comes next reads the change

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

    def alone(part: nn.Module) -> nn.Module | None:
        """The one reader of a part's answer, where both are used once."""
        reading = readers.get(part, [])
        return reading[0] if len(reading) == 1 and calls[part] == calls[reading[0]] == 1 else None

    found: dict[_BatchNorm, tuple[nn.Conv2d, nn.Module | None]] = {}
    for convolution in [part for part in readers if isinstance(part, nn.Conv2d) and _may_change(part)]:
        norm = alone(convolution)
        if isinstance(norm, _BatchNorm):
            found[norm] = convolution, alone(norm)
    return found


def _may_change(convolution: nn.Conv2d) -> bool:
    """Plain weights of its own: standardised or reparametrised ones are made anew at each run."""
    own = convolution.__dict__.get("_parameters", {})
    return type(convolution).forward is nn.Conv2d.forward and own.get("weight") is not None
