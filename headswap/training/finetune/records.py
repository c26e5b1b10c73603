"""What one run of fine-tuning works on, and what it learned: records only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor

from headswap.cluster.ranks import ALONE, Ranks
from headswap.features.engines import Engine
from headswap.training.config import FinetuneConfig, Moving
from headswap.training.finetune.checkpoint import EpochResult, Stopped
from headswap.training.finetune.frozen_prefix import FrozenPrefix
from headswap.training.finetune.modes import training_engine


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What one run does."""

    depth: Moving
    learning_rate: float  # peak, of the head
    epochs: int  # where the cosine ends
    stop_after: int  # the epoch after which the run ends; at most `epochs`


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run before it begins."""

    run_config: RunConfig
    part: int | None  # the validation part that it is judged on; None: it trains on all training images

    @property
    def name(self) -> str:
        """Of the folder of its checkpoints."""
        run = self.run_config
        part = "all" if self.part is None else f"part{self.part}"
        return f"{part}-{run.depth}-{run.learning_rate:g}-{run.epochs}-{run.stop_after}"


@dataclass(frozen=True, eq=False, kw_only=True)
class FinetuneTask:
    """What one run works on; rows are those of its images."""

    run_config: RunConfig
    config: FinetuneConfig
    learn: Tensor  # (N,) rows to train on
    watch: Tensor  # (V,) rows to choose by; empty: the last epoch is the best
    labels: Tensor  # (rows of the images,) int64; or (rows, C) of 0 and 1 where they may have several
    seed: int
    folder: Path | None = None  # for checkpoints; None: none
    engine: Engine = field(default_factory=training_engine)
    flip: bool = False  # answers are the mean over image and flipped image
    ranks: Ranks = ALONE  # the processes that make this run together
    top: FrozenPrefix | None = None  # filled, when only the last blocks move; None: images go all the way


@dataclass(frozen=True, eq=False, kw_only=True)
class FinetunedRun:
    """What a run learned; its best weights are in the network."""

    run_config: RunConfig
    stopped: Stopped
    history: tuple[EpochResult, ...]
    best_epoch: int  # 0: the solved head was never beaten
    start: Tensor  # (V, C) logits of the solved head on the validation part
    best: Tensor  # (V, C) of the best weights
    last: Tensor  # (V, C) of the last epoch
    weights: dict[str, Tensor]  # the best, of all that moved

    @property
    def is_whole(self) -> bool:
        """Whether it went the whole way, so that its last epoch may be judged without having been chosen."""
        return self.stopped == "done" and self.best_epoch > 0

    @property
    def judged(self) -> Tensor:
        """(V, C) logits to judge the settings by: choosing the best of many epochs flatters them."""
        return self.last if self.is_whole else self.best

    @property
    def judged_epoch(self) -> int:
        """The epoch that gave these logits."""
        return len(self.history) if self.is_whole else self.best_epoch


Answer = Callable[[Tensor], Tensor]  # rows of the images -> (n, C) logits of the network as it is now
OnEpoch = Callable[[EpochResult, Answer], None]
Tick = Callable[[int], None]  # images trained on since the last tick; may raise Cancelled


class Runs(Protocol):
    """Who makes the runs of a search: this process, or a crew. What comes of a run is the same."""

    def fill(self, depths: frozenset[Moving], tick: Tick) -> bool:
        """Get ready for runs in which so much moves; whether there was time for it."""
        ...

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        """These will be asked for, probably and in this order; what was begun before and is not over ends."""
        ...

    def run(self, planned: PlannedRun, *, tick: Tick, on_epoch: OnEpoch | None = None) -> FinetunedRun:
        """Make a run. One on all training images leaves its best weights in the network.

        Args:
            planned: which one.
            tick: hears of the images that any run has trained on; may raise.
            on_epoch: hears of each epoch.
        """
        ...

    def close(self) -> None:
        """End what was begun and is not over."""
        ...
