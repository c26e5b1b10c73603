"""A pretended GPU: real numbers, on a device that refuses to mix with the processor.

Flow:  with pretend_device("mps" | "cuda"): torch says that it is there, and tensors can be moved to it

A tensor on the device wraps one on the processor, so every answer is a true one. What torch
refuses on a real device is refused here: operands on two devices, `.numpy()` on the device, a generator of
another device, pinning what is on the device, float64 on MPS, more memory than there is. The device
draws its random numbers from a state of its own, as real devices do.

What it cannot show: speed, half precision (autocast has no effect), and kernels that are wrong. What a
real device allows and this one does not: moving a module while a graph of its parameters is alive.
`tests/pretended/sitecustomize.py` turns it on in child processes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

Name = Literal["mps", "cuda"]
_INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}
_CPU = torch.device("cpu")
_FOR_GOOD = contextlib.ExitStack()


@dataclass
class _Here:
    """The device of this process, while it is pretended."""

    name: Name
    largest_bytes: int | None  # of one tensor; more is out of memory
    random: Tensor  # the device's own random state

    @property
    def device(self) -> torch.device:
        return torch.device(self.name, 0)


class OnDevice(torch.Tensor):
    """A tensor that is on the pretended device, as far as anyone outside this file can tell."""

    here: ClassVar[_Here | None] = None
    held: Tensor  # the numbers, on the processor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        wrapped: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=_CPU,  # autograd of a processor-only torch knows no queue for another
        )
        return wrapped

    def __init__(self, held: Tensor) -> None:
        self.held = held.detach()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"{self.held!r} on {self.device}"

    def __deepcopy__(self, memo: dict[int, Any]) -> OnDevice:
        copied = OnDevice(self.held.clone()).requires_grad_(self.requires_grad)
        if getattr(self, "_is_param", False):
            copied._is_param = True
        memo[id(self)] = copied
        return copied  # type: ignore[return-value]

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], _meta: Any, _size: Any, _stride: Any) -> OnDevice:
        return OnDevice(inner["held"])

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return _here().device

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return _here().name == "cuda"

    @property
    def is_mps(self) -> bool:  # type: ignore[override]
        return _here().name == "mps"

    @property
    def is_cpu(self) -> bool:  # type: ignore[override]
        return False

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _dispatched(func, args, kwargs or {})


def _here() -> _Here:
    if OnDevice.here is None:
        raise RuntimeError("A tensor has outlived its pretended device.")
    return OnDevice.here


def _wrapped(value: Any) -> Any:
    if not isinstance(value, Tensor) or isinstance(value, OnDevice) or value.is_meta:
        return value
    here = _here()
    if here.name == "mps" and value.dtype in (torch.float64, torch.complex128):
        raise TypeError(
            "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
            "Please use float32 instead."
        )
    size = value.numel() * value.element_size()
    if here.largest_bytes is not None and size > here.largest_bytes:
        if here.name == "mps":
            raise RuntimeError(f"MPS backend out of memory (pretended: {size} bytes).")
        raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes (pretended).")
    return OnDevice(value)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def _dispatched(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation of torch, of which at least one operand is on the device."""
    leaves = tree_leaves((args, kwargs))
    _check_operands(func, args, leaves)
    near, named = tree_map(_held, args), tree_map(_held, kwargs)
    if func is torch.ops.aten.copy_.default:  # the one that may cross
        func(*near, **named)
        return args[0]
    if func is torch.ops.aten._local_scalar_dense.default:
        return func(*near, **named)
    if torch.Tag.nondeterministic_seeded in func.tags:
        out = _drawn(partial(func, *near, **named), leaves)
    else:
        out = func(*near, **named)
    if torch.is_inference_mode_enabled():  # where tensors have no version, and views need none
        return _written_to(func, args, kwargs) if func._schema.is_mutable else tree_map(_wrapped, out)
    return return_and_correct_aliasing(func, args, kwargs, tree_map(_wrapped, out))


