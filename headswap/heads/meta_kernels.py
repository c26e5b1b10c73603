"""Shapes of some operations for which PyTorch works them out in Python, slowly.

On meta tensors a norm is taken apart into some twenty operations, a linear layer and an activation into
several: most of the time of a dry run. Here each is one step with the same shape, the same place in
autograd's record and the same name there. (Attention of equals alone, which PyTorch records as its parts,
is one step of a name of its own.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class QuickShapes(TorchFunctionMode):
    """While it lasts, these take one step each on meta tensors; everything else is as it was."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _QUICK.get(function, function)(*args, **(kwargs or {}))


class _OneStep(torch.autograd.Function):
    """Gives what is shaped like its first input, and is recorded as coming from all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        return meta_like(values)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        raise NotImplementedError("a dry run has no slopes")


# autograd names a step after its class: NativeBatchNormBackward, as PyTorch's own


class NativeBatchNorm(_OneStep):
    """Stands for `torch.native_batch_norm`."""


class NativeLayerNorm(_OneStep):
    """Stands for `torch.native_layer_norm`."""


class _EntryByEntry(_OneStep):
    """Each number becomes another, in place or not."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        if others != (True,):
            return meta_like(values)
        ctx.mark_dirty(values)  # in place
        return values


class Hardtanh(_EntryByEntry):
    """Stands for `hardtanh`."""


class Hardswish(_EntryByEntry):
    """Stands for `hardswish`."""


class Hardsigmoid(_EntryByEntry):
    """Stands for `hardsigmoid`."""


class Relu(_OneStep):
    """Stands for `relu`."""


class Gelu(_EntryByEntry):
    """Stands for `gelu`."""


class Clamp(_OneStep):
    """Stands for `clamp`."""


class Add(_OneStep):
    """Stands for `+`."""


class Mul(_OneStep):
    """Stands for `*`."""


class Attention(_OneStep):
    """Stands for the parts of `scaled_dot_product_attention`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        return torch.empty(values.shape, dtype=values.dtype, device="meta")


class Addmm(_OneStep):
    """Stands for `addmm`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, *others: Any) -> Tensor:
        rows, columns = others
        return torch.empty((len(rows), columns.shape[1]), dtype=values.dtype, device="meta")


def meta_like(values: Tensor) -> Tensor:
    """`torch.empty_like` on meta, which takes twenty times as long for what is on meta already."""
    if values.is_meta and values.layout == torch.strided and values.is_contiguous():
        return torch.empty_strided(values.shape, values.stride(), dtype=values.dtype, device="meta")
    return torch.empty_like(values, device="meta", requires_grad=False)


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


def _gelu(input: Tensor, approximate: str = "none") -> Tensor:
    if not _numbers(input):
        return functional.gelu(input, approximate=approximate)
    return _recorded(Gelu, input)


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    if inplace or not _numbers(input):  # in place PyTorch is quick
        return functional.relu(input, inplace=inplace)
    return _recorded(Relu, input)


def _clamp(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of values, to ends that are numbers or go into their shape."""

    def quick(input: Tensor, *ends: Any, **named: Any) -> Tensor:
        given = [end for end in (*ends, named.get("min"), named.get("max")) if end is not None]
        is_known = named.keys() <= {"min", "max"} and all(_fits_into(input, end) for end in given)
        return _recorded(Clamp, input, *given) if given and is_known else function(input, *ends, **named)

    return quick


def _entry_by_entry(step: type[_OneStep], function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of a function that takes values and whether it works in place."""

    def quick(input: Tensor, inplace: bool = False) -> Tensor:
        if not _numbers(input) or (inplace and input._is_view()):
            return function(input, inplace)
        return _recorded(step, input, inplace)

    return quick


def _arithmetic(step: type[_OneStep], function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of two operands, the second of which is a number or goes into the shape of the first."""

    def quick(*operands: Any, **settings: Any) -> Tensor:
        if len(operands) == 2 and not settings and _fits_into(*operands):
            return _recorded(step, *operands)
        return function(*operands, **settings)

    return quick


def _fits_into(values: Any, other: Any) -> bool:
    if not isinstance(values, Tensor) or not _numbers(values) or not values.is_contiguous():
        return False
    if not isinstance(other, Tensor):
        return isinstance(other, int | float)
    return other.is_meta and other.dtype == values.dtype and _spreads(other.shape, values.shape)


def _spreads(shape: Sequence[int], over: Sequence[int]) -> bool:
    """Whether a shape is repeated to another one, and adds nothing to it."""
    return len(shape) <= len(over) and all(
        one in (1, other) for one, other in zip(shape[::-1], over[::-1], strict=False)
    )


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    own = (weight, bias)
    fits = all(one is not None and one.is_meta and one.dtype == input.dtype for one in own)
    if not fits or not _takes_rows(input, weight) or bias is None or bias.shape != weight.shape[:1]:
        return functional.linear(input, weight, bias)
    rows = input if input.dim() == 2 else input.view(-1, input.shape[-1])
    given = _recorded(Addmm, bias, rows, weight.t())
    return given if input.dim() == 2 else given.view(*input.shape[:-1], len(weight))


def _takes_rows(input: Tensor, weight: Tensor) -> bool:
    is_flat = input.dim() == 2 or (input.dim() > 2 and input.is_contiguous() and input.numel() > 0)
    return _numbers(input) and is_flat and weight.dim() == 2 and input.shape[-1:] == weight.shape[1:]


def _attention(query: Tensor, key: Tensor, value: Tensor, *others: Any, **settings: Any) -> Tensor:
    mask = others[0] if others else settings.get("attn_mask")
    if not _are_equals(query, key, value) or not _masks(mask, query):
        return functional.scaled_dot_product_attention(query, key, value, *others, **settings)
    return _recorded(Attention, query, key, value, mask)


def _are_equals(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether query, key and value have one shape and type, as in a backbone's self-attention."""
    alike = query.shape == key.shape == value.shape and query.dtype == key.dtype == value.dtype
    return alike and _numbers(query) and query.dim() == 4 and key.is_meta and value.is_meta


def _masks(mask: Tensor | None, query: Tensor) -> bool:
    pairs = (*query.shape[:-1], query.shape[-2])
    return mask is None or (mask.is_meta and _spreads(mask.shape, pairs))


def _numbers(values: Tensor) -> bool:
    return values.is_meta and values.is_floating_point()


def _recorded(step: type[_OneStep], *inputs: Any) -> Tensor:
    given: Tensor = step.apply(*inputs)  # type: ignore[no-untyped-call]
    return given


_QUICK: dict[Any, Callable[..., Tensor]] = {
    functional.batch_norm: _batch_norm,
    functional.layer_norm: _layer_norm,
    functional.hardtanh: _hardtanh,
    functional.hardswish: _entry_by_entry(Hardswish, functional.hardswish),
    functional.hardsigmoid: _entry_by_entry(Hardsigmoid, functional.hardsigmoid),
    functional.relu: _relu,
    functional.gelu: _gelu,
    functional.linear: _linear,
    functional.scaled_dot_product_attention: _attention,
    Tensor.clamp: _clamp(Tensor.clamp),
    torch.clamp: _clamp(torch.clamp),
    Tensor.add: _arithmetic(Add, Tensor.add),
    Tensor.mul: _arithmetic(Mul, Tensor.mul),
}
