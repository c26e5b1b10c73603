"""What has to change in a network so that it answers with another number of classes.

Flow:  parameters met in the graph --head_modules_of--> HeadModule, ... : what is resized as one, by whom

A parameter belongs to the module that holds it. That module is named as the head when
everything it holds serves the answer; otherwise the bare parameter is.

Records and names only; `build` makes the new parameters, `swap` exchanges them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn
from torch.nn.utils import parametrize

from headswap.heads.graph import Use

Role = Literal["matrix", "scale", "offset"]
Part = Literal["head", "aux", "tail"]
_PARAMETRIZED = ".parametrizations."


@dataclass(frozen=True, kw_only=True)
class Resize:
    """One parameter with an entry, row or slice per class."""

    name: str  # dotted, from the root
    axes: tuple[int, ...]  # dimensions as long as the classes; the proof tells which, if there are several
    role: Role  # matrix: drawn at random; scale: ones; offset: zeros
    classes: int


@dataclass(frozen=True, kw_only=True)
class HeadModule:
    """A module (or a bare parameter) that is resized as one."""

    path: str
    kind: str  # class name, or "Parameter"
    part: Part
    in_features: int
    classes: int
    resizes: tuple[Resize, ...]  # none for a norm that keeps statistics and learns nothing

    @property
    def bare(self) -> bool:
        """Whether the path is a parameter's own."""
        return self.kind == "Parameter"


@dataclass(frozen=True, kw_only=True)
class HeadPlan:
    """Everything that changes when the head is swapped."""

    head_modules: tuple[HeadModule, ...]

    def of(self, *parts: Part) -> tuple[HeadModule, ...]:
        """The head modules of some parts, in order."""
        return tuple(head_module for head_module in self.head_modules if head_module.part in parts)


def head_modules_of(
    module: nn.Module,
    uses: Iterable[tuple[Use, int]],
    names: Mapping[int, tuple[str, ...]],
    met: frozenset[int],
    part: Part,
) -> tuple[HeadModule, ...]:
    """Group parameters by the module that holds them.

    Args:
        module: the root.
        uses: parameters with their number of classes.
        names: id of a stand-in -> the parameter's names (several when tied).
        met: ids of all stand-ins that serve the answer, whatever their shape.
        part: what the holders of weight matrices are; holders of nothing else are the tail.
    """
    serving = {name for key in met for name in names.get(key, ())}
    grouped: dict[str, dict[str, Resize]] = {}
    first_path: dict[int, str] = {}  # one module may be registered under several paths
    for use, classes in uses:
        for name in names.get(id(use.leaf), ()):
            path = _module_path(module, name, serving)
            if path != name:
                path = first_path.setdefault(id(module.get_submodule(path)), path)
            resize = _resize(name, use, classes)
            grouped.setdefault(path, {}).setdefault(name, resize)
    return tuple(
        _head_module(module, path, tuple(resizes.values()), part) for path, resizes in grouped.items()
    )


def silent_module(module: nn.Module, path: str, classes: int) -> HeadModule:
    """A part of the tail that has no parameters, only a size."""
    kind = plain_kind(module.get_submodule(path))
    return HeadModule(path=path, kind=kind, part="tail", in_features=classes, classes=classes, resizes=())


def holder_of(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that a parameter hangs on, and the parameter's last name."""
    path, _, leaf = name.rpartition(".")
    return module.get_submodule(path), leaf


def plain_kind(module: nn.Module) -> str:
    """Class name of a module, as it was before torch parametrized it."""
    kind: str = parametrize.type_before_parametrizations(module).__name__
    return kind


def in_order(module: nn.Module, head_modules: Iterable[HeadModule]) -> tuple[HeadModule, ...]:
    """Owners in the order in which the network registers them."""
    names = [
        name
        for path, part in module.named_modules(remove_duplicate=False)
        for name in (path, *(f"{path}.{own}".lstrip(".") for own in part._parameters))
    ]
    return tuple(sorted(head_modules, key=lambda head_module: names.index(head_module.path)))


def with_part(head_modules: Iterable[HeadModule], part: Part) -> tuple[HeadModule, ...]:
    """The same head modules as another part; tails stay tails."""
    return tuple(
        head_module if head_module.part == "tail" else replace(head_module, part=part)
        for head_module in head_modules
    )


def _resize(name: str, use: Use, classes: int) -> Resize:
    shape = tuple(use.leaf.shape)
    axes = tuple(axis for axis, length in enumerate(shape) if length == classes)
    role: Role = "offset"
    if use.is_weight:
        role = "matrix"
    elif use.consumer.startswith(("Mul", "Div", "Pow")) or ("Norm" in use.consumer and use.input_index == 1):
        role = "scale"
    return Resize(name=name, axes=axes, role=role, classes=classes)


def _module_path(module: nn.Module, name: str, serving: set[str]) -> str:
    """The path of the module that owns a parameter, or the parameter's own."""
    path = (
        f".{name}".split(_PARAMETRIZED)[0].lstrip(".") if _PARAMETRIZED in name else name.rpartition(".")[0]
    )
    if not path:
        return name
    head_module = module.get_submodule(path)
    if isinstance(head_module, nn.ParameterList | nn.ParameterDict):
        return name
    everything = {f"{path}.{own}" for own, _ in head_module.named_parameters(remove_duplicate=False)}
    return path if everything <= serving else name


def _head_module(module: nn.Module, path: str, resizes: tuple[Resize, ...], part: Part) -> HeadModule:
    matrices = [resize for resize in resizes if resize.role == "matrix"]
    bare = path == resizes[0].name
    head_module = None if bare else module.get_submodule(path)
    return HeadModule(
        path=path,
        kind="Parameter" if head_module is None else plain_kind(head_module),
        part=part if matrices else "tail",
        in_features=_in_features(module, head_module, matrices or list(resizes)),
        classes=resizes[0].classes,
        resizes=resizes,
    )


def _in_features(module: nn.Module, head_module: nn.Module | None, resizes: list[Resize]) -> int:
    """What the layer says it takes in, or else the length of the weight's other side."""
    for attribute in ("in_features", "in_channels"):
        stated = getattr(head_module, attribute, None)
        if isinstance(stated, int):
            return stated
    holder, leaf = holder_of(module, resizes[0].name)
    shape = list(holder._parameters[leaf].shape)  # type: ignore[union-attr]
    del shape[resizes[0].axes[0]]
    return shape[0] if shape else resizes[0].classes
