"""The user's own networks: a known architecture with their weight file, or their Python code.

Flow:  zoo + name + weight file --load_own_weights--> Network
       "package.module:factory" --OwnZoo--> Network

The class count is read from the file: the architecture is built twice with two counts
(shapes only), and the tensors whose shapes differ say which sides hold the classes.
Python code runs only where the settings allow it: in the shell and in Python, never
on behalf of the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.errors import BadSetting, WeightsDamaged, WeightsNotHere
from headswap.events import Listener
from headswap.imports import without_compiler
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.storage.files import sha256_of
from headswap.zoos import parameters
from headswap.zoos.torchvision_zoo import WITHOUT_AUX, drop_aux_heads
from headswap.zoos.weight_file import fill, match_names, read_tensors
from headswap.zoos.zoo import Device, Zoo, ZooSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_CLASSES = 100_000  # more than any published head; a larger number is a damaged or hostile file
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def load_own_weights(zoo: Zoo, name: str, path: Path) -> Network:
    """An architecture of `zoo` with the person's own numbers and their number of classes.

    Raises:
        WeightsDamaged: the file is unsafe or altered, or it was made for another architecture.
    """
    tensors = read_tensors(path)
    architecture = not isinstance(zoo, OwnZoo)  # a factory decides its number of classes itself
    num_classes = _classes_in(zoo, name, tensors, path.name) if architecture else None
    variant = _keep_aux_heads_of(tensors, zoo.build(name, device="meta").module) if architecture else ""
    network = zoo.build(name, num_classes=num_classes, variant=variant)
    fill(network.module, tensors, file_name=path.name, network_name=name)
    card = replace(
        network.card,
        weights=Weights(state="here", size_bytes=path.stat().st_size, source=str(path)),
        parameters=parameters.count(network.module),
        num_classes=num_classes,
        licence=None,  # it is the person's own file
    )
    return Network(card=card, module=network.module.eval(), weights_sha256=sha256_of(path))


@dataclass(frozen=True)
class OwnZoo:
    """The `Zoo` of networks that Python code builds. It lists nothing; it knows what names a factory.

    A factory takes no arguments, or `num_classes`, and returns a module (then images are
    prepared in the usual ImageNet way, 224 px) or a `headswap.network.Network`.
    """

    settings: ZooSettings = field(default_factory=ZooSettings)
    name: str = "own"

    def names(self) -> tuple[str, ...]:
        return ()

    def knows(self, name: str) -> bool:
        return self.settings.allow_code and _FACTORY.fullmatch(name) is not None

    def describe(self, name: str) -> NetworkCard:
        return NetworkCard(
            name=name,
            zoo=self.name,
            input=InputSpec(),
            weights=Weights(state="here", source=f"the Python function {name}"),
        )

    def count_parameters(self, name: str) -> int:
        return parameters.count(self.build(name).module)

    def build(
        self, name: str, *, num_classes: int | None = None, device: Device = "cpu", variant: str = ""
    ) -> Network:
        import torch

        factory = _factory(name)
        options = {} if num_classes is None else {"num_classes": num_classes}
        if options and not _takes_num_classes(factory):
            raise BadSetting(
                f"{name} takes no number of classes.",
                remedy="Give it the argument num_classes, or swap its head.",
            )
        with torch.device(device):
            made = factory(**options)
        if isinstance(made, Network):
            return replace(made, card=replace(made.card, name=name, zoo=self.name), module=made.module.eval())
        if not isinstance(made, torch.nn.Module):
            raise BadSetting(
                f"{name} returned {type(made).__name__}.", remedy="Let it return a torch.nn.Module."
            )
        card = replace(self.describe(name), parameters=parameters.count(made))
        return Network(card=card, module=made.eval())

    def load(self, name: str, listener: Listener) -> Network:
        return self.build(name)  # whatever the factory loads is in it


def names_code(name: str) -> bool:
    """Whether a name looks like "package.module:factory"."""
    return _FACTORY.fullmatch(name) is not None


def _factory(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    try:
        with without_compiler():
            module = import_module(module_name)
        factory = getattr(module, function_name)
    except (ImportError, AttributeError) as error:
        raise BadSetting(
            f"Python cannot find {name}: {error}.",
            remedy="Check the spelling, and that its folder is on PYTHONPATH.",
        ) from error
    if not callable(factory):
        raise BadSetting(f"{name} is not a function.", remedy="Name a function that returns a network.")
    return factory


def _takes_num_classes(factory: Any) -> bool:
    takes = signature(factory).parameters.values()
    return any(one.name == "num_classes" or one.kind is one.VAR_KEYWORD for one in takes)


def _classes_in(zoo: Zoo, name: str, tensors: Mapping[str, Tensor], file_name: str) -> int:
    """Solve sides = a · classes + b, from two builds, for every tensor that holds the classes."""
    few, more = 7, 11
    one = zoo.build(name, num_classes=few, device="meta").module
    other = zoo.build(name, num_classes=more, device="meta").module
    for module in (one, other):
        _keep_aux_heads_of(tensors, module)
    with_few, with_more = one.state_dict(), other.state_dict()
    given = match_names(tensors, set(with_few))
    found: dict[str, int] = {}
    for key, value in with_few.items():
        if value.shape == with_more[key].shape:
            continue
        side = next(i for i, size in enumerate(value.shape) if size != with_more[key].shape[i])
        if key not in given or given[key].ndim != value.ndim:
            raise WeightsDamaged(
                f"{file_name} has no head for {name}: it lacks {key}.",
                remedy="Choose a file that holds the head too, or the architecture it was trained with.",
            )
        per_class, left = divmod(with_more[key].shape[side] - value.shape[side], more - few)
        offset = value.shape[side] - per_class * few
        classes, rest = divmod(given[key].shape[side] - offset, per_class)
        if left or rest or not 1 <= classes <= MOST_CLASSES:
            raise WeightsDamaged(
                f"{file_name} does not fit {name}: {key} is {tuple(given[key].shape)}.",
                remedy="Choose the architecture that this file was trained with.",
            )
        found[key] = classes
    return _agreed(found, file_name, name)


def _agreed(found: Mapping[str, int], file_name: str, name: str) -> int:
    counts = sorted(set(found.values()))
    if len(counts) == 1:
        return counts[0]
    if not counts:
        raise WeightsNotHere(
            f"{name} has no head whose classes could be counted.",
            remedy="Choose a network that classifies pictures.",
        )
    said = ", ".join(f"{key}: {number}" for key, number in list(found.items())[:4])
    raise WeightsDamaged(
        f"The heads in {file_name} have different numbers of classes ({said}).",
        remedy="Save the weights of a network whose heads were all replaced.",
    )


def _keep_aux_heads_of(tensors: Mapping[str, Tensor], module: nn.Module) -> str:
    """A network saved without its auxiliary heads is built without them: the variant."""
    if not getattr(module, "aux_logits", False) or any("aux" in name.lower() for name in tensors):
        return ""
    drop_aux_heads(module)
    return WITHOUT_AUX
