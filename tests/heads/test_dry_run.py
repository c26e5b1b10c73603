"""A dry run computes nothing and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.heads.dry_run import DryRunMode, dry_run, unchanged


class Careless(nn.Module):
    """Leaves caches, statistics and flags behind in every forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(12, 4), nn.BatchNorm1d(4)
        self.seen: list[Any] = []
        self.cache: dict[str, Any] = {"old": 1}
        self.names = {"a"}
        self.last: Tensor | None = None

    def forward(self, image: Tensor) -> Tensor:
        image.mul_(2)  # writes into its input
        self.seen.append(image)
        self.cache["new"] = image
        self.names.add("b")
        self.last = image
        self.extra = nn.Linear(2, 2)
        self.fc.training = not self.fc.training
        return self.norm(self.fc(image.flatten(1)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("real", [False, True])
def test_nothing_is_left_behind(training: bool, real: bool) -> None:
    net = Careless()
    before = {name: value.clone() for name, value in net.state_dict().items()}

    dry_run(net, DryRunMode(size=(3, 2, 2), training=training, real=real))

    assert (net.seen, net.cache, net.names, net.last) == ([], {"old": 1}, {"a"}, None)
    assert "extra" not in net._modules
    assert net.fc.training
    assert not net._forward_pre_hooks
    assert not net.fc._forward_pre_hooks
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(value.grad is None for value in net.parameters())


def test_a_network_that_breaks_off_is_as_before() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).train()

    with pytest.raises(RuntimeError):
        dry_run(net, DryRunMode(size=(3, 5, 5)))

    assert net.training
    assert not net[1]._forward_pre_hooks


def test_random_numbers_go_on_as_if_nothing_had_run() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(12, 4))
    torch.manual_seed(3)
    expected = torch.rand(1)

    torch.manual_seed(3)
    dry_run(net, DryRunMode(size=(3, 2, 2), training=True, real=True))

    assert torch.equal(torch.rand(1), expected)


def test_modules_are_noted_in_the_order_they_first_run() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(12, 4)), nn.ReLU())

    run = dry_run(net, DryRunMode(size=(3, 2, 2)))

    assert run.order == ("0", "1", "1.0", "2")


def test_it_runs_under_no_grad_and_inference_mode_all_the_same() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))

    with torch.no_grad():
        assert dry_run(net, DryRunMode(size=(3, 2, 2))).outputs[0][1].requires_grad
    with torch.inference_mode():
        assert dry_run(net, DryRunMode(size=(3, 2, 2))).outputs[0][1].requires_grad


def test_a_replaced_attribute_is_put_back_as_the_same_object() -> None:
    net = Careless()
    seen = net.seen

    with unchanged(net):
        net.seen = ["other"]

    assert net.seen is seen


@pytest.mark.parametrize("enabled", [False, True])
def test_a_network_that_sets_the_precision_of_its_own_device_is_run_as_shapes(enabled: bool) -> None:
    class Precise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast(device_type=x.device.type, enabled=enabled):
                return self.fc(x.flatten(1))

    ran = dry_run(Precise(), DryRunMode(size=(3, 2, 2)))
    assert ran.order == ("fc",)
    assert ran.outputs[0][1].shape == (2, 3)
    with pytest.raises(RuntimeError):  # outside a dry run everything is as before
        torch.autocast("meta")
