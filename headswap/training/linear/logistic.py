"""What logistic regression asks of row blocks: losses, slopes and answers; multinomial, or of each label.

Flow:  RowBlocks + solutions --loss_and_slope--> loss and slope of each
       RowBlocks + solutions of each fold --held_out_losses, held_out_logits--> of images not seen

A row for each class, everywhere but in the images themselves: classes are few, and a product or a softmax
along few numbers takes three to fifteen times as long as the same one across them. Several solutions, such
as those of all folds, are looked at in one pass. Penalties are not of the images and stand in `solver`.

Where the labels are (N, C), an image has each of them or not: C questions, each with a sigmoid of its own,
whose losses are added. Each image weighs the same for all of them, or, by (N, C) weights, more or less.

Solutions come from the processor and sums go back there; what is between is done where the blocks are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from headswap.features.memmap import matrix
from headswap.training.linear.blocks import Block, RowBlocks


def loss_and_slope(
    images: RowBlocks, solutions: Tensor, left_out: Sequence[int | None]
) -> tuple[Tensor, Tensor]:
    """Sums over the images, in double precision.

    Args:
        images: N rows of R numbers.
        solutions: (F, C, R + 1) float32; the last column is the bias.
        left_out: the fold that each of them must not see; None: it sees all.

    Returns:
        (F,) cross-entropy, over all labels where there are several, and (F, C, R + 1) its slope, each image
        as often as it weighs.
    """
    there = solutions.to(images.device)
    weights, biases = there[..., :-1].contiguous(), there[..., -1:].contiguous()
    losses = torch.zeros(len(solutions), dtype=torch.double)
    slopes = torch.zeros(solutions.shape, dtype=torch.double)

    def work(block: Block) -> tuple[list[int], Tensor, Tensor, Tensor] | None:
        asked = [number for number, fold in enumerate(left_out) if fold != block.fold]
        if not asked:
            return None
        all_of_them = len(asked) == len(left_out)
        chosen = (weights, biases) if all_of_them else (weights[asked], biases[asked])
        loss, slope, bias_slope = _block_sums(block, *chosen)
        return asked, loss.cpu(), slope.cpu(), bias_slope.cpu()

    for _, answer in images.in_order(work):
        if answer is not None:
            for number, loss, slope, bias_slope in zip(*answer, strict=True):
                losses[number] += loss
                slopes[number, :, :-1] += slope
                slopes[number, :, -1] += bias_slope
    return losses, slopes


def _block_sums(block: Block, weights: Tensor, biases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(F,) losses, (F, C, R) and (F, C) slopes over one block, by (F, C, R) weights and (F, C, 1) biases."""
    count, (several, classes, width) = len(block.labels), weights.shape
    logits = _logits(block, weights, biases)  # (F, C, n)
    if block.labels.ndim == 2:
        loss = _losses_of_labels(block, logits)
        error = (logits.sigmoid_() - block.labels.T).mul_(_weights(block))
        slope = error.view(several * classes, count) @ block.rows
        return loss, slope.view(several, classes, width), error.sum(dim=2)
    likely = logits.log_softmax(dim=1)
    own = block.labels.expand(several, 1, count)
    loss = -(likely.gather(1, own).squeeze(1) * block.weights).sum(dim=1, dtype=torch.double)
    error = likely.exp_().mul_(block.weights).scatter_add_(1, own, -block.weights.expand(several, 1, count))
    slope = error.view(several * classes, count) @ block.rows
    return loss, slope.view(several, classes, width), error.sum(dim=2)


def _losses_of_labels(block: Block, logits: Tensor) -> Tensor:
    """(F,) sums of binary cross-entropy of (F, C, n) logits, over images and labels."""
    each = torch.nn.functional.softplus(logits) - logits * block.labels.T
    return (each * _weights(block)).sum(dim=(1, 2), dtype=torch.double)


def _weights(block: Block) -> Tensor:
    """(n,) what images count, or (C, n) what they count for each label."""
    return block.weights.T if block.weights.ndim == 2 else block.weights


def _logits(block: Block, weights: Tensor, biases: Tensor) -> Tensor:
    """(F, C, n)."""
    several, classes, width = weights.shape
    flat = torch.addmm(
        biases.reshape(several * classes, 1), weights.reshape(several * classes, width), block.rows.T
    )
    return flat.view(several, classes, len(block.labels))


def held_out_losses(images: RowBlocks, solutions: Mapping[int, Tensor]) -> Tensor:
    """Mean cross-entropy of each penalty over images that its heads have not seen.

    Args:
        images: N rows of R numbers.
        solutions: (S, C, R + 1) float32 for each fold: of every penalty, by the images of the other folds.

    Returns:
        (S,) float64; each image counts as much as it weighs.
    """
    total = torch.zeros(len(next(iter(solutions.values()))), dtype=torch.double)

    def work(block: Block) -> Tensor:
        mine = solutions[block.fold].to(images.device)
        logits = _logits(block, mine[..., :-1], mine[..., -1:])
        if block.labels.ndim == 2:
            return _losses_of_labels(block, logits).cpu()
        likely = logits.log_softmax(dim=1)
        own = block.labels.expand(len(mine), 1, len(block.labels))
        losses = -(likely.gather(1, own).squeeze(1) * block.weights).sum(dim=1, dtype=torch.double)
        return losses.cpu()

    for _, losses in images.in_order(work):
        total += losses
    return total / len(images.labels)


def held_out_logits(images: RowBlocks, solutions: Mapping[int, Tensor]) -> Tensor:
    """(N, C) float32 in the order that the images were given in; in a file when they are many.

    Args:
        images: N rows of R numbers.
        solutions: (C, R + 1) float32 for each fold, by the images of the other folds.
    """
    found = matrix(len(images.labels), images.num_classes)

    def work(block: Block) -> Tensor:
        mine = solutions[block.fold][None].to(images.device)
        return _logits(block, mine[..., :-1], mine[..., -1:])[0].cpu()

    for block, logits in images.in_order(work):
        found[block.positions] = logits.T
    return found
