"""Check that a stranger's weight file can fill the described network, before the network is built.

Flow:  architecture + variant + weight file --check_extent--> nothing, or `BundleDamaged`

A variant is a configuration, and a few letters of it can describe a network of a thousand gigabytes.
The weight file cannot lie about its size, so it sets the bound: the network is built on the "meta"
device, which has shapes and no numbers, and the building stops at the first layer too many.

Knows how torch registers layers; reads the header of the file only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.errors import BundleDamaged
from headswap.zoos import parameters
from headswap.zoos.catalogue import resolve
from headswap.zoos.own import MOST_CLASSES
from headswap.zoos.torchvision_zoo import WITHOUT_AUX
from headswap.zoos.zoo import ZooSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

HEAD_NUMBERS = 100_000_000  # the old head that the new one took the place of: at most 21,841 classes
TIMES_TENSORS = 8  # tensors of the network for each of the file: shared ones are saved once
SPARE_TENSORS, SPARE_LAYERS = 200, 5_000
_BAD_CONFIGURATION = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, NotImplementedError,
    MemoryError, RecursionError, ImportError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class Extent:
    """How large a weight file says it is, in its own header."""

    tensors: int
    numbers: int


class _TooLarge(Exception):
    """More was registered than the file can fill."""


def extent_of(path: Path) -> Extent:
    """Count the tensors of a .safetensors file and the numbers in them.

    Raises:
        BundleDamaged: it is not one, or cut short.
    """
    from math import prod

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BundleDamaged(
            f"{path.name} cannot be read as weights.", remedy="Copy the bundle again, or teach again."
        ) from error
    return Extent(tensors=len(shapes), numbers=sum(map(prod, shapes)))


def check_extent(model: str, variant: str, weights: Path, settings: ZooSettings) -> None:
    """Refuse a network that its weight file cannot fill.

    Raises:
        BundleDamaged: it is larger than the file, or its variant cannot be built.
        ModelNotFound: no zoo has it.
    """
    zoo, name = resolve(model, settings)
    extent = extent_of(weights)
    if not variant or variant == WITHOUT_AUX:
        known = parameters.measured(zoo.name, name)
        if known is not None and known > extent.numbers + HEAD_NUMBERS:
            raise _refusal(model)
        return
    try:
        if _most_labels(json.loads(variant)) > MOST_CLASSES:
            raise _TooLarge
        with _no_more_than(extent):
            zoo.build(name, device="meta", variant=variant)
    except _TooLarge as error:
        raise _refusal(model) from error
    except _BAD_CONFIGURATION as error:
        raise BundleDamaged(
            f"This bundle describes a {model} that cannot be built.", remedy="Do not trust this file."
        ) from error


def _most_labels(said: Any) -> int:
    """The largest `num_labels` of a configuration: names are made for each before anything is built."""
    if isinstance(said, dict):
        here = said.get("num_labels", 0)
        return max([here if isinstance(here, int) else 0, *map(_most_labels, said.values())])
    return 0


@contextmanager
def _no_more_than(extent: Extent) -> Iterator[None]:
    """Stop the building of a network at the first layer too many; one network at a time in a process."""
    from torch.nn.modules import module as torch_modules

    numbers = tensors = layers = 0

    def on_tensor(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal numbers, tensors
        tensors += 1
        numbers += tensor.numel() if tensor is not None else 0
        most = TIMES_TENSORS * extent.tensors + SPARE_TENSORS
        if numbers > extent.numbers + HEAD_NUMBERS or tensors > most:
            raise _TooLarge

    def on_layer(module: nn.Module, name: str, layer: Any) -> None:
        nonlocal layers
        layers += 1
        if layers > TIMES_TENSORS * extent.tensors + SPARE_LAYERS:
            raise _TooLarge

    with ExitStack() as stack:
        for register, hook in (
            (torch_modules.register_module_parameter_registration_hook, on_tensor),
            (torch_modules.register_module_buffer_registration_hook, on_tensor),
            (torch_modules.register_module_module_registration_hook, on_layer),
        ):
            stack.callback(register(hook).remove)
        yield


def _refusal(model: str) -> BundleDamaged:
    return BundleDamaged(
        f"This bundle describes a {model} far larger than its own weights.", remedy="Do not trust this file."
    )
