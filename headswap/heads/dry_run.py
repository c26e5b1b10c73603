"""Run a network without computing anything and without changing anything.

Flow:  nn.Module + (channels, height, width) --dry_run--> DryRun: the answer, with autograd's record

The weights are stood in for by meta tensors (shapes without numbers), so no copy is
made and no image is really looked at. Where a network reads numbers on its way
(`.item()`, a branch on data), the same pass is made with real numbers on a clone.
Whatever forward leaves behind in the modules (statistics, caches, flags) is put back.
"""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import autocast
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint

from headswap.heads.meta_kernels import QuickShapes, meta_like
from headswap.heads.outputs import named_tensors
from headswap.imports import compiler_is_loaded, without_compiler

InputSize = tuple[int, int, int]  # (channels, height, width)


@dataclass(frozen=True, kw_only=True)
class DryRunMode:
    """How one dry run is made."""

    size: InputSize
    training: bool = False
    real: bool = False  # with real numbers instead of meta tensors
    force_grad: bool = False  # record even what the network runs under no_grad or detaches
    trainable: frozenset[str] | None = None  # only these parameters need gradients; None: all, and the image
    batch: int = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class DryRun:
    """One pass through a network: its answer and what autograd recorded."""

    how: DryRunMode
    outputs: tuple[tuple[str, Tensor], ...]
    image: Tensor  # (batch, C, H, W), the leaf that stands for the images
    leaves: MappingProxyType[int, tuple[str, ...]]  # id of a stand-in -> names of the parameter
    stand_ins: tuple[Tensor, ...]  # kept alive, so that ids stay true
    order: tuple[str, ...]  # paths of the modules in the order they first ran
    sized: tuple[
        tuple[str, Tensor], ...
    ]  # what modules gave that have a size and no parameters, with their path


def dry_run(module: nn.Module, how: DryRunMode) -> DryRun:
    """Send one batch of nothing through a network; the network is as before, whatever happens."""
    with _undisturbed(module, how):
        stand_ins, leaves = _stand_ins(module, how)
        image = _image(module, how).requires_grad_(how.trainable is None)
        order: dict[str, None] = {}
        sized: list[tuple[str, Tensor]] = []
        _take_notes(module, order, sized)
        module.train(how.training)
        entering = image.clone()  # survives a network that writes into its input
        answer = torch.func.functional_call(module, stand_ins, *_call(module, entering))
    return DryRun(
        how=how,
        outputs=named_tensors(answer),
        image=image,
        leaves=MappingProxyType(leaves),
        stand_ins=tuple(stand_ins.values()),
        order=tuple(order),
        sized=tuple(sized),
    )


def network_dtype(module: nn.Module) -> torch.dtype:
    """The number type of the network's first weight."""
    for value in module.parameters():
        if value.is_floating_point():
            return value.dtype
    return torch.float32