def _written_to(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operand that an operation wrote its result into, which is what it gives."""
    places = [place for place, one in enumerate(func._schema.arguments) if one.alias_info is not None]
    found = [args[one] if one < len(args) else kwargs[func._schema.arguments[one].name] for one in places]
    return found[0] if len(func._schema.returns) == 1 else tuple(found)


def _check_operands(func: Any, args: Any, leaves: list[Any]) -> None:
    here = _here()
    if func in _INDEXED and isinstance(args[0], OnDevice):  # torch moves indices; what is put it does not
        leaves = tree_leaves([args[0], *args[2:]])
    others = [one for one in leaves if isinstance(one, Tensor) and not isinstance(one, OnDevice)]
    if any(one.dim() > 0 and not one.is_meta for one in others) and func is not torch.ops.aten.copy_.default:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {here.device} "
            f"and cpu! (when checking an argument of {func})"
        )


def _drawn(call: Any, leaves: list[Any]) -> Any:
    """Draw from the device's own random numbers, and from no generator of another device."""
    here = _here()
    if any(isinstance(one, torch.Generator) for one in leaves):
        raise RuntimeError(f"Expected a '{here.name}' device type for generator but found 'cpu'")
    before = torch.get_rng_state()
    torch.set_rng_state(here.random)
    try:
        return call()
    finally:
        here.random = torch.get_rng_state()
        torch.set_rng_state(before)


class _Up(torch.autograd.Function):
    """To the device; gradients come down again."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Any:
        return _wrapped(x.detach().clone(memory_format=torch.preserve_format))

    @staticmethod
    def backward(_context: Any, slope: Any) -> Any:
        return _held(slope)


class _Down(torch.autograd.Function):
    """To the processor; gradients go up again."""

    @staticmethod
    def forward(_context: Any, x: Any) -> Tensor:
        return x.held.detach().clone(memory_format=torch.preserve_format)

    @staticmethod
    def backward(_context: Any, slope: Tensor) -> Any:
        return _wrapped(slope)


def _at(x: Tensor, device: torch.device) -> Tensor:
    """A tensor on another device, or itself where it is there already."""
    if device.type == "meta":
        return _held(x).to(device)
    if device.type not in ("cpu", _here().name):
        raise RuntimeError(f"There is no device {device} here.")
    up = device.type != "cpu"
    if up == isinstance(x, OnDevice):
        return x
    return (_Up if up else _Down).apply(x)


class _Api(TorchFunctionMode):
    """What says where a tensor goes: `.to`, `.cpu`, `.cuda`, `device=`, pinning."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.to:
            return _moved(*args, **kwargs)
        if func is torch.Tensor.cpu:
            return _at(args[0], _CPU)
        if func in (torch.Tensor.cuda, getattr(torch.Tensor, "mps", None)):
            return _at(args[0], _here().device)
        if func is torch.Tensor.pin_memory:
            if isinstance(args[0], OnDevice):
                raise RuntimeError("cannot pin what is on the device; only dense CPU tensors can be pinned")
            return args[0].clone(memory_format=torch.preserve_format)
        if kwargs.get("device") is not None:
            return _made(func, args, kwargs)
        return func(*args, **kwargs)


def _moved(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`Tensor.to`, in all its forms."""
    copy = kwargs.pop("copy", False)
    like = next((one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)), None)
    if like is not None:
        args, kwargs = (like.device, like.dtype), {}
    device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
    if dtype is not None and dtype != x.dtype:
        x, copy = torch.Tensor.to(x, dtype), False
    there = x if device is None else _at(x, device)
    if layout is not None:
        there = there.contiguous(memory_format=layout) if layout != torch.preserve_format else there
    return there.clone() if copy and there is x else there


def _made(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A function that was told on which device to make its result."""
    device = torch.device(kwargs.pop("device"))
    if device.type == "meta":
        return func(*tree_map(_held, args), device=device, **tree_map(_held, kwargs))
    learns = kwargs.pop("requires_grad", False)
    if device.type == _here().name and isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError(f"Expected a '{device.type}' device type for generator but found 'cpu'")
    where = {} if _takes_no_device(args) else {"device": _CPU}
    call = partial(func, *args, **where, **kwargs)
    out = _drawn(call, []) if device.type == _here().name else call()
    moved = tree_map(lambda one: _at(one.detach(), device) if isinstance(one, Tensor) else one, out)
    return moved.requires_grad_() if learns else moved


def _takes_no_device(args: Any) -> bool:
    """Whether one operand says already where the result is."""
    return any(isinstance(one, OnDevice) for one in tree_leaves(args))


@contextlib.contextmanager
def pretend_device(
    name: Name = "mps", *, capability: tuple[int, int] = (8, 0), largest_bytes: int | None = None
) -> Iterator[None]:
    """While it lasts, this machine has the device, in every thread that begins meanwhile.

    Args:
        name: "mps" or "cuda".
        capability: of the CUDA device; below (8, 0) it has no bfloat16 of its own.
        largest_bytes: a tensor that is larger does not fit; None: everything fits.
    """
    if OnDevice.here is not None:
        raise RuntimeError("There is a pretended device already.")
    run = threading.Thread.run

    def run_with_it(thread: threading.Thread) -> None:
        with _Api() if OnDevice.here is not None else contextlib.nullcontext():
            run(thread)

    here = _Here(name, largest_bytes, torch.Generator().manual_seed(0).get_state())
    with contextlib.ExitStack() as stack:
        for place, fake in _fakes(here, capability).items():
            stack.enter_context(patch(place, fake, create=True))
        stack.enter_context(patch.object(threading.Thread, "run", run_with_it))
        torch.__future__.set_swap_module_params_on_conversion(True)  # `module.to` cannot exchange the class
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, False)
        OnDevice.here = here
        stack.callback(setattr, OnDevice, "here", None)
        stack.enter_context(_Api())
        yield


def pretend_for_good(name: Name) -> None:
    """Until the process ends."""
    _FOR_GOOD.enter_context(pretend_device(name))


def _fakes(here: _Here, capability: tuple[int, int]) -> dict[str, Any]:
    """What torch says of the device."""

    def get_state(_device: Any = None) -> Tensor:
        return here.random.clone()

    def set_state(state: Tensor, _device: Any = None) -> None:
        here.random = state.clone()

    def seed(number: int) -> None:
        here.random = torch.Generator().manual_seed(number).get_state()

    def without_gradients(mode: bool = True) -> Any:
        return torch.no_grad() if mode else contextlib.nullcontext()

    room = 8 * 2**30
    common: dict[str, Any] = {
        "get_rng_state": get_state,
        "set_rng_state": set_state,
        "manual_seed": seed,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "device_count": lambda: 1,
    }
    if here.name == "mps":
        common |= {"recommended_max_memory": lambda: room, "driver_allocated_memory": lambda: 0}
        fakes: dict[str, Any] = {"torch.backends.mps.is_available": lambda: True}
    else:
        card = SimpleNamespace(
            name="pretended", major=capability[0], minor=capability[1], total_memory=2 * room
        )
        common |= {
            "is_available": lambda: True,
            "current_device": lambda: 0,
            "is_current_stream_capturing": lambda: False,
            "get_device_name": lambda *_: card.name,
            "get_device_capability": lambda *_: capability,
            "get_device_properties": lambda *_: card,
            "mem_get_info": lambda *_: (room, 2 * room),
            "manual_seed_all": seed,
            "_check_bf16_tensor_supported": lambda *_: True,  # older cards emulate it
        }
        fakes = {}
    # What asks for "the accelerator" would start the driver, which a build of torch for GPUs looks for.
    fakes |= {
        "torch.accelerator.is_available": lambda: True,
        "torch.accelerator.current_accelerator": lambda *_, **__: torch.device(here.name),
        "torch.accelerator.current_device_index": lambda: 0,
        "torch.accelerator.device_count": lambda: 1,
        "torch.accelerator.synchronize": lambda *_: None,
        "torch.accelerator.current_stream": lambda *_: SimpleNamespace(is_capturing=lambda: False),
    }
    # A wrapped tensor in inference mode has no version counter, which some views ask for.
    fakes["torch.inference_mode"] = without_gradients
    return fakes | {f"torch.{here.name}.{name}": fake for name, fake in common.items()}
