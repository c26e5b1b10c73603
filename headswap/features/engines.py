"""Which ways of running a backbone this machine offers.

An engine is a library, a device, a precision, and what decodes images. CUDA runs in half precision
(AMP): bfloat16 where the card has it, not where it emulates it, else float16. Apple MPS runs in single;
a processor with native bfloat16 runs in it, any other in single precision. Norms are folded into
convolutions where the network allows. On a processor ONNX Runtime and OpenVINO are engines too where they are
installed; `headswap.features.autotune` measures which is fastest.

Every engine is checked against the network as it is, in single precision, on the first
images, and given up when the features differ by more than `largest_error` allows
(docs/decisions/0003-engines.md: heads solved on features within it are as good). That reference
runs on CUDA without TF32, and on the processor for everything else: MPS is checked like the others
(docs/decisions/0024-gpu-and-apple-machines.md). A decoder other than Pillow is checked in the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor, nn

from headswap.errors import TeachingFailed
from headswap.features.devices import full_precision, is_out_of_memory
from headswap.features.gpu_decoding import decodes_here
from headswap.threads import processors

Library = Literal["torch", "onnxruntime", "openvino"]
Precision = Literal["float32", "bfloat16", "float16"]
Decoder = Literal["pillow", "nvjpeg"]

MAX_RELATIVE_ERROR = 0.2  # of the norm of the features; bfloat16 is off by 0.04 to 0.17 and trains as well
MAX_SINGLE_ERROR = 0.01  # of an engine in single precision: it only adds up in another order
# Of another decoder, by the exact network. Errors of two causes add up in squares: with the 0.17 of bfloat16
# they stay below 0.2 (docs/decisions/0024-gpu-and-apple-machines.md has what was measured).
MAX_DECODER_ERROR = 0.1
_NVJPEG = "-nvjpeg"


@dataclass(frozen=True)
class Engine:
    """Where and how exactly a backbone runs."""

    device: str  # "cpu", "cuda", "mps"
    precision: Precision
    folded: bool = False  # norms folded into convolutions; the other libraries do so by themselves
    library: Library = "torch"
    decoder: Decoder = "pillow"  # what decodes images that are read again; nvJPEG is on CUDA

    @property
    def name(self) -> str:
        plain = f"{self.library}-{self.device}-{self.precision}{'-folded' if self.folded else ''}"
        return plain if self.decoder == "pillow" else f"{plain}{_NVJPEG}"

    @property
    def is_exact(self) -> bool:
        """Whether it computes just what the network says, so that others are compared with it.

        Of the pixels that it is given, whatever decoded them. MPS never does: some of its kernels are wrong
        (pytorch issue 188335).
        """
        plain = self.library == "torch" and self.precision == "float32" and not self.folded
        return plain and self.device != "mps"

    @property
    def largest_error(self) -> float:
        """How far its features may be from the exact ones, as `relative_error` gives it."""
        return MAX_SINGLE_ERROR if self.precision == "float32" else MAX_RELATIVE_ERROR

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything under this runs without gradients and in the engine's precision."""
        with torch.inference_mode(), contextlib.ExitStack() as stack:
            if self.precision != "float32":
                dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float16
                stack.enter_context(torch.autocast(self.device, dtype))
            if self.is_exact:
                stack.enter_context(full_precision(self.device))
            yield


def needs_every_core(engine: Engine) -> bool:
    """Whether other work slows it down by more than its share.

    Torch's threads wait for each other at every layer; those of other libraries hand work on
    (docs/decisions/0003-engines.md).
    """
    return engine.library == "torch" and engine.device == "cpu" and torch.get_num_threads() >= processors()


def exact(engine: Engine) -> Engine:
    """What an engine is compared with: the network as it is, in single precision, on Pillow's pixels."""
    return Engine("cuda" if engine.device == "cuda" else "cpu", "float32")


def single(engine: Engine) -> Engine:
    """The same device, the network as it is, in single precision."""
    return Engine(engine.device, "float32")


def choose_engine() -> Engine:
    """The engine of torch that is fastest here; measured in docs/log.md."""
    if torch.cuda.is_available():
        own = torch.cuda.is_bf16_supported(including_emulation=False)  # emulated, it is slower than float32
        return Engine("cuda", "bfloat16" if own else "float16", folded=True)
    if torch.backends.mps.is_available():
        return Engine("mps", "float32")
    return processor_engine()


def processor_engine() -> Engine:
    """The engine of torch that is fastest on this machine's processor."""
    return Engine("cpu", "bfloat16" if has_fast_bfloat16() else "float32", folded=True)


def engines_here() -> tuple[Engine, ...]:
    """All that may turn out to be the fastest for some network; torch's own comes first."""
    own = choose_engine()
    if own.device != "cpu":
        return (own,)
    others = []
    if find_spec("openvino"):
        precision: Precision = "bfloat16" if has_fast_bfloat16() else "float32"
        others.append(Engine("cpu", precision, library="openvino"))
    if find_spec("onnxruntime"):
        others.append(Engine("cpu", "float32", library="onnxruntime"))
    return own, *others


def is_rough(name: str) -> bool:
    """Whether the engine of that name differs so much from the exact one that close answers need that one."""
    return "float32" not in name or name.endswith(_NVJPEG)


def engine_named(name: str) -> Engine | None:
    """The engine of that name, to repeat a run; None when this machine has no such thing."""
    if name.endswith(_NVJPEG):
        plain = engine_named(name.removesuffix(_NVJPEG))
        is_here = plain is not None and plain.device == "cuda" and decodes_here()
        return replace(plain, decoder="nvjpeg") if plain and is_here else None
    devices = ["cpu", *["cuda"] * torch.cuda.is_available(), *["mps"] * torch.backends.mps.is_available()]
    precisions: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
    every = [Engine(device, how, fold) for device in devices for how in precisions for fold in (False, True)]
    both: tuple[Precision, ...] = ("float32", "bfloat16")
    every += [Engine("cpu", how, library="openvino") for how in both if find_spec("openvino")]
    every += [Engine("cpu", "float32", library="onnxruntime")] * bool(find_spec("onnxruntime"))
    return next((engine for engine in every if engine.name == name), None)


def nearest_engine(name: str) -> Engine:
    """The engine of that name; where this machine has none, the one whose numbers are nearest to its own.

    A head may be solved on features of some images together with those of others only where one engine made
    both: what half precision is off by is much the same for all images, and would tell the two apart. Torch
    rounds to bfloat16 on any processor, slowly where that emulates it.
    """
    found = engine_named(name) or engine_named(name.removesuffix(_NVJPEG))
    if found is not None:
        return found
    return Engine("cpu", "bfloat16", folded=True) if "bfloat16" in name else exact(choose_engine())


def to_engine(module: nn.Module, engine: Engine) -> nn.Module:
    """Move a module, in place, to the engine's device, with channels last where convolutions gain by it.

    Raises:
        TeachingFailed: the device has no room for its weights.
    """
    try:
        moved: nn.Module = module.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise TeachingFailed(
            f"The weights of this network do not fit into the memory of {engine.device}.",
            remedy="Choose a smaller network, or end other programs that take its memory.",
        ) from error
    return moved


def relative_error(rough: Tensor, true: Tensor) -> float:
    """|rough - true| / |true| over all numbers; infinite when a number is not finite."""
    if not torch.isfinite(rough).all():
        return float("inf")
    return float((rough - true).norm() / true.norm().clamp_min(1e-12))


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself; emulation is slower than float32."""
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        found = getattr(torch.cpu, probe, None)
        if found is not None and found():
            return True
    return False