def on_meta(module: nn.Module) -> bool:
    """True when the network has shapes but no numbers: a pass with real numbers is impossible."""
    return any(value.is_meta for value in module.parameters())


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Put every attribute of every module back at the end: flags, caches, buffers, children."""
    kept = [(part, dict(part.__dict__), _contents(part)) for part in module.modules()]
    try:
        yield
    finally:
        for part, attributes, contents in kept:
            part.__dict__.clear()
            part.__dict__.update(attributes)
            for container, content in contents:
                _refill(container, content)


@contextmanager
def _undisturbed(module: nn.Module, how: DryRunMode) -> Iterator[None]:
    """The surroundings of a dry run: nothing leaks in, nothing leaks out."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        devices = {value.device for value in module.parameters() if value.is_cuda} if how.real else set()
        stack.enter_context(torch.random.fork_rng(devices=sorted(devices, key=str)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(unchanged(module))
        if compiler_is_loaded():  # compiled parts run as they were written
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(without_compiler())
        stack.enter_context(_without_checkpoints())
        for part in module.modules():
            if isinstance(part, nn.DataParallel):
                part.device_ids = []
        if not how.real:
            stack.enter_context(QuickShapes())
            stack.enter_context(_autocast_of_shapes())
        if how.force_grad:
            stack.enter_context(_AlwaysGrad())
        yield


def _stand_ins(module: nn.Module, how: DryRunMode) -> tuple[dict[str, Tensor], dict[int, tuple[str, ...]]]:
    """A tensor for every parameter and buffer; tied ones share theirs."""
    made: dict[int, Tensor] = {}
    stand_ins: dict[str, Tensor] = {}
    leaves: dict[int, tuple[str, ...]] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        stand_in = made.setdefault(id(value), _stand_in(value, how))
        wanted = how.trainable is None or name in how.trainable
        if wanted and (stand_in.is_floating_point() or stand_in.is_complex()):
            stand_in.requires_grad_()
        stand_ins[name] = stand_in
        leaves[id(stand_in)] = (*leaves.get(id(stand_in), ()), name)
    for name, buffer in module.named_buffers(remove_duplicate=False):
        stand_ins[name] = made.setdefault(id(buffer), _stand_in(buffer, how))
    return stand_ins, leaves


def _stand_in(value: Tensor, how: DryRunMode) -> Tensor:
    if how.real:
        return value.detach().clone()
    return meta_like(value)


def _image(module: nn.Module, how: DryRunMode) -> Tensor:
    shape, dtype = (how.batch, *how.size), network_dtype(module)
    if not how.real:
        return torch.empty(shape, device="meta", dtype=dtype)
    device = next((value.device for value in module.parameters()), torch.device("cpu"))
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return noise.to(device=device, dtype=dtype)


def _call(module: nn.Module, image: Tensor) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Positional, unless forward itself says that images are called `pixel_values`."""
    if "pixel_values" in inspect.signature(module.forward).parameters:
        return (), {"pixel_values": image}
    return (image,), {}


def _take_notes(module: nn.Module, order: dict[str, None], sized: list[tuple[str, Tensor]]) -> None:
    """Hooks that write down which module runs when, and what some gave; `unchanged` takes them off again."""

    def entering(path: str) -> Callable[[nn.Module, Any], None]:
        return lambda part, arguments: order.setdefault(path)

    def leaving(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda part, arguments, given: sized.append((path, given)) if torch.is_tensor(given) else None

    for path, part in module.named_modules():
        if not path or isinstance(part, torch.jit.ScriptModule):
            continue
        part.register_forward_pre_hook(entering(path))
        learns = any(value is not None for value in part._parameters.values())
        if not learns and not part._modules and (part._buffers or hasattr(part, "normalized_shape")):
            part.register_forward_hook(leaving(path))


class _AlwaysGrad(TorchFunctionMode):
    """Autograd keeps recording under `no_grad` and through `detach` and `.data`."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is torch._C._set_grad_enabled:
            return None
        if function in _CUTS:
            return args[0].view_as(args[0])
        return function(*args, **(kwargs or {}))


_CUTS = frozenset({Tensor.detach, torch.detach, Tensor.data.__get__})  # type: ignore[attr-defined]


@contextmanager
def _without_checkpoints() -> Iterator[None]:
    """Activation checkpointing hides a block from autograd's record; here the block simply runs."""
    original = checkpoint.CheckpointFunction
    checkpoint.CheckpointFunction = _NoCheckpoint  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        checkpoint.CheckpointFunction = original  # type: ignore[misc]


@contextmanager
def _autocast_of_shapes() -> Iterator[None]:
    """`torch.autocast` knows no device "meta"; that of the processor leaves meta tensors as they are."""
    original = autocast.__init__

    def init(self: autocast, device_type: str, *args: Any, **kwargs: Any) -> None:
        original(self, "cpu" if device_type == "meta" else device_type, *args, **kwargs)

    autocast.__init__ = init  # type: ignore[method-assign]
    try:
        yield
    finally:
        autocast.__init__ = original  # type: ignore[method-assign]


class _NoCheckpoint:
    """Stands where torch.utils.checkpoint looks for its autograd function."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        return function(*args)


def _contents(part: nn.Module) -> list[tuple[Any, Any]]:
    """The containers a module holds, each with a shallow copy of what is in it."""
    return [(value, value.copy()) for value in part.__dict__.values() if isinstance(value, dict | list | set)]


def _refill(container: Any, content: Any) -> None:
    """Give a container its old content back, if it has changed."""
    if isinstance(container, list):
        if len(container) != len(content) or any(map(operator.is_not, container, content)):
            container[:] = content
    elif isinstance(container, set):
        if container != content:
            container.clear()
            container.update(content)
    elif list(container) != list(content) or any(
        container[key] is not value for key, value in content.items()
    ):
        container.clear()
        container.update(content)
