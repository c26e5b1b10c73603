"""Compare two ways of training on the same held-back images, image by image.

Flow:  logits of both + labels --score_held_out--> HeldOutScore each --compare--> FinetuneGain

Small validation parts are noisy. The loss of each image after calibration says more than
right or wrong, and the difference between two networks on one image is less noisy than
either of them. Where an image may have several labels, mean average precision counts instead of right
answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from headswap.evaluation.label_ranking import LabelRanking, paired_gap, rank_labels
from headswap.evaluation.metrics import fit_temperature
from headswap.evaluation.multi_label import all_right, choose_thresholds, fit_label_temperature
from headswap.features.devices import full_precision, upload
from headswap.features.engines import Engine
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite
from headswap.training.finetune.batches import ImageBatches

_AT_ONCE = 4096  # images
_FEWEST_WRONG = 5  # 4 corrected and none spoilt may still be chance: 1 in 16 (sign test)


@dataclass(frozen=True, eq=False)
class HeldOutScore:
    """How a network did on held-back images."""

    right: Tensor  # (V,) bool; of several labels: every one told rightly, after calibration
    losses: Tensor  # (V,) cross-entropy after calibration on the same images, classes balanced
    logits: Tensor | None = None  # (V, C) after calibration, and
    labels: Tensor | None = None  # (V, C) of 0 and 1, where an image may have several; None: one class

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def ranking(self) -> LabelRanking | None:
        """Mean average precision over the labels; None: each image has one class."""
        if self.logits is None or self.labels is None:
            return None
        return rank_labels(self.logits.numpy(), self.labels.numpy())


HELD_BACK = "practice pictures that were kept back"  # what `FinetuneGain.text` may count
OUT_OF_FOLD = "practice pictures it had not seen (cross-validation)"  # the same


@dataclass(frozen=True)
class FinetuneGain:
    """What fine-tuning gave over the solved head, on the same images."""

    images: int
    right_before: int
    right_after: int
    right_error: float  # standard error of the difference in right answers
    loss: float  # mean fall of the calibrated loss; above 0 is better
    loss_error: float  # its standard error
    precision_before: float | None = None  # mean average precision, where an image may have several labels
    precision_after: float | None = None
    precision_error: float = 0.0  # standard error of their difference

    @property
    def right(self) -> int:
        return self.right_after - self.right_before

    def is_clear(self, tried: int = 1) -> bool:
        """Whether the gain is more than chance: the best of several has to show more."""
        errors = max(1.0, math.sqrt(2 * math.log(max(1, tried))))
        if self.precision_before is None or self.precision_after is None:
            return self.loss > errors * self.loss_error and self.right >= 0
        return self.loss > errors * self.loss_error and self.precision_after > self.precision_before

    @property
    def is_harm(self) -> bool:
        """Whether it is worse by more than its standard error."""
        if self.precision_before is not None and self.precision_after is not None:
            fall = self.precision_before - self.precision_after
            return self.loss < -self.loss_error or fall > self.precision_error
        return self.loss < -self.loss_error or self.right < -max(1.0, self.right_error)

    def text(self, noun: str, otherwise: str) -> str:
        """What was counted, without a full stop.

        Args:
            noun: which: `HELD_BACK` or `OUT_OF_FOLD`.
            otherwise: what came before: ", with the head alone".
        """
        if self.precision_before is None or self.precision_after is None:
            return f"{self.right_after} of {self.images} {noun} were right{otherwise} {self.right_before}"
        return (
            f"mean average precision was {self.precision_after:.3f} on {self.images} {noun}{otherwise} "
            f"{self.precision_before:.3f}"
        )


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
    """Whether enough of (N, C) logits are wrong, by their labels, to tell a better way from chance."""
    if labels.ndim == 2:
        cuts = choose_thresholds(logits.numpy(), labels.numpy())
        return int((~all_right(logits.numpy() >= cuts, labels.numpy())).sum()) >= _FEWEST_WRONG
    return int((logits.argmax(dim=1) != labels).sum()) >= _FEWEST_WRONG


def score_held_out(logits: Tensor, labels: Tensor) -> HeldOutScore:
    """Of (V, C) finite logits and (V,) labels, V at least 1; every class counts the same.

    Or of (V, C) labels of 0 and 1: every image counts the same, and the losses of its labels are added.
    """
    if labels.ndim == 2:
        scaled = logits.double() / fit_label_temperature(logits.double().numpy(), labels.numpy())
        each = binary_cross_entropy_with_logits(scaled, labels.double(), reduction="none").sum(dim=1)
        right = ((scaled > 0) == (labels > 0)).all(dim=1)
        return HeldOutScore(right, each, scaled, labels)
    heat = fit_temperature(logits.numpy(), labels.numpy())
    parts = zip(logits.split(_AT_ONCE), labels.split(_AT_ONCE), strict=True)
    losses = torch.cat([_losses(some.double() / heat, theirs) for some, theirs in parts])
    return HeldOutScore(logits.argmax(dim=1) == labels, losses * balance(labels, logits.shape[1])[labels])


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """(n,) cross-entropy of each image."""
    return -logits.log_softmax(dim=1)[torch.arange(len(labels)), labels]


def balance(labels: Tensor, num_classes: int) -> Tensor:
    """(C,) weights with which every class has the same sum and an image weighs 1 on average."""
    counts = torch.bincount(labels, minlength=num_classes)
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp_min(1)), 0.0)


def compare(before: HeldOutScore, after: HeldOutScore) -> FinetuneGain:
    """Of two judgements on the same images."""
    falls = before.losses - after.losses  # (V,)
    count = len(falls)
    error = float(falls.std(unbiased=True)) / math.sqrt(count) if count > 1 else math.inf
    first, second, precision_error = before.ranking, after.ranking, 0.0
    if first is not None and second is not None:
        gap, (low, _) = paired_gap(second, first, z=1.0)
        precision_error = gap - low
    changed = int((before.right != after.right).sum())
    return FinetuneGain(
        images=count,
        right_before=int(before.right.sum()),
        right_after=int(after.right.sum()),
        right_error=math.sqrt(changed),
        loss=float(falls.mean()),
        loss_error=error,
        precision_before=None if first is None else first.value,
        precision_after=None if second is None else second.value,
        precision_error=precision_error,
    )


def together(judgements: Sequence[HeldOutScore]) -> HeldOutScore:
    """Several validation parts as one."""
    logits = [one.logits for one in judgements if one.logits is not None]
    labels = [one.labels for one in judgements if one.labels is not None]
    return HeldOutScore(
        torch.cat([one.right for one in judgements]),
        torch.cat([one.losses for one in judgements]),
        torch.cat(logits) if logits else None,
        torch.cat(labels) if labels else None,
    )
