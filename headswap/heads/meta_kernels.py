"""Shapes of three operations for which PyTorch works them out in Python, slowly.

On meta tensors a norm is taken apart into some twenty operations and a hard tanh into five: most of the
time of a dry run. Here each is one step with the same shape, the same place in autograd's record and
the same name there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class QuickShapes(TorchFunctionMode):
    """While it lasts, the three take one step each on meta tensors; everything else is as it was."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _QUICK.get(function, function)(*args, **(kwargs or {}))


class _OneStep(torch.autograd.Function):
    """Gives what is shaped like its first input, and is recorded as coming from all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        return torch.empty_like(values)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        raise NotImplementedError("a dry run has no slopes")


# autograd names a step after its class: NativeBatchNormBackward, as PyTorch's own


class NativeBatchNorm(_OneStep):
    """Stands for `torch.native_batch_norm`."""


class NativeLayerNorm(_OneStep):
    """Stands for `torch.native_layer_norm`."""


class Hardtanh(_OneStep):
    """Stands for `hardtanh`, in place or not."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        if others != (True,):
            return torch.empty_like(values)
        ctx.mark_dirty(values)  # in place
        return values


def _batch_norm(  # noqa: PLR0913  PyTorch's own
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    own = (running_mean, running_var, weight, bias)
    fits = all(one is None or one.shape == input.shape[1:2] for one in own)
    is_single = training and input.numel() <= input.shape[1]
    if not input.is_meta or not fits or is_single:  # PyTorch says what is wrong
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _recorded(NativeBatchNorm, input, weight, bias)


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    shape = tuple(normalized_shape)
    fits = all(one is None or one.shape == shape for one in (weight, bias))
    if not input.is_meta or not shape or input.shape[-len(shape) :] != shape or not fits:
        return functional.layer_norm(input, normalized_shape, weight, bias, eps)
    return _recorded(NativeLayerNorm, input, weight, bias)


def _hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    if not input.is_meta:
        return functional.hardtanh(input, min_val, max_val, inplace)
    return _recorded(Hardtanh, input, inplace)


def _recorded(step: type[_OneStep], *inputs: Any) -> Tensor:
    given: Tensor = step.apply(*inputs)  # type: ignore[no-untyped-call]
    return given


_QUICK = {
    functional.batch_norm: _batch_norm,
    functional.layer_norm: _layer_norm,
    functional.hardtanh: _hardtanh,
}
