"""A dry run's quick shapes: the same findings, record and errors as PyTorch's own, in a part of the steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headswap.heads import dry_run, wide
from headswap.heads.detect import find_head
from headswap.heads.graph import leaves_behind
from headswap.heads.meta_kernels import QuickShapes
from headswap.heads.swap import swap_head
from headswap.heads.wide import find_taps
from headswap.zoos.catalogue import build_network


class Arithmetic(nn.Module):
    """Values and a weight, and what becomes of them."""

    def __init__(self, together: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self._together = nn.Parameter(torch.ones(3)), together

    def forward(self, values: Tensor) -> Tensor:
        return self._together(values, self.weight)


OPERATIONS: tuple[Callable[[], tuple[nn.Module, tuple[int, ...]]], ...] = (
    lambda: (nn.BatchNorm2d(4), (2, 4, 5, 5)),
    lambda: (nn.BatchNorm2d(4, affine=False, track_running_stats=False), (2, 4, 5, 5)),
    lambda: (nn.BatchNorm1d(4), (2, 4)),
    lambda: (nn.LayerNorm(6), (2, 3, 6)),
    lambda: (nn.LayerNorm((3, 6), elementwise_affine=False), (2, 3, 6)),
    lambda: (nn.ReLU6(), (2, 3)),
    lambda: (nn.ReLU6(inplace=True), (2, 3)),
    lambda: (nn.ReLU(), (2, 3)),
    lambda: (nn.ReLU(inplace=True), (2, 3)),
    lambda: (nn.GELU(), (2, 3)),
    lambda: (nn.GELU("tanh"), (2, 3)),
    lambda: (nn.Hardswish(), (2, 3)),
    lambda: (nn.Hardswish(inplace=True), (2, 3)),
    lambda: (nn.Hardsigmoid(), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: values.clamp(0, 6)), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: torch.clamp(values, max=1.0)), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: values.clamp(min=weight)), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: values.clamp(weight, weight + 1)), (2, 3)),
    lambda: (nn.Linear(6, 5), (2, 6)),
    lambda: (nn.Linear(6, 5), (2, 3, 6)),
    lambda: (nn.Linear(6, 5), (2, 3, 4, 6)),
    lambda: (nn.Linear(6, 5, bias=False), (2, 3, 6)),
    lambda: (nn.Linear(6, 5), (6,)),
    lambda: (Arithmetic(lambda values, weight: values + values), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: values + weight), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: values * weight), (4, 2, 3)),
    lambda: (Arithmetic(lambda values, weight: values * 2), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: 0.5 + values), (2, 3)),
    lambda: (Arithmetic(lambda values, weight: weight * values), (2, 3)),  # spreads the first, not the second
    lambda: (Arithmetic(lambda values, weight: values.mT + values.mT), (3, 3)),
)


def recorded(made: nn.Module, shape: tuple[int, ...], mode: AbstractContextManager[Any]) -> tuple[Any, ...]:
    """Shape, number type and layout of the answer; name of the step and of everything it comes from."""
    module = made.to("meta")
    entering = torch.empty(shape, device="meta", requires_grad=True)
    with mode:
        answer = module(entering.clone())
    assert answer.grad_fn is not None
    before = [
        type(step).__name__.rstrip("0123456789")
        for step, _ in answer.grad_fn.next_functions
        if step is not None
    ]
    return answer.shape, answer.dtype, answer.stride(), answer.grad_fn.name().rstrip("0123456789"), before


@pytest.mark.parametrize("make", OPERATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_a_quick_step_is_recorded_as_the_slow_one(
    make: Callable[[], tuple[nn.Module, tuple[int, ...]]], training: bool
) -> None:
    quick = recorded(make()[0].train(training), make()[1], QuickShapes())

    assert quick == recorded(make()[0].train(training), make()[1], nullcontext())


@pytest.mark.parametrize("mask", [None, (5, 5), (2, 1, 5, 5)])
def test_attention_of_equals_is_one_step_from_all_that_it_takes(mask: tuple[int, ...] | None) -> None:
    query, key, value = (torch.empty(2, 3, 5, 4, device="meta", requires_grad=True) for _ in range(3))
    bias = None if mask is None else torch.empty(mask, device="meta", requires_grad=True)

    with QuickShapes():
        given = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)

    slow = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    assert (given.shape, given.dtype, given.stride()) == (slow.shape, slow.dtype, slow.stride())
    behind = {id(query), id(key), id(value)} | (set() if bias is None else {id(bias)})
    assert leaves_behind([given]) == leaves_behind([slow]) == behind


def test_attention_to_others_is_left_to_pytorch() -> None:
    query = torch.empty(2, 3, 7, 4, device="meta", requires_grad=True)
    others = torch.empty(2, 3, 5, 4, device="meta")

    with QuickShapes():
        given = functional.scaled_dot_product_attention(query, others, others)

    assert given.shape == (2, 3, 7, 4)
    assert given.grad_fn is not None
    assert "Attention" not in given.grad_fn.name()


def test_with_numbers_nothing_is_changed() -> None:
    values = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    mean, variance = torch.zeros(4), torch.ones(4)
    with QuickShapes():
        normed = functional.batch_norm(values, mean, variance, training=True)
        layered = functional.layer_norm(values, (5, 5))
        cut = functional.hardtanh(values)
        bent = functional.gelu(functional.hardswish(functional.relu(values)) * 2 + values)
        mixed = functional.linear(values, torch.eye(5), torch.ones(5))
        seen = functional.scaled_dot_product_attention(values, values, values)

    assert torch.equal(normed, functional.batch_norm(values, torch.zeros(4), torch.ones(4), training=True))
    assert torch.equal(layered, functional.layer_norm(values, (5, 5)))
    assert torch.equal(cut, values.clamp(-1, 1))
    assert bool(mean.any())  # the statistics moved
    assert torch.equal(bent, functional.gelu(functional.hardswish(functional.relu(values)) * 2 + values))
    assert torch.equal(mixed, functional.linear(values, torch.eye(5), torch.ones(5)))
    assert torch.equal(seen, functional.scaled_dot_product_attention(values, values, values))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda one: nn.BatchNorm2d(3, device="meta")(one),  # statistics of another width
        lambda one: nn.LayerNorm(7, device="meta")(one),
        lambda one: nn.Linear(7, 3, device="meta")(one),
        lambda one: one + torch.empty(4, device="meta"),
        lambda one: functional.scaled_dot_product_attention(one, one, one, torch.empty(5, 7, device="meta")),
        lambda one: nn.BatchNorm2d(4, device="meta")(one[:1, :, :1, :1]),  # one value a channel
    ],
)
def test_what_pytorch_refuses_is_refused_in_the_same_words(wrong: Callable[[Tensor], Tensor]) -> None:
    said = []
    for mode in (QuickShapes(), nullcontext()):
        with mode, pytest.raises((RuntimeError, ValueError)) as refused:
            wrong(torch.empty(2, 4, 5, 5, device="meta"))
        said.append(str(refused.value))

    assert said[0] == said[1]


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        pytest.param("torchvision/densenet121", marks=pytest.mark.thorough),
        pytest.param("torchvision/mobilenet_v2", marks=pytest.mark.thorough),
        "timm/convnext_atto",
        "timm/vit_tiny_patch16_224",
    ],
)
def test_the_head_is_the_same_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(name, device="meta")
    quick = find_head(network)
    taps = find_taps(network, quick)
    swapped = swap_head(network, 7, site=quick)
    swapped.undo()
    for one in (dry_run, wide):
        monkeypatch.setattr(one, "QuickShapes", nullcontext)

    assert find_head(network) == quick
    assert find_taps(network, quick) == taps
    assert swap_head(network, 7).site == swapped.site
