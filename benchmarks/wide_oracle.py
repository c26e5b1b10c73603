"""What a wide head must read, computed without headswap: own hooks, float64, another formula.

Flow:  network + widened network + images --disagreements--> sentences; none where they agree

Decision 0031 says what a head reads of a block: mean and standard deviation of each channel over all
positions, no mean where the last features are that mean; then the last features. Here these are computed
from what the network alone gives, in a pass of its own, as averages of deviations and not of squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_CHANNELS = {"NCHW": 1, "NHWC": 3, "NTC": 2}  # axis of the channels
_ROUNDING = 1e-5  # of a mean square: what float32 may lose in sums over positions
_TINY = 1e-6  # what headswap adds to a variance


@torch.no_grad()
def disagreements(body: nn.Module, wide: Any, images: Tensor) -> list[str]:
    """Compare what reaches a wide head, and what it answers, with what this file computes.

    Args:
        body: the network that was widened.
        wide: the widened one, whose head and record of taps and last features are used.
        images: (N, C, H, W).
    """
    reached: list[Tensor] = []
    hook = wide.head.register_forward_pre_hook(lambda _, arguments: reached.append(arguments[0].clone()))
    blocks, heads = [tap.path for tap in wide.taps], [layer.path for layer in wide.site.layers]
    caught = _caught(body, blocks, heads, images)
    answer = wide(images).double()
    hook.remove()
    often = [path for path, values in caught.items() if len(values) != 1]
    if often or len(reached) != 1:
        return [f"a block or a head did not run once: {often[:4]}, {len(reached)}"]
    expected, allowed = _expected(wide, {path: values[0] for path, values in caught.items()})
    features = reached[0].double()
    if features.shape != expected.shape:
        return [f"the head reads {tuple(features.shape)}, not {tuple(expected.shape)}"]
    weight, bias = wide.head.weight.double(), wide.head.bias.double()
    bound = 10 * _ROUNDING * (features.abs() @ weight.abs().T + bias.abs())
    return [
        *_apart("features", features, expected, allowed),
        *_apart("answers", answer, features @ weight.T + bias, bound),
    ]


def _caught(
    body: nn.Module, blocks: Sequence[str], heads: Sequence[str], images: Tensor
) -> dict[str, list[Tensor]]:
    """What each block gives and what reaches each head, in a pass of the network alone."""
    caught: dict[str, list[Tensor]] = {path: [] for path in (*blocks, *heads)}

    def after(path: str) -> Any:
        return lambda _part, _arguments, given: caught[path].append(_first(given).clone())

    def before(path: str) -> Any:
        return lambda _part, arguments: caught[path].append(arguments[0].clone())

    hooks = [body.get_submodule(path).register_forward_hook(after(path)) for path in blocks]
    hooks += [body.get_submodule(path).register_forward_pre_hook(before(path)) for path in heads]
    body(images)
    for hook in hooks:
        hook.remove()
    return caught


def _first(given: Any) -> Tensor:
    return given if isinstance(given, Tensor) else _first(given[0])


def _expected(wide: Any, caught: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(N, W) features in their order, and how far float32 may be from each."""
    features, allowed = [], []
    for tap in wide.taps:
        rows = _positions(caught[tap.path], _CHANNELS[tap.layout])
        mean, square = rows.mean(1), rows.square().mean(1)
        spread = ((rows - mean[:, None]).square().mean(1) + _TINY).sqrt()
        if tap.mean:
            features.append(mean)
            allowed.append(_ROUNDING * square.sqrt() + _ROUNDING**2)
        features.append(spread)
        allowed.append(_ROUNDING * (square / spread + spread))
    for layer in wide.site.layers:
        value = caught[layer.path]
        axis = 1 if value.shape[1] == layer.in_features else value.ndim - 1
        rows = value.double()[:, None] if value.ndim == 2 else _positions(value, axis)
        features.append(rows.mean(1))
        allowed.append(_ROUNDING * rows.square().mean(1).sqrt() + _ROUNDING**2)
    return torch.cat(features, 1), torch.cat(allowed, 1)


def _positions(value: Tensor, channels: int) -> Tensor:
    """(N, P, C) float64 of maps or tokens."""
    return value.double().movedim(channels, -1).flatten(1, -2)


def _apart(what: str, found: Tensor, expected: Tensor, allowed: Tensor) -> list[str]:
    """A sentence where numbers differ by more than rounding, or are none."""
    wrong = ~((found - expected).abs() <= allowed)  # NaN is wrong
    if not wrong.any():
        return []
    where = tuple(int(index) for index in wrong.nonzero()[0])
    return [
        f"{int(wrong.sum())} of {wrong.numel()} {what} are wrong, the first at {where}: "
        f"{float(found[where]):.6g}, not {float(expected[where]):.6g}"
    ]
