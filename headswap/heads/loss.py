"""From what a network answers to one row per image and one loss, whatever it wraps the answer in.

Flow:  network(images) --logits_of--> (B, classes)        when it predicts
       network(images) + labels --training_loss--> scalar  when it learns

Some networks answer with a tuple: two distilled heads, or an auxiliary head that speaks in
training only and counts 0.3. Some end in a softmax of their own, and a loss that
applies another one would hardly train them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the customary name)
from torch import Tensor, nn

from headswap.heads.outputs import named_tensors
from headswap.heads.site import HeadSite
from headswap.heads.trainable import head_names
from headswap.heads.unwrap import Target, plain_module

AUX_WEIGHT = 0.3  # Szegedy et al. (2014), arXiv:1409.4842, section 5


def logits_of(answer: Any, site: HeadSite) -> Tensor:
    """The network's logits: (B, classes); several heads are averaged, auxiliary ones left out.

    Probabilities are given back as their logarithms, so that softmax of the result is always right.
    """
    return torch.stack([_as_logits(row, site) for row in _rows(answer, site, aux=False)]).mean(dim=0)


def training_loss(
    answer: Any,
    labels: Tensor,
    site: HeadSite,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    aux_weight: float = AUX_WEIGHT,
) -> Tensor:
    """One number to be made smaller: the mean over the heads, plus a part of the auxiliary heads'.

    Args:
        answer: what the network gave for a batch.
        labels: (B,) whole numbers, whatever `loss` takes.
        site: the network's head, after the swap.
        loss: takes (B, classes) logits and the labels.
        aux_weight: share of each auxiliary head's loss; 0 switches them off.
    """
    total = torch.stack(
        [loss(_as_logits(row, site), labels) for row in _rows(answer, site, aux=False)]
    ).mean()
    for row in _rows(answer, site, aux=True) if aux_weight else ():
        total = total + aux_weight * loss(_as_logits(row, site), labels)
    return total


def switch_off_aux(target: Target, site: HeadSite) -> Callable[[], None]:
    """Let a network answer in training mode as it does in eval mode: without its auxiliary heads.

    They are frozen, and their answers are dropped from what forward gives; prediction is unchanged.

    Returns:
        Call it to switch them on again.
    """
    module = plain_module(target)
    names = head_names(module, site.aux_paths)
    flags = [(value, value.requires_grad) for name, value in module.named_parameters() if name in names]
    for value, _ in flags:
        value.requires_grad_(False)

    def drop(part: nn.Module, inputs: Any, answer: Any) -> Any:
        if not site.aux_outputs or isinstance(answer, Tensor):
            return answer
        rows = _rows(answer, site, aux=False)
        return rows[0] if len(rows) == 1 else tuple(rows)

    hook = module.register_forward_hook(drop)

    def switch_on() -> None:
        hook.remove()
        for value, flag in flags:
            value.requires_grad_(flag)

    return switch_on


def _rows(answer: Any, site: HeadSite, *, aux: bool) -> list[Tensor]:
    """The tensors of shape (B, classes) in an answer that belong to the heads, or to the auxiliary ones."""
    named = [(name, value) for name, value in named_tensors(answer) if value.dim() == 2]
    helping = [value for name, value in named if name in site.aux_outputs and len(named) > 1]
    if aux:
        return helping
    rest = [(name, value) for name, value in named if not any(value is one for one in helping)]
    stated = [value for name, value in rest if name in site.outputs]
    return stated or [value for _, value in rest if value.shape[1] == site.num_classes]


def _as_logits(row: Tensor, site: HeadSite) -> Tensor:
    """What softmax turns into the network's own probabilities."""
    if site.answer_kind in ("logits", "log-probabilities"):
        return row
    tiny = torch.finfo(row.dtype).tiny
    if site.answer_kind == "probabilities" and row.shape[1] > 1:
        return row.clamp_min(tiny).log()
    return torch.logit(row, eps=torch.finfo(row.dtype).eps)
