"""The exam that a taught head sits.

Flow:  solved heads + FeatureBank --taught_of--> Taught: every exam picture's logits, and the practice part's
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headswap.evaluation.build import Sitting
from headswap.features.bank import FeatureBank, Filling
from headswap.features.body import Body
from headswap.features.engines import choose_engine, exact
from headswap.heads.site import HeadSite
from headswap.network import Network
from headswap.training.lesson import Lesson, Taught
from headswap.training.linear_head import LinearHeads

_WORTH_FOLDING = 200  # exam pictures; most often the first few say enough
_SURELY = 2.0  # times the largest change seen: two logits may move towards each other


def taught_of(
    lesson: Lesson, network: Network, site: HeadSite, heads: LinearHeads, bank: FeatureBank
) -> Taught:
    """What a head that was proved in its network knows: its exam, and its practice by cross-validation."""
    logits = heads.logits(bank.features)
    if "float32" not in bank.engine:
        logits = _looked_at_again(lesson, network, site, heads, logits)
    practice, exam = lesson.rows("train"), lesson.rows("test")
    labels = lesson.labels(lesson.manifest.pictures)
    folds = heads.fold_logits
    return Taught(
        site=site,
        exam=sitting(lesson, "test", logits[exam]),
        practice=None if folds is None else sitting(lesson, "train", folds),
        practice_right=int((logits[practice].argmax(1) == labels[practice]).sum()),
        engine=bank.engine,
        strength=heads.solved[0].strength,
        input=network.input,
        mirror=lesson.config.mirror,
    )


def _looked_at_again(
    lesson: Lesson, network: Network, site: HeadSite, heads: LinearHeads, logits: Tensor
) -> Tensor:
    """Let the body, in single precision, see the exam pictures that half precision leaves open.

    What the network will say of a picture later must be what the exam says now; only a picture whose
    two best classes are nearer than half precision is exact can be told otherwise. What it saw
    is kept beside the other features, for the next run.

    Args:
        heads: proved to be what the network answers.
        logits: (N, C) by the features of the bank.
    """
    pictures, size = lesson.manifest.pictures, lesson.config.batch_size
    few = max(1, size // 2)  # a number is twice as large as in half precision: no more memory than before
    exam = torch.nonzero(lesson.rows("test")).flatten()
    engine = replace(exact(choose_engine()), folded=len(exam) > _WORTH_FOLDING)
    body = Body(network, site, engine, mirror=lesson.config.mirror)
    filling = Filling(body, folder=lesson.features_folder, expected=len(exam), batch_size=few)

    def said(rows: Sequence[int]) -> Tensor:
        while lacking := [row for row in rows if filling.lacks(pictures[row].sha256)]:
            for row in lacking:  # once more when the engine has fallen back: what it knew is of another one
                filling.add(pictures[row].sha256, lesson.prepared(pictures[row], network))
            filling.catch_up()
        return heads.logits(filling.bank([pictures[row].sha256 for row in rows]).features)

    best = logits[exam].topk(2, dim=1).values  # (E, 2)
    order = exam[(best[:, 0] - best[:, 1]).argsort()]  # the most undecided first
    margins = (best[:, 0] - best[:, 1]).sort().values
    logits = logits.clone()
    worst, start = 0.0, 0
    while start < len(order) and (not start or float(margins[start]) <= _SURELY * worst):
        rows = order[start : start + max(size, start // 4)]  # growing: each part reads the kept ones again
        exactly = said(rows.tolist())
        exactly -= (exactly - logits[rows]).mean(dim=1, keepdim=True)  # a lifted head says more of all
        worst = max(worst, float((exactly - logits[rows]).abs().max()))
        logits[rows] = exactly
        start += len(rows)
    return logits


def sitting(lesson: Lesson, part: str, logits: Tensor) -> Sitting:
    """One part of the pictures, with what was answered: (P, C) logits."""
    pictures = tuple(picture for picture in lesson.manifest.pictures if picture.part == part)
    return Sitting(
        files=[picture.file for picture in pictures],
        sha256s=[picture.sha256 for picture in pictures],
        labels=lesson.labels(pictures).numpy(),
        logits=logits.double().numpy(),
    )
