"""The pretended device refuses what torch refuses on a real one, and gives true numbers otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tests.pretend_device import pretend_device


@pytest.fixture(params=["mps", "cuda"])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    with pretend_device(request.param):
        yield request.param


@pytest.mark.parametrize(
    "mixed",
    [
        lambda far, near: far + near,
        lambda far, near: near @ far,
        lambda far, near: torch.cat([far, near]),
        lambda far, near: near.add_(far),
        lambda far, near: torch.equal(far, near),
        lambda far, near: nn.Linear(3, 3)(far),
        lambda far, near: cross_entropy(far, torch.zeros(3, dtype=torch.long)),
        lambda far, near: near[torch.zeros(3, dtype=torch.long).to(far.device)],
        lambda far, near: far.index_put_((torch.tensor([0]),), near[:1]),
    ],
)
def test_operands_on_two_devices_are_refused(device: str, mixed: Callable[..., object]) -> None:
    near = torch.rand(3, 3)

    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        mixed(near.to(device), near)


def test_what_torch_allows_across_devices_is_allowed(device: str) -> None:
    far, near = torch.arange(4.0).to(device), torch.zeros(4)

    near.copy_(far)

    assert near.tolist() == far.tolist() == [0, 1, 2, 3]
    assert (far + torch.tensor(1.0)).tolist() == [1, 2, 3, 4]  # a single number on the processor
    assert far[torch.tensor([3, 0])].tolist() == [3, 0]
    assert float(far[2]) == 2.0


def test_numbers_leave_the_device_by_cpu_only(device: str) -> None:
    far = torch.rand(3).to(device)

    with pytest.raises(TypeError, match="to numpy"):
        far.numpy()
    with pytest.raises(TypeError, match="to numpy"):
        np.asarray(far)
    assert far.cpu().numpy().shape == (3,)
    assert str(far.cpu().device) == "cpu"


def test_float64_is_refused_on_mps_only() -> None:
    with pretend_device("mps"):
        for made in (lambda: torch.rand(2).double().to("mps"), lambda: torch.rand(2).to("mps").double()):
            with pytest.raises(TypeError, match="doesn't support float64"):
                made()
    with pretend_device("cuda"):
        assert torch.rand(2).to("cuda").double().dtype == torch.float64


def test_generators_pinned_memory_and_full_devices_are_as_on_a_real_one() -> None:
    with pretend_device("cuda", largest_bytes=400):
        with pytest.raises(RuntimeError, match="device type for generator but found 'cpu'"):
            torch.rand(2, device="cuda", generator=torch.Generator())
        with pytest.raises(RuntimeError, match="cannot pin"):
            torch.rand(2, device="cuda").pin_memory()
        assert torch.rand(2).pin_memory().to("cuda", non_blocking=True).device.type == "cuda"
        with pytest.raises(torch.OutOfMemoryError):
            torch.rand(101).to("cuda")
        assert torch.rand(100).to("cuda").shape == (100,)


def test_a_module_moves_there_and_back_with_the_same_parameters_and_answers(device: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    parameters, batch = list(module.parameters()), torch.rand(2, 3, 8, 8)
    expected = module.eval()(batch).detach()

    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    assert all(now is before for now, before in zip(module.parameters(), parameters, strict=True))
    assert {value.device.type for value in module.state_dict().values()} == {device}
    assert torch.allclose(module(batch.to(device)).cpu(), expected, atol=1e-6)
    twin = copy.deepcopy(module)
    assert isinstance(twin[0].weight, nn.Parameter)
    assert twin[0].weight.device.type == device
    module.to("cpu")
    assert torch.allclose(module(batch), expected, atol=1e-6)


def test_learning_there_is_learning_here(device: str) -> None:
    torch.manual_seed(0)
    here = nn.Linear(4, 3)
    there = copy.deepcopy(here).to(device)
    batch, labels = torch.rand(8, 4), torch.arange(8) % 3

    for module in (here, there):
        place = module.weight.device
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
        for _ in range(3):
            loss = cross_entropy(module(batch.to(place)), labels.to(place), label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    assert torch.allclose(there.weight.cpu(), here.weight, atol=1e-6)


def test_the_device_draws_from_random_numbers_of_its_own(device: str) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)

    first = torch.rand(3, device=device)

    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3, device=device).cpu(), first.cpu())


def test_every_thread_that_begins_has_the_device(device: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: torch.ones(2).to(device).device.type).result() == device


def test_afterwards_nothing_is_pretended() -> None:
    with pretend_device("mps"):
        assert torch.backends.mps.is_available()

    assert not torch.backends.mps.is_available()
    with pytest.raises(RuntimeError):
        torch.ones(2).to("mps")
