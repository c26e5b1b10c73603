"""Teach the new head of a network: body once over the pictures, swap, solve, install, prove.

Flow:  Network + Lesson --teach_head--> the same network with a taught head, and Taught

When a linear solution is not what the head computes (a norm after it, a distance, a bare
parameter), the proof says so and the head is taught by gradient through the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.intake import Intake, reread
from headswap.data.manifest import Manifest, Picture
from headswap.data.transforms import prepare, wanted_px
from headswap.evaluation.build import Sitting
from headswap.events import Listener, Note, silent
from headswap.features.bank import FeatureBank, fill_bank
from headswap.features.body import Body
from headswap.features.engines import choose_engine, exact
from headswap.heads.detect import find_head
from headswap.heads.site import HeadSite
from headswap.heads.swap import SwapRecord, swap_head
from headswap.network import Network
from headswap.training.config import TeachConfig
from headswap.training.linear_head import LinearHeads, agree, can_hold, fit_heads, has_bias, install
from headswap.training.show import Show
from headswap.training.through import teach_through

Timing = Callable[[str], AbstractContextManager[None]]
_PROOF_PICTURES = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """What is taught: pictures in their parts, choices, and where features are kept."""

    manifest: Manifest
    intake: Intake
    config: TeachConfig
    features_folder: Path
    head_path: str | None = None  # the person's own choice; None: found
    seed: int = 0

    def prepared(self, picture: Picture, network: Network) -> NDArray[np.uint8]:
        """A picture as the network wants it: from memory, or read again when memory was full."""
        ready = self.intake.prepared.get(picture.sha256)
        if ready is not None:
            return ready
        return prepare(reread(self.manifest, picture, wanted_px=wanted_px(network.input)), network.input)

    def labels(self, pictures: tuple[Picture, ...]) -> Tensor:
        """(N,) int64."""
        numbers = {name: number for number, name in enumerate(self.manifest.classes)}
        return torch.tensor([numbers[picture.class_name] for picture in pictures])


@dataclass(frozen=True, eq=False, kw_only=True)
class Taught:
    """What teaching learned, beside the network itself."""

    site: HeadSite  # of the new head
    exam: Sitting  # exam pictures with the taught network's logits
    practice: Sitting | None  # practice pictures judged by heads that never saw them
    practice_right: int  # by the final head
    engine: str
    strength: float | None  # None: taught by gradient


def teach_head(lesson: Lesson, network: Network, *, timing: Timing, listener: Listener = silent) -> Taught:
    """Replace and teach the head of a network, in place.

    Args:
        lesson: pictures and choices.
        network: pretrained; ends with the taught head.
        timing: takes the seconds of the steps "load", "features" and "head".
        listener: hears progress, passes and guesses.
    """
    with timing("load"):
        site = find_head(network, path=lesson.head_path)
    classes = len(lesson.manifest.classes)
    if not can_hold(network.module, site, site.num_classes):
        with timing("head"):
            return _by_gradient(lesson, network, swap_head(network, classes, site=site), listener)
    with timing("features"):
        bank = _bank(lesson, network, site, listener)
    with timing("head"):
        record = swap_head(network, classes, site=site)
        heads = _solve(lesson, network, record.site, bank, listener)
        proved = _install(lesson, network, record.site, heads, bank)
        if proved is None:
            return _by_gradient(lesson, network, record, listener)
        return _taught(lesson, record.site, proved, bank)


def _bank(lesson: Lesson, network: Network, site: HeadSite, listener: Listener) -> FeatureBank:
    pictures = lesson.manifest.pictures
    return fill_bank(
        Body(network, site, choose_engine()),
        [picture.sha256 for picture in pictures],
        lambda number: lesson.prepared(pictures[number], network),
        folder=lesson.features_folder,
        batch_size=lesson.config.batch_size,
        listener=listener,
    )


def _rows(lesson: Lesson, part: str) -> Tensor:
    """Which rows of the bank belong to a part."""
    return torch.tensor([picture.part == part for picture in lesson.manifest.pictures])


def _solve(
    lesson: Lesson, network: Network, site: HeadSite, bank: FeatureBank, listener: Listener
) -> LinearHeads:
    practice, exam = lesson.manifest.part("train"), lesson.manifest.part("test")
    features = bank.features[_rows(lesson, "train")]
    labels = lesson.labels(practice)
    show = Show(
        lesson.manifest.classes,
        (features, labels),
        (bank.features[_rows(lesson, "test")], lesson.labels(exam)),
        [picture.file for picture in exam],
        listener,
    )
    heads = fit_heads(
        features,
        labels,
        site,
        num_classes=len(lesson.manifest.classes),
        has_bias=has_bias(network.module, site),
        config=lesson.config,
        groups=[picture.group for picture in practice],
        seed=lesson.seed,
        watch=show.watch,
    )
    show.finish(heads.logits)
    return heads


def _install(
    lesson: Lesson, network: Network, site: HeadSite, heads: LinearHeads, bank: FeatureBank
) -> LinearHeads | None:
    """Write the solution into the network and prove it on pictures; None: the head is not linear."""
    few = lesson.manifest.pictures[:_PROOF_PICTURES]
    pictures = np.stack([lesson.prepared(picture, network) for picture in few])
    largest = float(heads.logits(bank.features).abs().max())
    for lift in (0.0, 10.0 * max(largest, 1.0)):  # the second for a ReLU behind the head
        if lift and not all(has_bias(network.module, site)):
            break
        install(network.module, site, heads, lift=lift)
        features, logits = Body(network, site, exact(choose_engine())).look(pictures)
        proved = agree(heads, features, logits)
        if proved is not None:
            return proved
    return None


def _taught(lesson: Lesson, site: HeadSite, heads: LinearHeads, bank: FeatureBank) -> Taught:
    logits = heads.logits(bank.features)
    practice, exam = _rows(lesson, "train"), _rows(lesson, "test")
    labels = lesson.labels(lesson.manifest.pictures)
    folds = heads.fold_logits
    return Taught(
        site=site,
        exam=_sitting(lesson, "test", logits[exam]),
        practice=None if folds is None else _sitting(lesson, "train", folds),
        practice_right=int((logits[practice].argmax(1) == labels[practice]).sum()),
        engine=bank.engine,
        strength=heads.solved[0].strength,
    )


def _by_gradient(lesson: Lesson, network: Network, record: SwapRecord, listener: Listener) -> Taught:
    """Teach a head that no linear solution fits, by gradient through the frozen network."""
    listener(Note("This head is more than one linear layer, so it is taught by gradient; that takes longer."))
    practice, exam = lesson.manifest.part("train"), lesson.manifest.part("test")

    def batch(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
        return np.stack([lesson.prepared(picture, network) for picture in pictures])

    answers = teach_through(
        network,
        record.site,
        batch,
        practice,
        lesson.labels(practice),
        exam,
        lesson.labels(exam),
        config=lesson.config,
        seed=lesson.seed,
        listener=listener,
    )
    return Taught(
        site=record.site,
        exam=_sitting(lesson, "test", answers.exam),
        practice=None,
        practice_right=int((answers.practice.argmax(1) == lesson.labels(practice)).sum()),
        engine=answers.engine,
        strength=None,
    )


def _sitting(lesson: Lesson, part: str, logits: Tensor) -> Sitting:
    pictures = tuple(picture for picture in lesson.manifest.pictures if picture.part == part)
    return Sitting(
        files=[picture.file for picture in pictures],
        sha256s=[picture.sha256 for picture in pictures],
        labels=lesson.labels(pictures).numpy(),
        logits=logits.double().numpy(),
    )
