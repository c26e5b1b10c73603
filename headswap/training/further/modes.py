"""The state a network is in while it practises, and how it comes back from it.

Dropout and the like are on; norm statistics follow the policy; flags and modes are as before
when practice ends, whatever ended it. Random numbers are drawn from a seed of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from headswap.features.devices import drawing_from
from headswap.features.engines import Engine, choose_engine, single
from headswap.heads.learning import switch_off_aux
from headswap.heads.site import HeadSite
from headswap.training.config import FurtherConfig, Norms


def training_engine() -> Engine:
    """Half precision on CUDA, single elsewhere: on processors bfloat16 backward passes are slower."""
    engine = choose_engine()
    return engine if engine.device == "cuda" else single(engine)


def precision(engine: Engine) -> AbstractContextManager[object]:
    """Forward passes under this run in the engine's precision, with gradients."""
    if engine.precision == "float32":
        return nullcontext()
    return torch.autocast(engine.device, torch.bfloat16 if engine.precision == "bfloat16" else torch.float16)


def practise_mode(module: nn.Module, norms: Norms) -> None:
    """Training mode, in which norm statistics stay as they are unless they shall drift."""
    module.train()
    if norms != "train":
        for part in module.modules():
            if part._buffers.get("running_mean") is not None:
                part.training = False


def recalibrate(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure norm statistics anew on (B, C, H, W) batches; nothing else changes."""
    from torch.optim.swa_utils import update_bn

    module.eval()
    update_bn(batches, module)


def moving_tensors(module: nn.Module, names: Iterable[str], norms: Norms) -> dict[str, Tensor]:
    """Everything that changes while it practises: parameters, and statistics that are not frozen."""
    named = dict(module.named_parameters(remove_duplicate=False))
    moving: dict[str, Tensor] = {name: named[name].detach() for name in names}
    if norms != "frozen":
        for path, part in module.named_modules():
            if part._buffers.get("running_mean") is not None:
                moving |= dict(part.named_buffers(prefix=path, recurse=False))
    return moving


@contextmanager
def borrowed(module: nn.Module, site: HeadSite, config: FurtherConfig) -> Iterator[None]:
    """Afterwards the network is in eval mode and every parameter's flag as it was."""
    flags = [(value, value.requires_grad) for value in module.parameters()]
    switch_on = switch_off_aux(module, site) if site.aux_paths and config.aux_weight == 0 else None
    try:
        yield
    finally:
        if switch_on is not None:
            switch_on()
        for value, flag in flags:
            value.requires_grad_(flag)
            value.grad = None
        module.eval()


@contextmanager
def own_random(engine: Engine, seed: int) -> Iterator[None]:
    """Draw from a seed; whoever draws afterwards goes on where they were."""
    with drawing_from(engine.device, seed):
        yield
