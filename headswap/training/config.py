"""How a head is trained: the choices and their defaults. Loads no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from headswap.errors import BadSetting
from headswap.field_types import check_fields, keys_on_disk
from headswap.network import CropMode

Depth = Literal["head", "norms", "last", "everything", "auto"]
Moving = Literal["norms", "last", "everything"]  # what one try lets move, next to the head
Norms = Literal["frozen", "recalibrate", "train"]
HeadKind = Literal["last", "wide"]  # what a head reads: the last features, or every block too
HeadChoice = Literal["last", "wide", "auto"]  # auto: cross-validation chooses


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How the backbone is trained after the head is solved. The defaults work."""

    __pydantic_config__ = keys_on_disk(epochs="passes")

    epochs: int = 20  # over the training images, in the run that is kept
    learning_rate: float | None = None  # peak, of the head; None: chosen by a small search
    stage_decay: float = 0.7  # each stage moves at this share of the rate of the one above it
    last_share: float = 0.25  # "last" is the topmost stages that hold at least this share of the backbone
    batch_size: int = 32  # images of one step
    warm_up: float = 0.1  # share of the steps in which a stage's rate rises from 0
    release: float = 0.2  # share of the epochs over which the stages begin to move, from the top
    weight_decay: float = 0.01  # of matrices and filters; never of norms and biases
    clip_norm: float = 1.0  # longest gradient of one step
    norms: Norms = "frozen"  # statistics of BatchNorm: as pretrained; measured again after an epoch; drifting
    least_crop: float = 0.35  # share of an image that a training crop shows at least; 1: no crops
    flip: bool = True  # half of the training images are flipped
    label_smoothing: float = 0.1  # share of each label that is spread over all classes
    mixup: float = 0.0  # alpha of mixing two images; 0: none
    aux_weight: float = 0.0  # of auxiliary heads, which begin at random; 0: switched off; 0.3 is usual
    patience: int = 6  # epochs without gain on the validation part before a run ends, in its second half
    crops: int = 6  # of each image, kept where only the last blocks learn and the rest runs once
    validation_share: float = 0.25  # of the training part, held back while choosing
    confirmations: int = 2  # validation parts on which the winner of the search is tried in full
    checkpoint_every_s: float = 10.0  # an epoch that ends sooner after the last checkpoint writes none

    def __post_init__(self) -> None:
        check_fields(self)
        rate = self.learning_rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise BadSetting(f"learning_rate is {rate}.", remedy="Choose a number above 0, such as 0.001.")
        _check_counts(self)
        _check_shares(self)
        if not 0 < self.clip_norm < math.inf:
            raise BadSetting(f"clip_norm is {self.clip_norm}.", remedy="Choose a number above 0, such as 1.")
        if not 0.05 <= self.validation_share <= 0.5:
            raise BadSetting(
                f"validation_share is {self.validation_share}.", remedy="Choose 0.05 to 0.5, such as 0.25."
            )
        if not 1 <= self.confirmations <= 10:
            raise BadSetting(f"confirmations is {self.confirmations}.", remedy="Choose 1 to 10.")


def _check_counts(config: FinetuneConfig) -> None:
    for name, least, most in (
        ("epochs", 1, 1000),
        ("batch_size", 2, 1024),
        ("patience", 1, 1000),
        ("crops", 2, 100),
    ):
        if not least <= getattr(config, name) <= most:
            raise BadSetting(f"{name} is {getattr(config, name)}.", remedy=f"Choose {least} to {most}.")


