"""The plain network inside whatever a person hands over, or a sentence why it cannot be used.

Flow:  Network | module | compiled | DataParallel --plain_module--> nn.Module

Scripted, exported and quantized networks have their sizes baked in, and a lazy
network has none yet: nothing in them can be exchanged, so they are refused here.
"""

from __future__ import annotations

import sys
from typing import TypeAlias

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from headswap.errors import HeadNotFound
from headswap.network import Network

Target: TypeAlias = Network | nn.Module

_LOAD_ORIGINAL = "Load the original network (a plain torch.nn.Module with float weights) and use that."


def plain_module(target: Target) -> nn.Module:
    """The module itself, without Network, compile or data-parallel wrappers.

    Raises:
        HeadNotFound: it is not a network whose layers can be exchanged.
    """
    module = target.module if isinstance(target, Network) else target
    while True:
        inner = _inside_wrapper(module)
        if inner is None:
            break
        module = inner
    _refuse_sealed(module)
    return module


def _inside_wrapper(module: object) -> nn.Module | None:
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner: nn.Module = module.module
        return inner
    if isinstance(module, nn.Module) and "_orig_mod" in module._modules:  # torch.compile
        return module._modules["_orig_mod"]
    return None


def _refuse_sealed(module: object) -> None:
    if _is_exported(module):
        raise HeadNotFound(
            "This network was exported (torch.export): its shapes are fixed.", remedy=_LOAD_ORIGINAL
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise HeadNotFound(
            "This network is scripted (TorchScript): its layers cannot be exchanged.", remedy=_LOAD_ORIGINAL
        )
    if not isinstance(module, nn.Module):
        raise HeadNotFound(
            f"This is a {type(module).__name__}, not a network.",
            remedy="Give a torch.nn.Module, or a Network from headswap.load_network.",
        )
    scripted = [name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if scripted:
        raise HeadNotFound(
            f"The part {scripted[0]!r} of this network is scripted (TorchScript).", remedy=_LOAD_ORIGINAL
        )
    quantized = [name for name, part in module.named_modules() if _is_quantized(part)]
    if quantized:
        raise HeadNotFound(
            f"This network is quantized (layer {quantized[0] or type(module).__name__!r}): its numbers "
            "cannot be taught.",
            remedy=_LOAD_ORIGINAL,
        )
    everything = [*module.named_parameters(), *module.named_buffers()]
    lazy = [
        name for name, value in everything if isinstance(value, UninitializedParameter | UninitializedBuffer)
    ]
    if lazy:
        raise HeadNotFound(
            f"The layer behind {lazy[0]!r} has no size yet (a lazy layer).",
            remedy="Run one picture through the network first, then try again.",
        )


def _is_exported(module: object) -> bool:
    """Exported programs, and the modules they give back, which forbid train() and eval()."""
    export = sys.modules.get("torch.export")
    if export is not None and isinstance(module, export.ExportedProgram):
        return True
    return isinstance(module, torch.fx.GraphModule) and {"range_constraints", "validate_inputs"} <= set(
        module.__dict__
    )


def _is_quantized(part: nn.Module) -> bool:
    """torch's quantized layers, and any layer whose weight is a matrix of whole numbers."""
    if type(part).__module__.startswith("torch.ao.nn") and hasattr(part, "_packed_params"):
        return True
    return any(
        value is not None
        and not isinstance(value, UninitializedParameter)
        and value.dim() >= 2
        and not (value.is_floating_point() or value.is_complex())
        for value in part._parameters.values()
    )
