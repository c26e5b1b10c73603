"""What fine-tuning is trained on: one class for each image, or a question for each label.

Flow:  labels --loss_for--> the loss of a batch;  (B, C) logits + labels --right_answers--> (B,) whether right
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from headswap.training.finetune.compare import balance

Loss = Callable[[Tensor, Tensor], Tensor]  # (B, C) logits, and targets as they come, to one number


def loss_for(labels: Tensor, num_classes: int, *, label_smoothing: float = 0.0) -> Loss:
    """The loss of images with such labels.

    Args:
        labels: (N,) of the images that are trained on: classes count the same; or (N, C) of 0 and 1: each
            image counts the same, and the losses of its labels are added, as where a head is solved.
        num_classes: C.
        label_smoothing: share of the target that is spread over the answers, of which a label has two.
    """
    if labels.ndim == 2:
        return partial(label_loss, label_smoothing=label_smoothing)
    weight = balance(labels, num_classes).float()

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(
            logits, targets, weight=weight.to(logits.device), label_smoothing=label_smoothing
        )

    return loss


def label_loss(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Mean over (B, C) images of the sum of their labels' binary cross-entropies."""
    smooth = targets.to(logits.dtype) * (1.0 - label_smoothing) + label_smoothing / 2
    return binary_cross_entropy_with_logits(logits, smooth, reduction="none").sum(dim=1).mean()


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) bool: the right class, or every label told rightly from a probability of one half on."""
    if labels.ndim == 2:
        return ((logits > 0) == (labels > 0)).all(dim=1)
    return torch.as_tensor(logits.argmax(dim=1) == labels)
