"""What is taught and what came of it: the records that the steps of teaching hand on.

Lesson --begin--> Beginning --go_on--> Taught
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.ingest import Intake
from headswap.data.manifest import Manifest, Picture
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.evaluation.evaluate import Sitting
from headswap.evaluation.report import Further
from headswap.features.bank import Filling
from headswap.heads.detect import Located
from headswap.heads.site import HeadSite
from headswap.network import InputSpec, Network
from headswap.training.budget import Budget
from headswap.training.config import TeachConfig
from headswap.training.diagnostics import Study


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """What is taught: pictures in their parts, choices, and where features are kept."""

    manifest: Manifest
    intake: Intake
    config: TeachConfig
    features_folder: Path
    head_path: str | None = None  # the person's own choice; None: found
    seed: int = 0
    prepared_for: InputSpec | None = None  # how the pictures of the intake were prepared; None: as now
    budget: Budget = field(default_factory=lambda: Budget(None))
    engine: str | None = None  # what ran the body of the run that is repeated; None: the fastest
    located: Located | None = None  # the head, when it was found while pictures were decoded
    filling: Filling | None = None  # the bank, when features were computed while pictures were decoded
    checkpoints: Path | None = None  # a folder, for going further than the head; None: none are written

    def prepared(self, picture: Picture, network: Network) -> NDArray[np.uint8]:
        """A picture as the network wants it: from memory, or read again when memory was full."""
        ready = self.intake.prepared.get(picture.sha256)
        if ready is not None and self.prepared_for in (None, network.input):
            return ready
        return prepare(reread(self.manifest, picture, wanted_px=wanted_px(network.input)), network.input)

    def labels(self, pictures: tuple[Picture, ...]) -> Tensor:
        """(N,) int64."""
        numbers = {name: number for number, name in enumerate(self.manifest.classes)}
        return torch.tensor([numbers[picture.class_name] for picture in pictures])

    def rows(self, part: str) -> Tensor:
        """(N,) bool: which pictures belong to a part, "train" or "test"."""
        return torch.tensor([picture.part == part for picture in self.manifest.pictures])


@dataclass(frozen=True, eq=False, kw_only=True)
class Taught:
    """What teaching learned, beside the network itself."""

    site: HeadSite  # of the new head
    exam: Sitting  # exam pictures with the taught network's logits
    practice: Sitting | None  # practice pictures judged by heads that never saw them
    practice_right: int  # by the final head
    engine: str
    strength: float | None  # None: taught by gradient
    input: InputSpec  # how pictures were shown
    mirror: bool = False  # answers are the mean over picture and mirrored picture
    view: str = ""  # what was chosen of these two, in words; empty: nothing
    study: Study | None = None  # what the features say beside; None: they are not those of this network
    further: Further | None = None  # what came of moving more than the head; None: nobody asked


@dataclass(frozen=True, eq=False, kw_only=True)
class Beginning:
    """A taught head, from which a run may go further."""

    lesson: Lesson  # with the view that was chosen
    network: Network  # with its input
    taught: Taught
    start: Callable[[Tensor], None]  # teaches the head anew, on some rows of the manifest only
    only_exact: bool = False  # its numbers are too large for half precision
