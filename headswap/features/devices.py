"""What differs between a processor, CUDA and Apple MPS: memory, transfers, exactness, random numbers.

Nothing here knows what a network is for. CUDA convolutions in "single precision" run in TF32
unless they are told not to; MPS reports a full memory as a plain RuntimeError; pinned memory
helps CUDA only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_PER_16_BYTES = 2**30  # of free memory, for each sixteen images at once
_MOST_AT_ONCE = 128  # images; beyond it a larger batch gains little
# As CUDA, MPS, processors and cuBLAS say it; the last when there is no room for its own workspace.
_FULL = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the processor, had no room for a tensor."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error).lower() for part in _FULL)


def release_memory(device: str) -> None:
    """Give back what the allocator of a device keeps for later."""
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def images_at_once(device: str, asked: int) -> int:
    """How many images a backbone sees at once: a GPU takes more than a processor, as its memory allows.

    Args:
        device: "cpu", "cuda" or "mps".
        asked: what is best on a processor, where more is slower.
    """
    if device == "cpu":
        return asked
    return max(asked, min(_MOST_AT_ONCE, asked * (free_memory(device) // _PER_16_BYTES)))


def free_memory(device: str) -> int:
    """Bytes that are free on a device, "cuda" or "mps"."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()


def upload(batch: Tensor, device: str) -> Tensor:
    """(N, C, H, W) on the processor to a device, channels last.

    To CUDA it goes through pinned memory, so that the processor need not wait for it.
    """
    batch = batch.contiguous(memory_format=torch.channels_last)
    if device == "cuda" and batch.device.type == "cpu":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


def bring_home(module: nn.Module) -> nn.Module:
    """Move a network to the processor, where predictions run, and let the device's memory go."""
    device = device_of(module)
    if device != "cpu":
        module = module.to("cpu")
        release_memory(device)
    return module


def device_of(module: nn.Module) -> str:
    """Where a network is: "cpu", "cuda", "mps"."""
    return next((value.device.type for value in module.parameters()), "cpu")


@contextlib.contextmanager
def full_precision(device: str) -> Iterator[None]:
    """While it lasts, CUDA multiplies single precision in full, not in TF32; elsewhere nothing changes.

    The setting is the process's, not the thread's.
    """
    if device != "cuda":
        yield
        return
    settings = _precision_settings()
    before = [getattr(module, name) for module, name, _ in settings]
    try:
        for module, name, full in settings:
            setattr(module, name, full)
        yield
    finally:
        for (module, name, _), value in zip(settings, before, strict=True):
            setattr(module, name, value)


def _precision_settings() -> list[tuple[Any, str, Any]]:
    """Where torch keeps it, and its value for full precision; torch 2.9 has new names, not to be mixed."""
    if hasattr(torch.backends.cudnn, "conv"):
        return [
            (torch.backends.cudnn.conv, "fp32_precision", "ieee"),
            (torch.backends.cudnn.rnn, "fp32_precision", "ieee"),
            (torch.backends.cuda.matmul, "fp32_precision", "ieee"),
        ]
    return [
        (torch.backends.cudnn, "allow_tf32", False),
        (torch.backends.cuda.matmul, "allow_tf32", False),
    ]


def random_state(device: str) -> Tensor | None:
    """The state of a device's random numbers; None: it has none but the processor's."""
    if device == "cuda":
        return torch.cuda.get_rng_state()
    return torch.mps.get_rng_state() if device == "mps" else None


def set_random_state(device: str, state: Tensor) -> None:
    """Go on drawing where a state was taken."""
    (torch.cuda if device == "cuda" else torch.mps).set_rng_state(state)


@contextlib.contextmanager
def drawing_from(device: str, seed: int) -> Iterator[None]:
    """While it lasts, draw from a seed, on the processor and on a device; then go on as if nothing was."""
    kept = random_state(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if kept is not None:
                set_random_state(device, kept)
