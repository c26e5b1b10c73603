"""Which way of running a body is fastest here, and is it near enough to the exact one.

An engine is a device and a precision. CUDA runs in half precision (AMP), Apple MPS in
single; a processor with native bfloat16 runs in it, any other in single precision. Norms are
folded into convolutions where the network allows. All of this is checked against the network
as it is, in single precision, on the first pictures, and given up when the features differ by
more than `MAX_RELATIVE_ERROR`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

MAX_RELATIVE_ERROR = 0.05  # of the norm of the features; bfloat16 measures 0.02 and teaches as well


@dataclass(frozen=True)
class Engine:
    """Where and how exactly a body runs."""

    device: str  # "cpu", "cuda", "mps"
    precision: Literal["float32", "bfloat16", "float16"]
    folded: bool = False  # norms folded into convolutions

    @property
    def name(self) -> str:
        return f"torch-{self.device}-{self.precision}{'-folded' if self.folded else ''}"

    @property
    def is_exact(self) -> bool:
        """Whether it computes just what the network says, in single precision."""
        return self.precision == "float32" and not self.folded

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything under this runs without gradients and in the engine's precision."""
        with torch.inference_mode(), contextlib.ExitStack() as stack:
            if self.precision != "float32":
                dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float16
                stack.enter_context(torch.autocast(self.device, dtype))
            yield


def exact(engine: Engine) -> Engine:
    """The same device, the network as it is, in single precision."""
    return Engine(engine.device, "float32")


def choose_engine() -> Engine:
    """The fastest engine that this machine offers; measured in docs/log.md."""
    if torch.cuda.is_available():
        return Engine("cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float16", folded=True)
    if torch.backends.mps.is_available():
        return Engine("mps", "float32")
    return Engine("cpu", "bfloat16" if _has_fast_bfloat16() else "float32", folded=True)


def engine_named(name: str) -> Engine | None:
    """The engine of that name, to repeat a run; None when this machine has no such thing."""
    devices = ["cpu", *["cuda"] * torch.cuda.is_available(), *["mps"] * torch.backends.mps.is_available()]
    precisions: tuple[Literal["float32", "bfloat16", "float16"], ...] = ("float32", "bfloat16", "float16")
    every = [Engine(device, how, fold) for device in devices for how in precisions for fold in (False, True)]
    return next((engine for engine in every if engine.name == name), None)


def place(module: nn.Module, engine: Engine) -> nn.Module:
    """Move a module to the engine's device, with channels last where convolutions gain by it."""
    return module.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def relative_error(rough: Tensor, true: Tensor) -> float:
    """|rough - true| / |true| over all numbers; infinite when a number is not finite."""
    if not torch.isfinite(rough).all():
        return float("inf")
    return float((rough - true).norm() / true.norm().clamp_min(1e-12))


def _has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself; emulation is slower than float32."""
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        found = getattr(torch.cpu, probe, None)
        if found is not None and found():
            return True
    return False
