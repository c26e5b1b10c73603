"""What a GPU needs and a processor does not: exactness, memory, random numbers; on a pretended one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from headswap.features.devices import (
    bring_home,
    device_of,
    drawing_from,
    full_precision,
    images_at_once,
    is_out_of_memory,
    random_state,
    set_random_state,
    upload,
)
from headswap.features.engines import Engine, choose_engine, exact
from tests.pretend_device import pretend_device


def precisions() -> tuple[str, str]:
    cudnn: Any = torch.backends.cudnn
    return cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 0), "float16"), ((7, 5), "float16"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")],
)
def test_a_card_that_only_emulates_bfloat16_runs_in_float16(
    capability: tuple[int, int], precision: str
) -> None:
    with pretend_device("cuda", capability=capability):
        assert torch.cuda.is_bf16_supported()  # emulation counts, if it is not asked otherwise

        assert choose_engine() == Engine("cuda", precision, folded=True)  # type: ignore[arg-type]


def test_the_exact_engine_of_cuda_runs_without_tf32_and_leaves_the_setting_as_it_was() -> None:
    before = precisions()

    with exact(Engine("cuda", "bfloat16", folded=True)).running():
        assert precisions() == ("ieee", "ieee")

    assert precisions() == before
    with Engine("cuda", "float32", folded=True).running():  # no reference: quick
        assert precisions() == before
    with pytest.raises(KeyError), full_precision("cuda"):
        raise KeyError
    assert precisions() == before


def test_mps_is_compared_with_the_processor_and_cuda_with_itself() -> None:
    assert exact(Engine("mps", "float32")) == Engine("cpu", "float32")
    assert exact(Engine("cuda", "float16", folded=True)) == Engine("cuda", "float32")
    assert not Engine("mps", "float32").is_exact


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("could not create a primitive"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_full_memory_is_told_from_other_errors(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full


def test_a_gpu_sees_more_images_at_once_than_a_processor_as_its_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert images_at_once("cpu", 16) == 16
    with pretend_device("cuda"):
        assert images_at_once("cuda", 16) == 128
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * 2**30, 8 * 2**30))
        assert images_at_once("cuda", 16) == 48
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**20, 8 * 2**30))
        assert images_at_once("cuda", 16) == 16
    with pretend_device("mps"):
        assert images_at_once("mps", 16) == 128


def test_a_batch_goes_to_cuda_through_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Size] = []
    with pretend_device("cuda"):
        pin = torch.Tensor.pin_memory
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pinned.append(x.shape) or pin(x))

        there = upload(torch.rand(2, 3, 4, 4), "cuda")

    assert pinned == [(2, 3, 4, 4)]
    assert there.stride() == (48, 1, 12, 3)


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_a_network_comes_home_to_the_processor(device: str) -> None:
    module = nn.Linear(3, 2)
    with pretend_device(device):  # type: ignore[arg-type]
        module.to(device)
        assert device_of(module) == device

        bring_home(module)

    assert device_of(module) == "cpu"
    assert device_of(nn.Flatten()) == "cpu"


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_random_numbers_of_a_device_are_drawn_from_a_seed_and_go_on_afterwards(device: str) -> None:
    with pretend_device(device):  # type: ignore[arg-type]
        state = random_state(device)
        assert state is not None
        expected = torch.rand(2, device=device)
        set_random_state(device, state)

        drawn = []
        for _ in range(2):
            with drawing_from(device, 7):
                drawn.append((torch.rand(2, device=device).tolist(), torch.rand(2).tolist()))

        assert drawn[0] == drawn[1]
        assert torch.equal(torch.rand(2, device=device), expected)
    assert random_state("cpu") is None
