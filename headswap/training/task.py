"""What is trained and what came of it: the records that the steps of training hand on.

TrainingTask --begin--> TrainedHead --run_finetuning--> TrainingResult
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.ingest import IngestedImages
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.store import bytes_of, reread
from headswap.data.transforms import prepare, wanted_px
from headswap.evaluation.evaluate import SplitLogits
from headswap.evaluation.report import FinetuneSummary
from headswap.features.bank import BankBuilder
from headswap.features.stored_images import StoredImages
from headswap.heads.site import HeadSite
from headswap.network import InputSpec, Network
from headswap.training.budget import Budget
from headswap.training.config import HeadKind, TrainConfig
from headswap.training.diagnostics import Diagnostics
from headswap.training.finetune.candidates import RunsElsewhere
from headswap.training.head_choice import FeatureSource
from headswap.training.targets import labels_of


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingTask:
    """What is trained: images in their parts, choices, and where features are kept."""

    manifest: Manifest
    intake: IngestedImages
    config: TrainConfig
    features_folder: Path
    head_path: str | None = None  # the person's own choice; None: found
    seed: int = 0
    prepared_for: InputSpec | None = None  # how the images of the intake were prepared; None: as now
    budget: Budget = field(default_factory=lambda: Budget(None))
    engine: str | None = None  # what ran the backbone of the run that is repeated; None: the fastest
    head: HeadKind | None = None  # that the run which is repeated chose; None: chosen again
    source: FeatureSource | None = None  # when the head was found while images were decoded
    takes_guesses: bool | None = None  # as in the run that is repeated; None: cross-validation says
    builder: BankBuilder | None = None  # the bank, when features were computed while images were decoded
    checkpoints: Path | None = None  # a folder, for fine-tuning; None: none are written
    runs_elsewhere: RunsElsewhere | None = None  # who makes the runs of fine-tuning; None: this process
    runs_together: RunsElsewhere | None = None  # several processes that make each of them together
    processes: int = 1  # that make each of them

    def prepared(self, image: ImageRecord, network: Network) -> NDArray[np.uint8]:
        """An image as the network wants it: from memory, or read again when memory was full."""
        ready = self.intake.prepared.get(image.sha256)
        if ready is not None and self.prepared_for in (None, network.input):
            return ready
        return prepared_from(self.manifest, image, network)

    def stored(self, network: Network) -> StoredImages:
        """All images, for the bank of a network's features."""
        images = self.manifest.images
        return StoredImages(
            prepared=lambda number: self.prepared(images[number], network),
            encoded=lambda number: bytes_of(self.manifest, images[number]),
            are_in_memory=bool(self.intake.prepared) and self.prepared_for in (None, network.input),
        )

    @property
    def unlabeled(self) -> Manifest | None:
        """Images without a label, of no class and no part; None: there are none."""
        return self.intake.unlabeled

    def labels(self, images: tuple[ImageRecord, ...]) -> Tensor:
        """(N,) int64; or (N, C) float32 of 0 and 1 where an image may have several labels."""
        return labels_of(self.manifest, images)

    def rows(self, part: str) -> Tensor:
        """(N,) bool: which images belong to a part, "train" or "test"."""
        return torch.tensor([image.part == part for image in self.manifest.images])


def prepared_from(manifest: Manifest, image: ImageRecord, network: Network) -> NDArray[np.uint8]:
    """An image of a manifest as the network wants it, read again; (H, W, C)."""
    return prepare(reread(manifest, image, wanted_px=wanted_px(network.input)), network.input)


def stored_from(manifest: Manifest, network: Network) -> StoredImages:
    """All images of a manifest, of which none is in memory."""
    images = manifest.images
    return StoredImages(
        prepared=lambda number: prepared_from(manifest, images[number], network),
        encoded=lambda number: bytes_of(manifest, images[number]),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingResult:
    """What training gave, in addition to the network itself."""

    site: HeadSite  # of the new head
    test: SplitLogits  # test images with the trained network's logits
    train: SplitLogits | None  # training images judged by heads that never saw them
    train_right: int  # by the final head
    engine: str
    l2: float | None  # None: trained by gradient
    network: Network  # as it is now, with its head
    flip: bool = False  # answers are the mean over image and flipped image
    preprocessing: str = ""  # what was chosen of how images are prepared, in words; empty: nothing
    head: str = ""  # what was compared for the head to read, in words; empty: nothing
    unlabeled: str = ""  # what came of images without a label, in words; empty: there were none
    guesses: int = 0  # images without a label that the head was solved with
    diagnostics: Diagnostics | None = None  # None: not those of this network
    finetune: FinetuneSummary | None = None  # what came of moving more than the head; None: no one asked
    processes: int = 1  # that moved more than the head together
    logit_offset: float = 0.0  # of the network's logits over the solved head's, where a ReLU follows it

    @property
    def input(self) -> InputSpec:
        """How images were prepared."""
        return self.network.input


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedHead:
    """A trained head, from which fine-tuning may go on."""

    task: TrainingTask  # with the preprocessing that was chosen
    network: Network  # with its input
    trained: TrainingResult
    start: Callable[[Tensor], None]  # trains the head again, on some rows of the manifest only
    only_exact: bool = False  # its numbers are too large for half precision
