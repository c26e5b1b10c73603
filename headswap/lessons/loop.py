"""The plain PyTorch loop of the experiments that move more than a solved head.

Flow:  network + optimizer + pictures --train_epochs--> one LessonEpoch after each pass

Small on purpose: it does what a first script does, so that what goes wrong in a first script
goes wrong here. Teaching proper is headswap.training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from headswap.heads.loss import logits_of, training_loss
from headswap.heads.site import HeadSite
from headswap.heads.trainable import head_names
from headswap.training.config import Norms
from headswap.training.finetune.modes import train_mode

BATCH = 16  # pictures of one step


@dataclass(frozen=True)
class LessonEpoch:
    """How good it was during and after one pass."""

    loss: float  # mean over the pass
    train: float  # share right, while it practised
    test: float  # share right, after the pass


@dataclass(frozen=True, eq=False, kw_only=True)
class LessonImages:
    """The pictures on the table: which are practised on, which are the exam."""

    inputs: Tensor  # (N, C, H, W), or (N, D) when only a head is taught
    labels: Tensor  # (N,)
    train: Tensor  # rows
    test: Tensor  # rows


@dataclass(frozen=True, kw_only=True)
class LessonSchedule:
    """How it is practised."""

    epochs: int  # over the practice pictures
    seed: int  # drives their order
    norms: Norms = "train"  # what the statistics of norm layers do meanwhile


def train_epochs(
    module: nn.Module,
    site: HeadSite,
    data: LessonImages,
    optimizer: torch.optim.Optimizer,
    schedule: LessonSchedule,
    *,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[LessonEpoch, ...]:
    """Teach whatever the optimizer holds, in place.

    Args:
        module: the network, or its head alone when `data.inputs` are features.
        site: of the new head.
        data: pictures and labels.
        optimizer: over some parameters; built by the experiment, rightly or wrongly.
        schedule: how often, in which order.
        tick: hears of every pass.
    """
    order, seen = torch.Generator().manual_seed(schedule.seed), []
    for number in range(schedule.epochs):
        train_mode(module, schedule.norms)
        losses, right, count = 0.0, 0, 0
        for rows in _batches(data.train[torch.randperm(len(data.train), generator=order)]):
            answer = module(data.inputs[rows])
            loss = training_loss(answer, data.labels[rows], site)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count += len(rows)
            losses += float(loss.detach()) * len(rows)
            right += int((logits_of(answer, site).detach().argmax(dim=1) == data.labels[rows]).sum())
        test = measure(module, site, data, data.test)[0]
        seen.append(LessonEpoch(losses / count, right / count, test))
        tick(number + 1, schedule.epochs)
    return tuple(seen)


def _batches(rows: Tensor) -> tuple[Tensor, ...]:
    """BATCH rows at a time, and never one alone: BatchNorm in training has no variance of a single value."""
    parts: tuple[Tensor, ...] = rows.split(BATCH)
    if len(parts[-1]) > 1:
        return parts
    if len(parts) == 1:
        return (rows.repeat(2),)
    return (*parts[:-2], torch.cat(parts[-2:]))


@torch.no_grad()
def measure(module: nn.Module, site: HeadSite, data: LessonImages, rows: Tensor) -> tuple[float, float]:
    """Share right and mean loss of a network in eval mode on some pictures."""
    module.eval()
    logits = torch.cat([logits_of(module(data.inputs[some]), site) for some in rows.split(64)])
    right = (logits.argmax(dim=1) == data.labels[rows]).float().mean()
    return float(right), float(cross_entropy(logits, data.labels[rows]))


def backbone_hash(module: nn.Module, site: HeadSite) -> str:
    """Of every number of the body, norm statistics included, and of nothing of the head."""
    mine = head_names(module, (*site.all_paths, *site.tail_paths))
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        if name not in mine:
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
