"""The state a network is in while it trains, and how it comes back from it.

Dropout and the like are on; norm statistics follow the policy; flags and modes are as before
when training ends, whatever ended it. Random numbers are drawn from a seed of their own.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from headswap.cluster.ranks import Ranks
from headswap.features.devices import drawing_from, is_out_of_memory, upload
from headswap.features.engines import (
    MAX_SINGLE_ERROR,
    Engine,
    choose_engine,
    relative_error,
    single,
    to_engine,
)
from headswap.heads.loss import logits_of, switch_off_aux, training_loss
from headswap.heads.site import HeadSite
from headswap.training.config import FinetuneConfig, Norms
from headswap.training.finetune.objective import label_loss, loss_for

_TRIES, _MOST_S = 6, 0.5  # of timing a step, and seconds after which no try is begun


def training_engine() -> Engine:
    """Half precision on CUDA, single elsewhere: on processors bfloat16 backward passes are slower."""
    engine = choose_engine()
    return engine if engine.device == "cuda" else single(engine)


def proved(engine: Engine, module: nn.Module, site: HeadSite, images: Tensor, labels: Tensor) -> Engine:
    """The engine, or the processor where MPS gives other gradients: some of its kernels are wrong.

    Args:
        engine: to train in; only MPS is doubted.
        module: swapped; is not changed, and may be anywhere.
        site: of its head.
        images: (B, C, H, W) on the processor, two or more.
        labels: (B,) of them, or (B, C) of 0 and 1.
    """
    if engine.device != "mps":
        return engine
    here = Engine("cpu", "float32")
    true = _gradients(here, module, site, images, labels)
    try:
        rough = _gradients(engine, module, site, images, labels)
    except RuntimeError as error:  # an operation that MPS lacks
        if is_out_of_memory(error):
            raise
        return here
    near = rough.shape == true.shape and relative_error(rough, true) <= MAX_SINGLE_ERROR
    return engine if near else here


def _gradients(engine: Engine, module: nn.Module, site: HeadSite, images: Tensor, labels: Tensor) -> Tensor:
    """What one step would move every parameter by, in eval mode: one long (P,) vector on the processor."""
    clone = to_engine(copy.deepcopy(module), engine).requires_grad_(True).eval()
    loss = label_loss if labels.ndim == 2 else cross_entropy
    loss(logits_of(clone(upload(images, engine.device)), site), labels.to(engine.device)).backward()
    slopes = [value.grad.float().cpu().flatten() for value in clone.parameters() if value.grad is not None]
    return torch.cat(slopes)


def precision(engine: Engine) -> AbstractContextManager[object]:
    """Forward passes under this run in the engine's precision, with gradients."""
    if engine.precision == "float32":
        return nullcontext()
    return torch.autocast(engine.device, torch.bfloat16 if engine.precision == "bfloat16" else torch.float16)


def train_mode(module: nn.Module, norms: Norms) -> None:
    """Training mode, in which norm statistics stay as they are unless they are meant to drift."""
    module.train()
    if norms != "train":
        for part in module.modules():
            if part._buffers.get("running_mean") is not None:
                part.training = False


def recalibrate(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure norm statistics again on (B, C, H, W) batches; nothing else changes."""
    from torch.optim.swa_utils import update_bn

    module.eval()
    update_bn(batches, module)


def step_s(
    answer: Callable[[Tensor], Any], batch: Tensor, targets: Tensor, site: HeadSite, engine: Engine
) -> float:
    """Seconds to train on one image of a batch, there and back, without a step; the fastest of a few times.

    The first warms up, and what else this machine does makes any of them slower.

    Args:
        answer: from the batch to what the network gives.
        batch: (B, C, H, W), or what is above a cut.
        targets: (B,) classes, or (B, C) of 0 and 1.
        site: of the head.
        engine: to train in.
    """
    tries, layout = list[float](), torch.channels_last if batch.dim() == 4 else torch.preserve_format
    while len(tries) < 2 or (len(tries) < _TRIES and sum(tries[1:]) < _MOST_S):
        begin = time.perf_counter()
        with precision(engine):
            placed, wanted = batch.to(engine.device, memory_format=layout), targets.to(engine.device)
            loss = training_loss(
                answer(placed), wanted, site, loss=loss_for(wanted, site.num_classes), aux_weight=0.0
            )
        loss.backward()
        float(loss.detach())
        tries.append(time.perf_counter() - begin)
    return min(tries) / len(batch)


def moving_tensors(module: nn.Module, names: Iterable[str], norms: Norms) -> dict[str, Tensor]:
    """Everything that changes while it trains: parameters, and statistics that are not frozen."""
    named = dict(module.named_parameters(remove_duplicate=False))
    moving: dict[str, Tensor] = {name: named[name].detach() for name in names}
    if norms != "frozen":
        for path, part in module.named_modules():
            if part._buffers.get("running_mean") is not None:
                moving |= dict(part.named_buffers(prefix=path, recurse=False))
    return moving


@contextmanager
def borrowed(module: nn.Module, site: HeadSite, config: FinetuneConfig) -> Iterator[None]:
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


class OwnNoise:
    """While it lasts, one of several processes draws random numbers of its own, on the processor.

    Crops are drawn in step by all processes, so what dropout draws for the part of one must not count among
    them. On a GPU dropout draws from the device's own numbers, which are seeded here too. Where a process is
    alone, nothing changes.
    """

    def __init__(self, seed: int, epoch: int, ranks: Ranks) -> None:
        self._state: Tensor | None = None
        if not ranks.is_alone:
            kept = torch.get_rng_state()
            torch.manual_seed((seed * 1_000_003 + epoch) * 4096 + ranks.rank)  # also seeds the device
            self._state = torch.get_rng_state()
            torch.set_rng_state(kept)

    def __enter__(self) -> None:
        if self._state is not None:
            self._outside = torch.get_rng_state()
            torch.set_rng_state(self._state)

    def __exit__(self, *_: object) -> None:
        if self._state is not None:
            self._state = torch.get_rng_state()
            torch.set_rng_state(self._outside)


@contextmanager
def own_random(engine: Engine, seed: int) -> Iterator[None]:
    """Draw from a seed; later draws go on where they were."""
    with drawing_from(engine.device, seed):
        yield
