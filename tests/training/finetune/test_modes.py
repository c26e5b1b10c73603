"""A GPU trains only where its gradients are the processor's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.features.engines import Engine
from headswap.training.finetune.modes import proved, training_engine
from tests.pretend_device import pretend_device

Make = Callable[..., Any]
CPU, MPS = Engine("cpu", "float32"), Engine("mps", "float32")


class WrongBackward(torch.autograd.Function):
    """Right forward; backward a tenth too large on MPS."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.is_wrong = x.device.type == "mps"
        return x.clone()

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:
        return slope * 1.1 if context.is_wrong else slope


class Lacking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "mps":
            raise NotImplementedError("The operator is not currently implemented for the MPS device.")
        return x


def found(room: Any) -> Engine:
    with pretend_device("mps"):
        return proved(
            training_engine(), room.module, room.site, room.image_batches.inputs(range(4)), room.labels[:4]
        )


def test_mps_trains_where_its_gradients_are_the_processors(classroom: Make) -> None:
    room = classroom()
    before = copy.deepcopy(room.module.state_dict())

    assert found(room) == MPS
    assert all(torch.equal(before[name], value) for name, value in room.module.state_dict().items())
    assert all(value.grad is None for value in room.module.parameters())


@pytest.mark.parametrize("fault", [WrongBackward.apply, Lacking()])
def test_the_processor_trains_where_mps_is_wrong_or_lacks_an_operation(classroom: Make, fault: Any) -> None:
    room = classroom()
    room.module.middle.register_forward_hook(lambda part, inputs, answer: fault(answer))

    assert found(room) == CPU


def test_other_devices_are_not_doubted(classroom: Make) -> None:
    room = classroom()

    for engine in (CPU, Engine("cuda", "bfloat16", folded=True)):
        assert proved(engine, room.module, room.site, torch.empty(0), torch.empty(0)) == engine
