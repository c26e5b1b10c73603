"""What a library says of its network's head: a cross-check, never the truth.

Flow:  nn.Module --declared_by--> Declared: class count, paths and the words for people

Libraries name a leaf, a container, only one of two heads, or nothing; so what they say
is compared with what was found and shown, and settles only what structure leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

_CUSTOMARY = ("fc", "classifier", "head", "heads", "linear", "last_linear", "output")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a network's own attributes say about its head."""

    classes: int | None  # None: nothing is said; 0: it was built without a head
    paths: tuple[tuple[str, ...], ...]  # one tuple per source that names layers
    text: str  # for people; empty when nothing is said
    pretrained_without_head: bool  # the weights came without a head, which was added


def declared_by(module: nn.Module) -> Declared:
    """Collect a network's own statements about its head."""
    statements: list[str] = []
    classes = _stated_classes(module, statements)
    paths: list[tuple[str, ...]] = []
    described = getattr(module, "pretrained_cfg", None)
    described = described if isinstance(described, Mapping) else {}
    if named := _as_names(described.get("classifier")):
        paths.append(named)
        statements.append(f"pretrained_cfg names {_ticked(named)}")
    if given := _given_by_getter(module):
        paths.append(given)
        statements.append(f"get_classifier() gives {_ticked(given)}")
    if not paths and (customary := tuple(name for name in _CUSTOMARY if _has_layer(module, name))):
        paths.append(customary)
        statements.append(f"it has a part with a customary name, {_ticked(customary)}")
    text = "; ".join(statements)
    return Declared(
        classes=classes,
        paths=tuple(paths),
        text=f"{text[:1].upper()}{text[1:]}." if text else "",
        pretrained_without_head=described.get("num_classes") == 0 and classes != 0,
    )


def agreement(declared: Declared, found: tuple[str, ...]) -> bool | None:
    """Whether every source names exactly the found layers, or containers of them; None: nothing is said."""
    if not declared.paths:
        return None
    return all(
        all(any(_within(path, named) for named in source) for path in found)
        and all(any(_within(path, named) for path in found) for named in source)
        for source in declared.paths
    )


def _within(path: str, container: str) -> bool:
    return path == container or path.startswith(f"{container}.")


def _stated_classes(module: nn.Module, statements: list[str]) -> int | None:
    """num_classes of the network, or num_labels of its config."""
    for holder, attribute, source in (
        (module, "num_classes", "num_classes"),
        (getattr(module, "config", None), "num_labels", "config.num_labels"),
    ):
        value = getattr(holder, attribute, None)
        if isinstance(value, int) and not isinstance(value, bool):
            statements.append(f"{source} is {value}")
            return value
    return None


def _given_by_getter(module: nn.Module) -> tuple[str, ...]:
    """Paths of what `get_classifier()` returns, for libraries that have it."""
    getter = getattr(module, "get_classifier", None)
    if not callable(getter):
        return ()
    try:
        given = getter()
    except (TypeError, AttributeError, NotImplementedError):  # another library's method of the same name
        return ()
    parts = given if isinstance(given, list | tuple) else [given]
    wanted = {id(part) for part in parts if isinstance(part, nn.Module) and not isinstance(part, nn.Identity)}
    return tuple(path for path, part in module.named_modules() if path and id(part) in wanted)


def _as_names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()


def _has_layer(module: nn.Module, name: str) -> bool:
    part = module._modules.get(name)
    return part is not None and any(True for _ in part.parameters())


def _ticked(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
