"""Solved heads in their network: the proof that it says the same, and the test.

Flow:  solved heads + FeatureBank --prove_in--> HeadProof --training_result_of--> TrainingResult:
           every test image's logits

The proof is made on the test images that are the most undecided: there the smallest difference
would be seen, and there the test needs the network's own word anyway when the features were computed in
half precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.manifest import ImageRecord
from headswap.errors import HeadNotFound
from headswap.evaluation.evaluate import SplitLogits
from headswap.evaluation.multi_label import all_right, choose_thresholds
from headswap.features.bank import BankBuilder, FeatureBank, fill_bank
from headswap.features.engines import choose_engine, exact, is_rough
from headswap.features.extractor import Extractor
from headswap.heads.site import HeadSite
from headswap.network import Network
from headswap.training.linear.heads import LinearHeads, agree, has_bias, install
from headswap.training.task import TrainingResult, TrainingTask

_PROOF_IMAGES = 8
_SURELY = 2.0  # times the largest change seen: two logits may move towards each other


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadProof:
    """What was proved, and on what."""

    heads: LinearHeads  # as the network combines them
    order: Tensor  # (N,) rows of the manifest: the test part's, the most undecided first, then the others
    extractor: Extractor  # the network in single precision
    features: Tensor  # (M, D) that it gave for the first M of them


def prove_in(
    task: TrainingTask, network: Network, site: HeadSite, heads: LinearHeads, bank: FeatureBank
) -> HeadProof | None:
    """Write a solution into its network and prove it on images; None: the head is not linear."""
    logits = heads.logits(bank.features)  # (N, C)
    several = task.manifest.is_multi_label
    margins = torch.where(task.rows("test"), _margins(logits, several=several), torch.inf)
    order = margins.argsort(stable=True)
    few = [task.manifest.images[row] for row in order[:_PROOF_IMAGES].tolist()]
    images = np.stack([task.prepared(image, network) for image in few])
    largest = max(abs(float(end)) for end in logits.aminmax())
    found = installed(network, site, heads, images, largest=largest, flip=task.config.flip, several=several)
    if found is None:
        return None
    proved, features, extractor = found
    return HeadProof(heads=proved, order=order, features=features, extractor=extractor)


def _margins(logits: Tensor, *, several: bool) -> Tensor:
    """(N,) how far each image is from another answer, by (N, C) logits."""
    if several:
        return logits.abs().amin(dim=1)
    best = logits.topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


def installed(
    network: Network,
    site: HeadSite,
    heads: LinearHeads,
    images: NDArray[np.uint8],
    *,
    largest: float,
    flip: bool,
    several: bool = False,
) -> tuple[LinearHeads, Tensor, Extractor] | None:
    """Write a solution into its network and let that run; None: it says something else.

    Args:
        network: swapped.
        site: of its new head.
        heads: solved.
        images: (M, H, W, C) uint8, prepared.
        largest: logit that the heads gave, in size: a head before a ReLU is lifted by ten times as much.
        flip: whether answers are the mean over image and flipped image.
        several: whether each label is answered by a sigmoid of its own.

    Returns:
        The heads as the network combines them, (M, D) features of the images, and the network as it ran.
    """
    # Lifted for a ReLU behind the head. A sigmoid sees a single place that is still clipped: higher for it.
    for times in (0.0, 10.0, 100.0) if several else (0.0, 10.0):
        bias_offset = times * max(largest, 1.0)
        if bias_offset and not all(has_bias(network.module, site)):
            break
        heads = replace(heads, bias_offset=bias_offset)
        install(network.module, site, heads)
        extractor = Extractor(network, site, exact(choose_engine()), flip=flip)
        features, answers = extractor.features_and_logits(images)
        proved = agree(heads, features, answers, several=several)
        if proved is not None:
            return proved, features, extractor
    return None


def training_result_of(
    task: TrainingTask, network: Network, site: HeadSite, proof: HeadProof, bank: FeatureBank
) -> TrainingResult:
    """What a head that was proved in its network knows: its test, and its training by cross-validation."""
    heads = proof.heads
    logits = heads.logits(bank.features)
    if is_rough(bank.engine):
        logits = _recomputed_logits(task, network, proof, logits)
    train, test = task.rows("train"), task.rows("test")
    labels = task.labels(task.manifest.images)
    folds = heads.fold_logits
    return TrainingResult(
        site=site,
        test=split_logits(task, "test", logits[test]),
        train=None if folds is None else split_logits(task, "train", folds),
        train_right=right_answers(logits[train], labels[train], folds),
        engine=bank.engine,
        l2=heads.solved[0].l2,
        network=network,
        flip=task.config.flip,
        logit_offset=heads.factor * heads.bias_offset,
    )


def right_answers(logits: Tensor, labels: Tensor, folds: Tensor | None) -> int:
    """Training images that are answered rightly: by their class, or by every label of theirs."""
    if labels.ndim == 1:
        return int((logits.argmax(1) == labels).sum())
    return every_label_right(logits, labels, folds, labels)


def every_label_right(logits: Tensor, labels: Tensor, folds: Tensor | None, practised: Tensor) -> int:
    """How many images have every label told rightly, by thresholds of training images out of fold.

    Args:
        logits: (N, C).
        labels: (N, C) of 0 and 1, NaN where a label is not known, which then counts for nothing.
        folds: (P, C) logits of training images, out of fold; None: too few.
        practised: (P, C) labels of these.
    """
    thresholds = choose_thresholds(None if folds is None else folds.numpy(), practised.numpy())
    return int(all_right(logits.numpy() >= thresholds, labels.numpy()).sum())


def _recomputed_logits(task: TrainingTask, network: Network, proof: HeadProof, logits: Tensor) -> Tensor:
    """Let the backbone, in single precision, see the test images that a rough engine leaves open.

    What the network will say of an image later must be what the test says now; only an image whose
    two best classes are nearer than half precision is exact can be told otherwise. The first of them
    were seen for the proof.

    Args:
        proof: what its heads say is what the network says.
        logits: (N, C) of these heads by the features of the bank; the rows looked at are written over.
    """
    order = proof.order[: int(task.rows("test").sum())]  # (E,)
    test = [task.manifest.images[row] for row in order.tolist()]
    several = task.manifest.is_multi_label
    margins = _margins(logits[order], several=several)
    size = max(1, task.config.batch_size // 2)  # a number is twice as large: no more memory than before
    builder = BankBuilder(proof.extractor, folder=task.features_folder, expected=len(test), batch_size=size)
    worst, start = 0.0, 0
    builder.learn([one.sha256 for one in test[:_PROOF_IMAGES]], proof.features[: len(test)])
    while start < len(test) and (start == 0 or float(margins[start]) <= _SURELY * worst):
        part = slice(start, start + max(_PROOF_IMAGES, start // 4))  # growing: each is a round trip
        rows, said = order[part], logits[order[part]]
        exactly = proof.heads.logits(_seen(task, network, builder, test[part]))
        if not several:
            exactly -= (exactly - said).mean(dim=1, keepdim=True)  # a lifted head says more of all
        worst = max(worst, float((exactly - said).abs().max()))
        logits[rows] = exactly
        start += len(rows)
    return logits


def _seen(
    task: TrainingTask, network: Network, builder: BankBuilder, images: Sequence[ImageRecord]
) -> Tensor:
    return fill_bank(
        builder,
        [image.sha256 for image in images],
        lambda number: task.prepared(images[number], network),
        folder=task.features_folder,
    ).features


def split_logits(task: TrainingTask, part: str, logits: Tensor) -> SplitLogits:
    """One part of the images, with what was answered: (P, C) logits."""
    images = tuple(image for image in task.manifest.images if image.part == part)
    return SplitLogits(
        files=[image.file for image in images],
        sha256s=[image.sha256 for image in images],
        labels=task.labels(images).numpy(),
        logits=logits.numpy(),
    )


def features_of(
    task: TrainingTask, site: HeadSite, network: Network, rows: Sequence[int], *, flip: bool
) -> NDArray[np.float32] | None:
    """(M, D) features by the network as it is now, of rows of the manifest; None: they cannot be caught."""
    try:
        extractor = Extractor(network, site, exact(choose_engine()), flip=flip)
    except HeadNotFound:
        return None
    images, size = task.manifest.images, task.config.batch_size
    parts = [
        extractor.features(
            np.stack([task.prepared(images[row], network) for row in rows[start : start + size]])
        )
        for start in range(0, len(rows), size)
    ]
    return np.asarray(torch.cat(parts).numpy())
