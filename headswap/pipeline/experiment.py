"""Every choice of a run in one frozen record that goes to JSON and back. Loads no torch.

The page and the shell both fill an `Experiment`; nothing else configures a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headswap.errors import BadSetting
from headswap.field_types import check_fields, keys_on_disk
from headswap.training.config import ReplayedChoices, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and how many are locked away."""

    source: str  # a folder, a zip, or a dataset.json that the page made
    test_share: float = 0.2  # locked away for the test, in (0, 0.9]
    seed: int = 0  # drives the split, the folds and the shuffle of the training
    unlabeled: str | None = None  # images without a label, as `source`; for training only

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.test_share <= 0.9:
            raise BadSetting(
                f"The test share is {self.test_share}.",
                remedy="Choose more than 0 and at most 0.9, such as 0.2.",
            )
        if not 0 <= self.seed < 2**32:
            raise BadSetting(
                f"The seed is {self.seed}.", remedy="Choose a whole number from 0 to 4294967295."
            )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run, whole: the same record on the same machine gives the same head."""

    __pydantic_config__ = keys_on_disk(train="teach")

    data: DataConfig  # which images, and their parts
    model: str = DEFAULT_MODEL  # an architecture, or "package.module:factory"
    weights: str | None = None  # the person's own weight file
    head_path: str | None = None  # the person's own choice of layer; None: found
    train: TrainConfig = field(default_factory=TrainConfig)  # how it is trained
    replay: ReplayedChoices | None = (
        None  # what an earlier run measured, to repeat it exactly; None: measured again
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.weights:
            from headswap.data.remote import refuse_address  # loads Pillow, which the shell starts without

            refuse_address(self.weights, "A weight file")
