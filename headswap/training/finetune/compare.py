"""Compare two ways of teaching on the same held-back pictures, picture by picture.

Flow:  logits of both + labels --score_held_out--> HeldOutScore each --compare--> FinetuneGain

Small validation parts are noisy. The loss of each picture after calibration says more than
right or wrong, and the difference between two networks on one picture is less noisy than
either of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headswap.evaluation.metrics import fit_temperature
from headswap.features.devices import full_precision, upload
from headswap.features.engines import Engine
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite
from headswap.training.finetune.batches import ImageBatches

_AT_ONCE = 4096  # images
_FEWEST_WRONG = 5  # 4 mended and none spoilt may still be chance: 1 in 16 (sign test)


@dataclass(frozen=True, eq=False)
class HeldOutScore:
    """How a network did on held-back pictures."""

    right: Tensor  # (V,) bool
    losses: Tensor  # (V,) cross-entropy after calibration on the same pictures, classes balanced

    @property
    def loss(self) -> float:
        return float(self.losses.mean())


@dataclass(frozen=True)
class FinetuneGain:
    """What going further gave over the solved head, on the same pictures."""

    images: int
    right_before: int
    right_after: int
    right_error: float  # standard error of the difference in right answers
    loss: float  # mean fall of the calibrated loss; above 0 is better
    loss_error: float  # its standard error

    @property
    def right(self) -> int:
        return self.right_after - self.right_before

    def is_clear(self, tried: int = 1) -> bool:
        """Whether the gain is more than chance: the best of several has to show more."""
        errors = max(1.0, math.sqrt(2 * math.log(max(1, tried))))
        return self.loss > errors * self.loss_error and self.right >= 0

    @property
    def is_harm(self) -> bool:
        """Whether it is worse by more than its standard error."""
        return self.loss < -self.loss_error or self.right < -max(1.0, self.right_error)


@torch.no_grad()
def answers(
    module: nn.Module,
    site: HeadSite,
    image_batches: ImageBatches,
    rows: Tensor,
    engine: Engine,
    *,
    flip: bool = False,
    batch_size: int = 32,
) -> Tensor:
    """(V, C) logits of a network in eval mode, in single precision; with `flip`, the mean of both."""
    module.eval()
    found = []
    for some in rows.split(batch_size) if len(rows) else ():
        batch = upload(image_batches.inputs(some.tolist()), engine.device)
        with full_precision(engine.device):
            said = logits_of(module(batch), site)
            if flip:
                said = (said + logits_of(module(batch.flip(-1)), site)) / 2
        found.append(said.float().cpu())
    return torch.cat(found) if found else torch.empty(0, site.num_classes)


def leaves_room(logits: Tensor, labels: Tensor) -> bool:
    """Whether enough of (N, C) logits are wrong, by (N,) labels, to tell a better way from chance."""
    return int((logits.argmax(dim=1) != labels).sum()) >= _FEWEST_WRONG


def score_held_out(logits: Tensor, labels: Tensor) -> HeldOutScore:
    """Of (V, C) finite logits and (V,) labels, V at least 1; every class counts the same."""
    heat = fit_temperature(logits.numpy(), labels.numpy())
    parts = zip(logits.split(_AT_ONCE), labels.split(_AT_ONCE), strict=True)
    losses = torch.cat([_losses(some.double() / heat, theirs) for some, theirs in parts])
    return HeldOutScore(logits.argmax(dim=1) == labels, losses * balance(labels, logits.shape[1])[labels])


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """(n,) cross-entropy of each image."""
    return -logits.log_softmax(dim=1)[torch.arange(len(labels)), labels]


def balance(labels: Tensor, num_classes: int) -> Tensor:
    """(C,) weights with which every class has the same sum and a picture weighs 1 on average."""
    counts = torch.bincount(labels, minlength=num_classes)
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp_min(1)), 0.0)


def compare(before: HeldOutScore, after: HeldOutScore) -> FinetuneGain:
    """Of two judgements on the same pictures."""
    falls = before.losses - after.losses  # (V,)
    count = len(falls)
    error = float(falls.std(unbiased=True)) / math.sqrt(count) if count > 1 else math.inf
    changed = int((before.right != after.right).sum())
    return FinetuneGain(
        images=count,
        right_before=int(before.right.sum()),
        right_after=int(after.right.sum()),
        right_error=math.sqrt(changed),
        loss=float(falls.mean()),
        loss_error=error,
    )


def together(judgements: Sequence[HeldOutScore]) -> HeldOutScore:
    """Several validation parts as one."""
    return HeldOutScore(
        torch.cat([one.right for one in judgements]), torch.cat([one.losses for one in judgements])
    )
