"""Fold every BatchNorm that follows a convolution into it, and what activates that: the same, sooner.

In eval mode a BatchNorm is y = x * a + b with fixed a and b per channel, and so is what a
convolution may do with its weights and bias. An activation can be applied while the convolution's
numbers are still at hand, where the processor's library has a step for it. A convolution that pads
its input by itself, more behind than before, is one with a larger kernel whose first taps are zero:
no image is copied for its border. Which norm follows which convolution, which activation follows
the norm, and how a convolution pads is seen by running once, not read from names. The network given is
left as it is.

The caller of the folded copy compares its answers with the network's own.
"""

from __future__ import annotations

import copy
import platform
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

_NAMES = {type(None): "none", nn.ReLU: "relu", nn.SiLU: "swish", nn.Hardswish: "hardswish"}
_ONE_STEP = (
    hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    and torch.backends.mkldnn.is_available()
    and platform.machine() in ("x86_64", "AMD64")
)
_SAME = 1e-5  # of the norm of an answer, what two ways of computing it in single precision differ by


class AfterNorm(nn.Module):
    """What a norm layer did in addition to normalising: nothing, or its own activation."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.rest = nn.ModuleList(norm.children())

    def forward(self, x: Tensor) -> Tensor:
        for part in self.rest:
            x = part(x)
        return x


class OneStep(nn.Module):
    """A convolution and its activation, if it has one, in one step of oneDNN."""

    def __init__(self, convolution: nn.Conv2d, step: tuple[str, list[float], str]) -> None:
        super().__init__()
        self.convolution, self._step = convolution, step
        self._packed: tuple[torch.dtype, Tensor, Tensor | None] | None = None  # for the last number type

    def forward(self, x: Tensor) -> Tensor:
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        made, (name, numbers, algorithm) = self.convolution, self._step
        how = made.padding, made.stride, made.dilation, made.groups
        if self._packed is None or self._packed[0] != dtype:
            bias = made.bias
            weight = torch.ops.mkldnn._reorder_convolution_weight(made.weight.to(dtype), *how, x.shape)
            self._packed = dtype, weight, bias if bias is None else bias.to(dtype)
        _, weight, bias = self._packed
        op = torch.ops.mkldnn._convolution_pointwise
        found: Tensor = op(x.to(dtype), weight, bias, *how, name, numbers, algorithm)
        return found


def folded(module: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network in eval mode with its convolutions' norms, and what activates them, folded in.

    Args:
        module: in eval mode, on the example's device.
        example: (B, C, H, W), a batch it can take; the copy is for batches of its height and width.
    """
    clone = copy.deepcopy(module)
    seen = _watched(clone, example)
    names = {part: name for name, part in clone.named_modules()}
    for padding, plain in seen.plain.items():
        clone.set_submodule(names[padding], plain)
    for norm, (padding, activation) in _chains(seen).items():
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:  # it measures each batch again
            continue
        convolution = seen.plain.get(padding, padding)
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        convolution.weight, convolution.bias = weight, bias
        own = [part for part in norm.children() if type(part) is not nn.Identity]
        last = own[0] if len(own) == 1 else activation if not own else None
        step = None if last is None else _one_step(convolution, last)
        if step is None:
            step = _one_step(convolution, None)
            clone.set_submodule(names[norm], AfterNorm(norm))
        else:
            clone.set_submodule(names[norm], nn.Identity())
            if last is activation:
                clone.set_submodule(names[activation], nn.Identity())
        if step is not None:
            clone.set_submodule(names[padding], OneStep(convolution, step))
    return clone


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


@dataclass(eq=False)
class _Seen:
    """What a run showed."""

    calls: dict[nn.Module, int] = field(default_factory=dict)
    readers: dict[nn.Module, list[nn.Module]] = field(default_factory=dict)  # of convolutions and norms
    plain: dict[nn.Conv2d, nn.Conv2d] = field(default_factory=dict)  # instead of those that pad by themselves


