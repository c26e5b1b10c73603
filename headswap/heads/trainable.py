"""Say what of a network may learn: the head alone, with a frozen backbone.

Flow:  nn.Module + HeadSite --freeze_backbone--> only the head's parameters require gradients

Freezing is more than `requires_grad`: a BatchNorm in training mode changes its
statistics without any gradient, and every `train()` switches it on again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn

from headswap.heads.site import HeadSite
from headswap.heads.unwrap import Target, plain_module


def head_parameters(target: Target, site: HeadSite) -> tuple[nn.Parameter, ...]:
    """Every parameter of the heads, their tails and the auxiliary heads; tied ones once."""
    module = plain_module(target)
    names = head_names(module, (*site.all_paths, *site.tail_paths))
    return tuple(value for name, value in module.named_parameters() if name in names)


def head_names(module: nn.Module, paths: Iterable[str]) -> frozenset[str]:
    """Names of all parameters at or below some paths, and of those tied to them."""
    prefixes = tuple(paths)
    named = dict(module.named_parameters(remove_duplicate=False))
    owned = {id(value) for name, value in named.items() if is_within(name, prefixes)}
    return frozenset(name for name, value in named.items() if id(value) in owned)


def is_within(path: str, prefixes: Iterable[str]) -> bool:
    """Whether a path is one of some places, or below one."""
    return any(path == prefix or path.startswith(f"{prefix}.") for prefix in prefixes)


@contextmanager
def freeze_backbone(target: Target, site: HeadSite) -> Iterator[tuple[nn.Parameter, ...]]:
    """Within the block only the head learns; afterwards every flag is as it was.

    Frozen norms are kept in eval mode within the block, through any number of `train()`.

    Gives:
        The parameters for the optimizer.
    """
    module = plain_module(target)
    flags = [(value, value.requires_grad) for value in module.parameters()]
    modes = [(part, part.training) for part in module.modules()]
    learning = head_parameters(module, site)
    module.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
    release = keep_frozen_norms_in_eval(module, site)
    try:
        yield learning
    finally:
        release()
        for value, flag in flags:
            value.requires_grad_(flag)
        for part, training in modes:
            part.training = training


def keep_frozen_norms_in_eval(target: Target, site: HeadSite | None = None) -> Callable[[], None]:
    """Put norms whose parameters are all frozen in eval mode, now and after every `train()`.

    Args:
        target: the network; its `train` is shadowed on this one object.
        site: norms without parameters are left alone where they belong to its head.

    Returns:
        Call it to stop; modes stay as they are until the next `train()`.
    """
    module = plain_module(target)
    heads = (*site.all_paths, *site.tail_paths) if site is not None else ()
    module.__dict__["train"] = partial(_train_but_frozen_norms, module, heads)  # a partial survives deepcopy
    _frozen_norms_to_eval(module, heads)

    def release() -> None:
        module.__dict__.pop("train", None)

    return release


def _train_but_frozen_norms(module: nn.Module, heads: tuple[str, ...], mode: bool = True) -> nn.Module:
    """`module.train(mode)`, after which frozen norms are in eval mode."""
    type(module).train(module, mode)
    _frozen_norms_to_eval(module, heads)
    return module


def _frozen_norms_to_eval(module: nn.Module, heads: tuple[str, ...]) -> None:
    for path, part in module.named_modules():
        keeps_statistics = part._buffers.get("running_mean") is not None
        frozen = not any(value.requires_grad for value in part.parameters())
        if keeps_statistics and frozen and not is_within(path, heads):
            part.training = False
