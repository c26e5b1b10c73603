"""Make the new numbers of a head: same kind, device, number type and ties; another number of classes.

Flow:  HeadPlan + num_classes --choices_for--> ClassDimension, ... --resize--> Edits (parameters,
           buffers, counts)

The modules themselves stay: hooks, wrappers, call signatures and training flags with them.
Only what has a length of `classes` is exchanged, and every exchange is written down, so
that it can be taken back bit for bit.

Which dimension is the classes' is plain unless the features are as many as the classes;
then there are several choices, and the proof (`prove`) tells which holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from headswap.heads.class_counts import enclosing_modules, follow_counts
from headswap.heads.plan import HeadModule, HeadPlan, Resize, holder_of
from headswap.heads.reparametrize import reparametrize

_MOST_CHOICES = 16


@dataclass
class Edits:
    """Exchanges made in a network, in order; `revert` takes them back."""

    made: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list)

    def put(self, container: dict[str, Any], key: str, value: Any) -> None:
        """Exchange one entry of a module's dictionary."""
        self.made.append((container, key, container[key]))
        container[key] = value

    def revert(self) -> None:
        """Bring back every old entry, the last exchange first."""
        while self.made:
            container, key, old = self.made.pop()
            container[key] = old


@dataclass(frozen=True, kw_only=True)
class ClassDimension:
    """One reading of a plan: which dimension of which parameter is the classes'."""

    axes: tuple[tuple[str, int], ...]  # parameter name -> dimension
    kept: frozenset[str] = frozenset()  # buffers that are as long as the classes by chance
    every_count: bool = False  # whether numbers of any name and buffers around the head follow the count, too


@dataclass(frozen=True, kw_only=True)
class NewHead:
    """What the new head will be."""

    num_classes: int
    init_std: float


def choices_for(module: nn.Module, plan: HeadPlan) -> Iterator[ClassDimension]:
    """Every reading of a plan, the likeliest first."""
    resizes = [one for head_module in plan.head_modules for one in head_module.resizes]
    doubtful = [
        name
        for head_module in plan.head_modules
        if not head_module.bare and head_module.in_features == head_module.classes
        for name, container, key in _other_tensors(module, head_module)
        if head_module.classes in container[key].shape
    ]
    kept = [frozenset(names) for count in range(3) for names in itertools.combinations(doubtful[::-1], count)]
    readings = itertools.product((False, True), kept, itertools.product(*(one.axes for one in resizes)))
    for every_count, names, axes in itertools.islice(readings, _MOST_CHOICES):
        named = tuple((one.name, axis) for one, axis in zip(resizes, axes, strict=True))
        yield ClassDimension(axes=named, kept=names, every_count=every_count)


def resize(module: nn.Module, plan: HeadPlan, choice: ClassDimension, new: NewHead) -> Edits:
    """Exchange the parameters of every head module, or of none.

    Returns:
        What was exchanged. If anything goes wrong on the way, all is taken back.
    """
    edits = Edits()
    try:
        _exchange(module, plan, choice, new, edits)
    except BaseException:
        edits.revert()
        raise
    return edits


@torch.no_grad()
def _exchange(module: nn.Module, plan: HeadPlan, choice: ClassDimension, new: NewHead, edits: Edits) -> None:
    fresh = _exchange_parameters(module, plan, dict(choice.axes), new, edits)
    layers = [
        (head_module, module.get_submodule(head_module.path))
        for head_module in plan.head_modules
        if not head_module.bare
    ]
    for head_module, layer in layers:
        _refuse_uneven_groups(layer, new.num_classes)
        for name, container, key in _other_tensors(module, head_module):
            follows = head_module.classes in container[key].shape and name not in choice.kept
            edits.put(
                container, key, _stretched(container[key], head_module.classes if follows else None, new)
            )
        reset = getattr(layer, "reset_running_stats", None)
        if callable(reset):
            reset()
    if choice.every_count:
        _stretch_enclosing_buffers(module, plan, new, edits)
    follow_counts(module, plan, new.num_classes, choice.every_count, edits.put)
    for _, layer in layers:
        reparametrize(layer, fresh, new.init_std)


def _exchange_parameters(
    module: nn.Module, plan: HeadPlan, axes: dict[str, int], new: NewHead, edits: Edits
) -> frozenset[int]:
    """Exchange the parameters; gives the ids of the new ones."""
    made: dict[int, nn.Parameter] = {}  # old parameter -> new one, so that tied ones stay tied
    for one in (one for head_module in plan.head_modules for one in head_module.resizes):
        holder, leaf = holder_of(module, one.name)
        old = holder._parameters[leaf]
        if old is None or any(old is already for already in made.values()):
            continue  # one module under two paths: done already
        if id(old) not in made:
            made[id(old)] = _new_parameter(old, one, axes[one.name], new)
        edits.put(holder._parameters, leaf, made[id(old)])
    return frozenset(id(parameter) for parameter in made.values())


def _new_parameter(old: Tensor, one: Resize, axis: int, new: NewHead) -> nn.Parameter:
    shape = list(old.shape)
    shape[axis] = new.num_classes
    value = torch.empty(shape, dtype=old.dtype, device=old.device)
    if one.role == "matrix":
        value.normal_(std=new.init_std)
    else:
        value.fill_(1.0 if one.role == "scale" else 0.0)
    return nn.Parameter(value)


def _stretch_enclosing_buffers(module: nn.Module, plan: HeadPlan, new: NewHead, edits: Edits) -> None:
    """Masks, priors and class weights that a module around the head keeps in buffers."""
    classes = {head_module.classes for head_module in plan.head_modules}
    for part in enclosing_modules(module, plan):
        for key, value in list(part._buffers.items()):
            length = (
                next((length for length in value.shape if length in classes), None)
                if value is not None
                else None
            )
            if value is not None and length is not None:
                edits.put(part._buffers, key, _stretched(value, length, new))


def _refuse_uneven_groups(layer: nn.Module, num_classes: int) -> None:
    """Meta tensors do not notice groups that cannot be filled evenly."""
    for attribute in ("groups", "num_groups"):
        groups = getattr(layer, attribute, 1)
        if isinstance(groups, int) and num_classes % groups:
            raise RuntimeError(
                f"the layer works in {groups} groups, which {num_classes} cannot be divided into"
            )


def _other_tensors(module: nn.Module, head_module: HeadModule) -> list[tuple[str, dict[str, Any], str]]:
    """A head module's tensors that are no parameters: (name, where it is kept, key).

    Statistics and work vectors in buffers; weights that a hook computes again in plain attributes.
    """
    layer = module.get_submodule(head_module.path)
    parametrizations = layer._modules.get("parametrizations")
    parts = [("", layer)]
    if parametrizations is not None:
        parts += list(parametrizations.named_modules(prefix="parametrizations"))
    return [
        (f"{head_module.path}.{path}.{key}", container, key)
        for path, part in parts
        for container in (part._buffers, part.__dict__)
        for key, value in container.items()
        if isinstance(value, Tensor)
    ]


def _stretched(value: Tensor, classes: int | None, new: NewHead) -> Tensor:
    """A copy of a tensor; of the new length and filled with the old mean, if it has `classes` entries."""
    if classes is None:
        return value.detach().clone()
    shape = list(value.shape)
    shape[shape.index(classes)] = new.num_classes
    if not value.is_floating_point():
        return value.new_zeros(shape)
    return value.detach().mean().expand(shape).clone()