def _watched(module: nn.Module, example: Tensor) -> _Seen:
    """Run a network once and see which modules read what a convolution or a norm alone gave."""
    seen = _Seen()
    made: dict[int, tuple[nn.Module, Tensor]] = {}  # the tensor is kept, so that its id stays its own

    def after(part: nn.Module, arguments: tuple[Any, ...], answer: Any) -> None:
        seen.calls[part] = seen.calls.get(part, 0) + 1
        if isinstance(part, nn.Conv2d | _BatchNorm):
            made[id(answer)] = (part, answer)
        elif next(part.children(), None) is None:
            made.pop(id(answer), None)  # changed in place: what comes next reads the change
        if isinstance(part, nn.Conv2d) and seen.calls[part] == 1 and _pads_by_itself(part):
            plain = _plain(part, arguments[0], answer)
            if plain is not None:
                seen.plain[part] = plain

    def before(part: nn.Module, arguments: tuple[Any, ...]) -> None:
        only_hands_on = next(part.children(), None) is not None and not isinstance(part, _BatchNorm)
        for argument in arguments:
            if id(argument) in made and not only_hands_on:
                seen.readers.setdefault(made[id(argument)][0], []).append(part)

    hooks = [part.register_forward_hook(after) for part in module.modules()]
    hooks += [part.register_forward_pre_hook(before) for part in module.modules()]
    try:
        with torch.inference_mode():
            module(example)
    finally:
        for hook in hooks:
            hook.remove()
    seen.plain = {part: plain for part, plain in seen.plain.items() if seen.calls[part] == 1}
    return seen


def _chains(seen: _Seen) -> dict[_BatchNorm, tuple[nn.Conv2d, nn.Module | None]]:
    """Norms whose input is what one convolution, used once, has just given to no one else.

    With the module, used once, that alone reads what the norm gives.
    """

    def alone(part: nn.Module) -> nn.Module | None:
        """The one reader of a part's answer, where both are used once."""
        reading = seen.readers.get(part, [])
        return reading[0] if len(reading) == 1 and seen.calls[part] == seen.calls[reading[0]] == 1 else None

    found: dict[_BatchNorm, tuple[nn.Conv2d, nn.Module | None]] = {}
    for convolution in [part for part in seen.readers if isinstance(part, nn.Conv2d)]:
        norm = alone(convolution)
        if isinstance(norm, _BatchNorm) and (_may_change(convolution) or convolution in seen.plain):
            found[norm] = convolution, alone(norm)
    return found


def _may_change(convolution: nn.Conv2d) -> bool:
    """Plain weights of its own: standardised or reparametrised ones are made again at each run."""
    return type(convolution).forward is nn.Conv2d.forward and _has_weights(convolution)


def _pads_by_itself(convolution: nn.Conv2d) -> bool:
    """Whether it may be one that pads in a forward of its own; what it gives tells."""
    return type(convolution).forward is not nn.Conv2d.forward and _has_weights(convolution)


def _has_weights(convolution: nn.Conv2d) -> bool:
    return convolution.__dict__.get("_parameters", {}).get("weight") is not None


def _plain(convolution: nn.Conv2d, entering: Tensor, answer: Tensor) -> nn.Conv2d | None:
    """A plain convolution that does the same as one that pads as TensorFlow's "SAME" does; None: it does not.

    That pads so much that the answer has size / stride places, rounded up, and an odd rest behind.
    """
    (height, width), strides, gaps = convolution.kernel_size, convolution.stride, convolution.dilation
    before, rest = [], []
    for px, taps, stride, gap in zip(entering.shape[2:], (height, width), strides, gaps, strict=True):
        needed = max((-(-px // stride) - 1) * stride + (taps - 1) * gap + 1 - px, 0)
        before.append(needed // 2)
        rest.append(needed % 2)
        if needed % 2 and gap > 1:  # the larger kernel would begin too early
            return None
    with torch.inference_mode(False), torch.no_grad():
        plain = nn.Conv2d(
            convolution.in_channels,
            convolution.out_channels,
            (height + rest[0], width + rest[1]),
            (strides[0], strides[1]),
            (before[0] + rest[0], before[1] + rest[1]),
            (gaps[0], gaps[1]),
            convolution.groups,
            device="meta",
        )
        zeros = [rest[1], 0, rest[0], 0]  # before the columns and before the rows
        plain.weight = nn.Parameter(pad(convolution.weight, zeros))
        plain.bias = convolution.bias
    ours = plain(entering)
    if ours.shape != answer.shape or (ours - answer).norm() > _SAME * answer.norm():
        return None
    return plain
