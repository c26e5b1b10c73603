"""A dry run's quick shapes: the same findings, record and errors as PyTorch's own, in a part of the steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headswap.heads import dry_run
from headswap.heads.detect import find_head
from headswap.heads.meta_kernels import QuickShapes
from headswap.heads.swap import swap_head
from headswap.zoos.catalogue import build_network

OPERATIONS: tuple[Callable[[], tuple[nn.Module, tuple[int, ...]]], ...] = (
    lambda: (nn.BatchNorm2d(4), (2, 4, 5, 5)),
    lambda: (nn.BatchNorm2d(4, affine=False, track_running_stats=False), (2, 4, 5, 5)),
    lambda: (nn.BatchNorm1d(4), (2, 4)),
    lambda: (nn.LayerNorm(6), (2, 3, 6)),
    lambda: (nn.LayerNorm((3, 6), elementwise_affine=False), (2, 3, 6)),
    lambda: (nn.ReLU6(), (2, 3)),
    lambda: (nn.ReLU6(inplace=True), (2, 3)),
)


def recorded(made: nn.Module, shape: tuple[int, ...], mode: AbstractContextManager[Any]) -> tuple[Any, ...]:
    """Shape, number type and layout of the answer; name of the step and of everything it comes from."""
    module = made.to("meta")
    entering = torch.empty(shape, device="meta", requires_grad=True)
    with mode:
        answer = module(entering.clone())
    assert answer.grad_fn is not None
    before = [type(step).__name__ for step, _ in answer.grad_fn.next_functions if step is not None]
    return answer.shape, answer.dtype, answer.stride(), answer.grad_fn.name().rstrip("0123456789"), before


@pytest.mark.parametrize("make", OPERATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_a_quick_step_is_recorded_as_the_slow_one(
    make: Callable[[], tuple[nn.Module, tuple[int, ...]]], training: bool
) -> None:
    quick = recorded(make()[0].train(training), make()[1], QuickShapes())

    assert quick == recorded(make()[0].train(training), make()[1], nullcontext())


def test_with_numbers_nothing_is_changed() -> None:
    values = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    mean, variance = torch.zeros(4), torch.ones(4)
    with QuickShapes():
        normed = functional.batch_norm(values, mean, variance, training=True)
        layered = functional.layer_norm(values, (5, 5))
        cut = functional.hardtanh(values)

    assert torch.equal(normed, functional.batch_norm(values, torch.zeros(4), torch.ones(4), training=True))
    assert torch.equal(layered, functional.layer_norm(values, (5, 5)))
    assert torch.equal(cut, values.clamp(-1, 1))
    assert bool(mean.any())  # the statistics moved


@pytest.mark.parametrize(
    "wrong",
    [
        lambda one: nn.BatchNorm2d(3, device="meta")(one),  # statistics of another width
        lambda one: nn.LayerNorm(7, device="meta")(one),
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
    ["tf_efficientnet_lite0", "torchvision/densenet121", "torchvision/mobilenet_v2", "timm/convnext_atto"],
)
def test_the_head_is_the_same_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(name, device="meta")
    quick = find_head(network)
    swapped = swap_head(network, 7, site=quick)
    swapped.undo()
    monkeypatch.setattr(dry_run, "QuickShapes", nullcontext)

    assert find_head(network) == quick
    assert swap_head(network, 7).site == swapped.site
