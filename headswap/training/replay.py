"""What a run found out about this machine and these pictures, so that it can be repeated exactly.

    Replay: engine, threads, penalty, and how far the network went

Everything else of a run follows from its settings and its seed. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headswap.field_types import check_fields
from headswap.network import Fit
from headswap.training.config import Depth, TrainConfig


@dataclass(frozen=True, kw_only=True)
class ReplayedChoices:
    """Choices that were measured; a repeated run takes them as they are."""

    engine: str  # what ran the body
    threads: int  # of torch
    strength: float | None  # the penalty that cross-validation chose; None: taught by gradient
    depth: Depth = "head"  # what moved in the end
    learning_rate: float | None = None  # when more than the head moved
    passes: int | None = None  # that were planned for it
    parts: int | None = None  # validation parts on which it was tried
    fit: Fit | None = None  # how pictures filled the frame; None: as the network's makers did it
    mirror: bool | None = None  # whether mirrored pictures were seen too; None: as the settings say

    def __post_init__(self) -> None:
        check_fields(self)


def replayed(config: TrainConfig, replay: ReplayedChoices) -> TrainConfig:
    """The settings with nothing left to chance: no search for depth or rate, no clock."""
    further = config.further
    if replay.learning_rate is not None:
        further = replace(
            further,
            learning_rate=replay.learning_rate,
            passes=replay.passes or further.passes,
            confirmations=replay.parts or further.confirmations,
        )
    return replace(
        config,
        depth=replay.depth,
        strength=replay.strength,
        budget_s=None,
        further=further,
        fit=replay.fit or config.fit,
        mirror=config.mirror if replay.mirror is None else replay.mirror,
    )
