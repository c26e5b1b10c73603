"""The backbone of a network as an ordered row of stages, read from its own structure.

Flow:  nn.Module + HeadSite --backbone_stages--> Stage, ...: every parameter of the backbone in exactly one

A module that only wraps, or holds nearly all of the backbone, is opened up and its parts stand in
its place, and so is the largest one while there are very few; the order is the one in which
the parts run. So a residual network comes as its stem and its stages, a transformer as its
patch layer and its blocks, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from headswap.heads.dry_run import DryRun, DryRunMode
from headswap.heads.input_size import attempt
from headswap.heads.plan import plain_kind
from headswap.heads.site import HeadSite
from headswap.heads.trainable import head_names
from headswap.heads.unwrap import Target, plain_module

_NEARLY_ALL = 0.8  # of the backbone's numbers: a part with more is opened up
_FEWEST_STAGES, _MOST_STAGES = 4, 64


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the backbone on the way from the image to the features."""

    path: str  # of a module, or of a bare parameter
    kind: str  # class name, or "Parameter"
    parameters: int  # numbers in it
    names: tuple[str, ...]  # dotted names of its parameters


def backbone_stages(target: Target, site: HeadSite) -> tuple[Stage, ...]:
    """Divide the backbone into stages, in the order in which they run.

    Args:
        target: the network.
        site: its head, whose parameters are in no stage.

    Returns:
        First the stage next to the image, last the one next to the head. Parts that never run
        in eval mode come where they are registered.
    """
    module = plain_module(target)
    heads = head_names(module, (*site.all_paths, *site.tail_paths))
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    for name, value in module.named_parameters(remove_duplicate=False):
        if name not in heads and id(value) not in seen:
            sizes[name] = value.numel()
            seen.add(id(value))
    run = attempt(module, DryRunMode(size=site.input_size))
    order = {path: index for index, path in enumerate(run.order)} if isinstance(run, DryRun) else {}
    paths = _opened(module, sizes, order)
    stages = [_stage(module, path, sizes) for path in paths]
    return tuple(sorted(stages, key=lambda stage: _first_run(stage, order)))


def _opened(module: nn.Module, sizes: Mapping[str, int], order: Mapping[str, int]) -> list[str]:
    """Paths that share all parameters of the backbone among them, none holding nearly all."""
    whole = sum(sizes.values())
    paths = _parts(module, "", sizes)
    while len(paths) < _MOST_STAGES:
        weights = {path: sum(_below(path, sizes).values()) for path in paths}
        for path in sorted(paths, key=lambda one: -weights[one]):
            parts = _parts(module, path, sizes)
            nearly_all = weights[path] > _NEARLY_ALL * whole or len(paths) < _FEWEST_STAGES
            if parts != [path] and (nearly_all or _never_runs(module, path, order)):
                index = paths.index(path)
                paths[index : index + 1] = parts
                break
        else:
            return paths
    return paths


def _never_runs(module: nn.Module, path: str, order: Mapping[str, int]) -> bool:
    """Whether a part is a mere container, whose parts are called one by one."""
    return path not in order and isinstance(module.get_submodule(path), nn.ModuleList | nn.ModuleDict)


def _parts(module: nn.Module, path: str, sizes: Mapping[str, int]) -> list[str]:
    """The children and bare parameters of a module that hold parameters of the backbone."""
    prefix = f"{path}." if path else ""
    below = [name for name in _below(path, sizes) if name != path]
    steps = [name.removeprefix(prefix).split(".") for name in below]
    if path and all(len(step) == 1 for step in steps):
        return [path]  # a layer: its weight and bias belong together
    firsts = (prefix + step[0] for step in steps)
    return list(dict.fromkeys(firsts))


def _below(path: str, sizes: Mapping[str, int]) -> dict[str, int]:
    prefix = f"{path}." if path else ""
    return {name: size for name, size in sizes.items() if name == path or name.startswith(prefix)}


def _stage(module: nn.Module, path: str, sizes: Mapping[str, int]) -> Stage:
    own = _below(path, sizes)
    kind = "Parameter" if path in own else plain_kind(module.get_submodule(path))
    return Stage(path=path, kind=kind, parameters=sum(own.values()), names=tuple(own))


def _first_run(stage: Stage, order: Mapping[str, int]) -> int:
    """When a stage first runs; a bare parameter counts with the module that holds it."""
    path = stage.path
    if path in order:
        return order[path]
    inside = [index for ran, index in order.items() if ran.startswith(f"{path}.")]
    if inside:
        return min(inside)
    return order.get(path.rpartition(".")[0], -1 if stage.kind == "Parameter" else len(order))
