"""Let layers whose weight is computed from other numbers come to rest after a resize.

Weight norm keeps a length and a direction, spectral norm two work vectors. Their own
torch code sets these from the weight that is wanted; here that code is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_POWER_ITERATIONS = 15  # as torch itself makes when spectral norm is added


def reparametrize(layer: nn.Module, fresh: frozenset[int], init_std: float) -> None:
    """Give a layer with a computed weight a fresh weight, and its work vectors their values.

    Args:
        layer: the layer, already resized.
        fresh: ids of the parameters made for this swap; only these are written to.
        init_std: spread of the weight.
    """
    with _same_shapes(layer):
        _write_through(layer, fresh, init_std)


@contextmanager
def _same_shapes(layer: nn.Module) -> Iterator[None]:
    """Torch stretches a work vector of the wrong length, with a warning; here that is a failure.

    Raises:
        RuntimeError: a vector has another length than it was given.
    """
    shapes = [value.shape for value in layer.buffers()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    if [value.shape for value in layer.buffers()] != shapes:
        raise RuntimeError("its weight is computed from vectors of other lengths")


def _write_through(layer: nn.Module, fresh: frozenset[int], init_std: float) -> None:
    if parametrize.is_parametrized(layer):
        for name, steps in layer.parametrizations.items():  # type: ignore[operator, union-attr]
            own = {id(value) for value in steps.parameters()}
            _write_parametrized(layer, name, steps, init_std if own <= fresh else None)
    for hook in layer._forward_pre_hooks.values():
        if hasattr(hook, "compute_weight") and hasattr(
            hook, "name"
        ):  # torch.nn.utils.weight_norm, spectral_norm
            _write_hooked(layer, hook, fresh)


def _write_parametrized(layer: nn.Module, name: str, steps: nn.Module, init_std: float | None) -> None:
    current: Tensor = getattr(layer, name)
    invertible = all(hasattr(step, "right_inverse") for step in steps)  # type: ignore[attr-defined]
    if current.dim() >= 2 and init_std is not None and invertible:
        setattr(layer, name, torch.empty_like(current).normal_(std=init_std))
    training = steps.training
    steps.train()
    for _ in range(_POWER_ITERATIONS):
        getattr(layer, name)
    steps.train(training)


def _write_hooked(layer: nn.Module, hook: Any, fresh: frozenset[int]) -> None:
    length = layer._parameters.get(f"{hook.name}_g")
    direction = layer._parameters.get(f"{hook.name}_v")
    if length is not None and direction is not None and id(length) in fresh:
        length.copy_(torch.norm_except_dim(direction, 2, hook.dim))
    training, layer.training = layer.training, True
    for _ in range(_POWER_ITERATIONS):
        hook(layer, ())
    layer.training = training