def _check_shares(config: FinetuneConfig) -> None:
    for name in ("stage_decay", "last_share", "least_crop"):
        if not 0 < getattr(config, name) <= 1:
            raise BadSetting(f"{name} is {getattr(config, name)}.", remedy="Choose more than 0, at most 1.")
    for name in ("warm_up", "release", "label_smoothing"):
        if not 0 <= getattr(config, name) < 1:
            raise BadSetting(f"{name} is {getattr(config, name)}.", remedy="Choose 0 or more, below 1.")
    for name in ("weight_decay", "mixup", "aux_weight", "checkpoint_every_s"):
        if not 0 <= getattr(config, name) < math.inf:
            raise BadSetting(f"{name} is {getattr(config, name)}.", remedy="Choose 0 or more.")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the new head is trained. The defaults work."""

    __pydantic_config__ = keys_on_disk(
        flip="mirror", crop_mode="fit", l2_grid="strengths", l2="strength", finetune="further"
    )

    depth: Depth = "head"  # what may move; "auto" goes beyond the head only where validation says so
    # what the head reads; the wide one where it is clearly better, and in a tie of few images
    head: HeadChoice = "auto"
    budget_s: float | None = None  # seconds for the whole run; the best found by then is kept
    flip: bool = False  # answers are the mean over image and flipped image, twice the backbone's time
    crop_mode: CropMode | None = None  # how an image fills the frame; None: as the network's makers did it
    px: int | None = None  # side of the square image that the network sees; None: as its makers chose it
    # L2 penalties tried; the best by cross-validation. Ridge regression solves a wide head on at most 1,500
    # images that are fewer than its features, and any head with guesses for unlabeled images: there a penalty
    # is a fraction of the mean squared length of an image, and these defaults stand for a finer grid of its
    # own. Elsewhere, in logistic regression, it is the factor of |W|²/2 next to the mean loss of an image.
    l2_grid: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    l2: float | None = None  # the penalty to take, in that unit, as an earlier run chose it; None: the best
    folds: int = 4  # of that cross-validation
    batch_size: int = 16  # images a backbone sees at once; more is slower on processors
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)  # when `depth` is more than the head
    keep_features: bool = True  # in the bundle, so that classes can be changed later without the images

    @property
    def chooses_preprocessing(self) -> bool:
        """Whether cross-validation chooses how images are prepared (docs/decisions/0007-views.md)."""
        return self.depth == "auto" and self.crop_mode is None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.budget_s is not None and not 0 < self.budget_s < math.inf:
            raise BadSetting(f"budget_s is {self.budget_s}.", remedy="Choose seconds above 0, such as 120.")
        if not self.l2_grid or not all(0 < one < math.inf for one in self.l2_grid):
            raise BadSetting(f"l2_grid is {self.l2_grid}.", remedy="Give one or more numbers above 0.")
        if self.l2 is not None and not 0 < self.l2 < math.inf:
            raise BadSetting(f"l2 is {self.l2}.", remedy="Give a number above 0, such as 0.1.")
        if self.px is not None and not 16 <= self.px <= 1024:
            raise BadSetting(f"px is {self.px}.", remedy="Choose 16 to 1024, such as 160.")
        if self.folds < 2:
            raise BadSetting(f"folds is {self.folds}.", remedy="Choose 2 or more.")
        if not 1 <= self.batch_size <= 1024:
            raise BadSetting(f"batch_size is {self.batch_size}.", remedy="Choose 1 to 1024.")


# What a run found out about this machine and these images, so that it can be repeated exactly. Everything
# else of a run follows from its settings and its seed.
@dataclass(frozen=True, kw_only=True)
class ReplayedChoices:
    """Choices that were measured; a repeated run takes them as they are."""

    __pydantic_config__ = keys_on_disk(l2="strength", epochs="passes", crop_mode="fit", flip="mirror")

    engine: str  # what ran the backbone
    threads: int  # of torch
    l2: float | None  # the penalty that cross-validation chose; None: trained by gradient
    depth: Depth = "head"  # what moved in the end
    learning_rate: float | None = None  # when more than the head moved
    epochs: int | None = None  # that were planned for it
    parts: int | None = None  # validation parts on which it was tried
    crop_mode: CropMode | None = None  # how images filled the frame; None: as the network's makers did it
    flip: bool | None = None  # whether flipped images were seen too; None: as the settings say
    head: HeadKind | None = None  # what the head reads; None: the last features, in a run of an older version
    processes: int = 1  # that made each run of fine-tuning together
    unlabeled: str = ""  # sha256 over those of the images that the head guessed; empty: it guessed none

    def __post_init__(self) -> None:
        check_fields(self)


def replayed(config: TrainConfig, replay: ReplayedChoices) -> TrainConfig:
    """The settings with nothing left to chance: no search for depth or rate, no clock."""
    finetune = config.finetune
    if replay.learning_rate is not None:
        finetune = replace(
            finetune,
            learning_rate=replay.learning_rate,
            epochs=replay.epochs or finetune.epochs,
            confirmations=replay.parts or finetune.confirmations,
        )
    return replace(
        config,
        depth=replay.depth,
        l2=replay.l2,
        budget_s=None,
        finetune=finetune,
        crop_mode=replay.crop_mode or config.crop_mode,
        flip=config.flip if replay.flip is None else replay.flip,
        head="last" if replay.head is None else config.head,
    )
