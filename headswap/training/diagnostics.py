"""Diagnostics from the features: an answer to every image, what fewer would have given, copies.

Flow:  FeatureBank + solved LinearHeads --diagnose--> Diagnostics

All of it is a few more solutions on features that are at hand; large sets, whose test says
enough by itself, are not studied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from headswap.data.manifest import Manifest
from headswap.evaluation.evaluate import ENOUGH_FOR_A_TEST, SplitLogits
from headswap.evaluation.ood import cross_split_duplicates, embeddings_of
from headswap.evaluation.report import LearningCurve
from headswap.features.memmap import columns_of
from headswap.heads.site import HeadSite
from headswap.training.config import TrainConfig
from headswap.training.linear.heads import LinearHeads, fit_heads
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head
from headswap.training.targets import labels_of

_FOLDS = 5  # as many as leave each head four fifths to train on, like the final one
_MOST_WORK = 4e8  # images * min(images, features) * classes, above which only the test speaks

_MOST_TO_COMPARE = 5000  # images, above which copies across the split are not looked for


@dataclass(frozen=True, eq=False, kw_only=True)
class OldHead:
    """The pretrained head, as one linear layer on the features."""

    weight: Tensor  # (classes, D)
    bias: Tensor  # (classes,)


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnostics:
    """What the features alone say of images, labels and classes."""

    features: Tensor  # (N, W) float32, all that the head reads, in the order of the manifest
    cross_validated: SplitLogits | None  # every image, out of fold; None: the test part is large enough
    by_last: SplitLogits | None  # by the last features, for label issues; None: the head reads no more
    learning: LearningCurve | None
    cross_split_duplicates: tuple[str, ...]  # test images that look almost the same as a training image
    old_head: OldHead | None


def old_head_of(module: nn.Module, site: HeadSite) -> OldHead | None:
    """Keep the head that is about to be replaced; None when it is not one linear layer with a weight."""
    if len(site.paths) != 1 or site.tail_paths:
        return None
    layer = module.get_submodule(site.paths[0])
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if not isinstance(weight, Tensor) or weight.numel() != site.num_classes * site.in_features[0]:
        return None
    flat = weight.detach().clone().float().cpu().reshape(site.num_classes, -1)
    return OldHead(
        weight=flat,
        bias=torch.zeros(len(flat)) if bias is None else bias.detach().clone().float().cpu(),
    )


def diagnose(  # noqa: PLR0913
    manifest: Manifest,
    features: Tensor,
    heads: LinearHeads,
    site: HeadSite,
    *,
    config: TrainConfig,
    old_head: OldHead | None,
    seed: int,
    unlabeled: Tensor | None = None,
) -> Diagnostics:
    """Look at the features once more.

    Args:
        manifest: N images with their parts and groups.
        features: (N, D), in its order.
        heads: solved on the training part.
        site: of the new head.
        config: as the heads were solved; the penalty is the one that they chose.
        old_head: kept from before the swap; given up when the heads had to be lifted over a ReLU.
        seed: drives the folds.
        unlabeled: (U, D) of images that the heads guessed while they were solved; None: there were none.
    """
    labels = labels_of(manifest, manifest.images)
    test = torch.tensor([image.part == "test" for image in manifest.images])
    groups = [image.group for image in manifest.images]
    known = LabeledFeatures(features, labels, len(manifest.classes), groups, unlabeled)
    l2, biases = heads.solved[0].l2, [bool(head.bias.any()) for head in heads.solved]

    def out_of_fold(rows: Tensor, folds: int) -> Tensor | None:
        how = replace(config, l2_grid=(l2,), l2=l2, folds=folds)
        some = known.rows(rows)
        return fit_heads(some, site, has_bias=biases, config=how, seed=seed, like=heads).fold_logits

    work = len(labels) * min(features.shape) * len(manifest.classes)
    given = any(image.given_part is not None for image in manifest.images)
    judged = None
    if work <= _MOST_WORK and int(test.sum()) < ENOUGH_FOR_A_TEST and not given:
        judged = out_of_fold(torch.ones_like(test), _FOLDS)
    train = torch.tensor([image.part == "train" for image in manifest.images])
    last_features = columns_of(features, site.last_features)
    studied = work <= _MOST_WORK and heads.fold_logits is not None and labels.ndim == 1
    halves = out_of_fold(train, 2) if studied else None
    return Diagnostics(
        features=features,
        cross_validated=None if judged is None else _split_logits(manifest, labels, judged * heads.factor),
        by_last=_by_last(manifest, known.columns(site.last_features), config)
        if site.taps and judged is not None and labels.ndim == 1  # of labels none is doubted
        else None,
        learning=None if halves is None else _learning(labels[train], halves, heads, config.folds),
        cross_split_duplicates=_cross_split_duplicates(manifest, last_features),
        old_head=old_head if heads.bias_offset == 0 else None,
    )


def _by_last(manifest: Manifest, known: LabeledFeatures, config: TrainConfig) -> SplitLogits | None:
    """Every image judged by a plain head that never saw it (docs/decisions/0031-a-wide-head.md)."""
    solved = fit_head(known, config=replace(config, l2=None))
    return None if solved.fold_logits is None else _split_logits(manifest, known.labels, solved.fold_logits)


def _cross_split_duplicates(manifest: Manifest, features: Tensor) -> tuple[str, ...]:
    if len(features) > _MOST_TO_COMPARE:
        return ()
    embeddings = embeddings_of(features.numpy())
    test = [row for row, image in enumerate(manifest.images) if image.part == "test"]
    train = [row for row, image in enumerate(manifest.images) if image.part == "train"]
    groups = np.array([image.group for image in manifest.images])
    rows = cross_split_duplicates(
        embeddings[test], embeddings[train], groups[test].tolist(), groups[train].tolist()
    )
    return tuple(manifest.images[test[row]].file for row in rows)


def _learning(labels: Tensor, halves: Tensor, heads: LinearHeads, folds: int) -> LearningCurve | None:
    full = heads.fold_logits
    if full is None or folds <= 2:
        return None
    count = len(labels)
    before, after = halves.argmax(1) == labels, full.argmax(1) == labels
    return LearningCurve(
        fewer=count // 2,
        fewer_right=int(before.sum()),
        more=count - count // folds,
        more_right=int(after.sum()),
        total=count,
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )


def _split_logits(manifest: Manifest, labels: Tensor, logits: Tensor) -> SplitLogits:
    return SplitLogits(
        files=[image.file for image in manifest.images],
        sha256s=[image.sha256 for image in manifest.images],
        labels=labels.numpy(),
        logits=logits.double().numpy(),
    )
