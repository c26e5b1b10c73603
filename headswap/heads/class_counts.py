"""Keep what a network says of its class count true: attributes, layer sizes, a config's label names.

A forward that ends in `view(-1, self.num_classes)` breaks when the number is stale; a
transformers loss reads `config.num_labels`.

Knows plain attributes only; every change goes through `put`, so that it can be undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from headswap.heads.plan import HeadPlan

Put = Callable[[dict[str, Any], str, Any], None]

_CLASS_COUNT = re.compile(r"(^|_|n|nb|num)(class|classes|cls|label|labels)$", re.IGNORECASE)
_LAYER_SIZE = re.compile(r"^(out_\w+|num_(features|channels|embeddings|parameters)|normalized_shape)$")
_INPUT_SIDE = re.compile(r"(^|_)in(_|$)|^input|groups$")


def follow_counts(module: nn.Module, plan: HeadPlan, num_classes: int, every_count: bool, put: Put) -> None:
    """Set every stated class count to the new one.

    Args:
        module: the root.
        plan: whose head modules are resized.
        num_classes: the new count.
        every_count: also set numbers of any name, on the way from the root to the head.
        put: (dictionary, key, new value).
    """
    counts = {head_module.classes for head_module in plan.head_modules}
    for part in module.modules():
        _follow(part.__dict__, counts, num_classes, _CLASS_COUNT.search, put)
    for config in _configs(module):
        _follow_config(config, counts, num_classes, put)
    for head_module in plan.head_modules:
        if not head_module.bare:
            layer = module.get_submodule(head_module.path).__dict__
            _follow(layer, {head_module.classes}, num_classes, _LAYER_SIZE.search, put)
    if every_count:
        for part in enclosing_modules(module, plan):
            _follow(part.__dict__, counts, num_classes, lambda name: not _INPUT_SIDE.search(name), put)


def _follow(
    attributes: dict[str, Any],
    counts: set[int],
    num_classes: int,
    is_count: Callable[[str], object],
    put: Put,
) -> None:
    for name, value in list(attributes.items()):
        if name.startswith("__") or not is_count(name):
            continue
        if isinstance(value, int) and not isinstance(value, bool) and value in counts:
            put(attributes, name, num_classes)
        elif isinstance(value, tuple) and any(one in counts for one in value if isinstance(one, int)):
            put(attributes, name, tuple(num_classes if one in counts else one for one in value))


def _follow_config(config: Any, counts: set[int], num_classes: int, put: Put) -> None:
    """A transformers config: its label names are its class count."""
    attributes = config.__dict__
    _follow(attributes, counts, num_classes, _CLASS_COUNT.search, put)
    if len(attributes.get("id2label") or ()) in counts:
        names = {number: f"LABEL_{number}" for number in range(num_classes)}
        put(attributes, "id2label", names)
        if "label2id" in attributes:
            put(attributes, "label2id", {name: number for number, name in names.items()})
    impossible = "single_label_classification" if num_classes == 1 else "regression"
    if attributes.get("problem_type") == impossible:  # the loss would be the old count's
        put(attributes, "problem_type", None)


def _configs(module: nn.Module) -> Iterable[Any]:
    """The distinct config objects that the modules of a network hold."""
    held = (part.__dict__.get("config") for part in module.modules())
    return {id(config): config for config in held if hasattr(config, "__dict__")}.values()


def enclosing_modules(module: nn.Module, plan: HeadPlan) -> Iterable[nn.Module]:
    """The root, the head modules and every module around them."""
    paths = {""}
    for head_module in plan.head_modules:
        steps = head_module.path.split(".")[: -1 if head_module.bare else None]
        paths |= {".".join(steps[:count]) for count in range(1, len(steps) + 1)}
    return [module.get_submodule(path) for path in sorted(paths)]
