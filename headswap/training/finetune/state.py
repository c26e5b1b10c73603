"""Where a run of fine-tuning stands: epochs so far, the best of them, and when to stop.

The solved head that a run begins with is epoch 0 and takes part, so a run can only gain on
the validation part. Without a validation part the last epoch is the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from headswap.training.finetune.checkpoint import Checkpoint, EpochResult, RunCounters, Stopped
from headswap.training.finetune.compare import score_held_out

_HOPELESS = 20.0  # times the loss of guessing: a rate that brings an epoch there will not come back


@dataclass(eq=False, kw_only=True)
class RunState:
    """Changes with every epoch."""

    labels: Tensor  # (V,) of the validation part, or (V, C)
    start: Tensor  # (V, C) logits of the solved head on it
    moving: Mapping[str, Tensor]  # what changes, as it is now; not copies
    stopped: Stopped = ""
    history: list[EpochResult] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.logits = self.last = self.start  # (V, C) of the best epoch, of the last
        self.best = copied(self.moving)

    def add(self, logits: Tensor, loss: float, right: int, total: int, *, patience: int, last: int) -> None:
        """An epoch is over.

        Args:
            logits: (V, C) of the network as it is now.
            loss, right, total: of the training images, while it moved.
            patience: epochs without gain after which the run ends, but not before half of it is over:
                while the rates are high a good run is often worse than the solved head.
            last: the epoch after which it ends anyway.
        """
        number, self.last = len(self.history) + 1, logits
        now = (
            score_held_out(logits, self.labels) if len(self.labels) and torch.isfinite(logits).all() else None
        )
        answers = logits.shape[1]  # a label has two answers of its own
        guessing = max(1.0, math.log(answers) if self.labels.ndim == 1 else answers * math.log(2))
        if loss > _HOPELESS * guessing or not torch.isfinite(logits).all():
            self.stopped = "diverged"
        elif now is None or now.loss < score_held_out(self.logits, self.labels).loss:
            self.best_epoch, self.logits, self.best = number, logits, copied(self.moving)
        elif number - max(self.best_epoch, last // 2) >= patience:
            self.stopped = "early"
        if not self.stopped and number >= last:
            self.stopped = "done"
        self.history.append(EpochResult(number=number, of=last, loss=loss, right=right, total=total))

    @torch.no_grad()
    def put_best(self) -> None:
        """The network is the best one again."""
        for name, value in self.moving.items():
            value.copy_(self.best[name])

    def to_checkpoint(self, more: Mapping[str, Tensor], scale: Mapping[str, float]) -> Checkpoint:
        """The state as a checkpoint, with what else has to be kept."""
        state = RunCounters(
            stopped=self.stopped,
            history=tuple(self.history),
            best_epoch=self.best_epoch,
            seconds=self.seconds,
            scale=float(scale.get("scale", 1.0)),
            growth=int(scale.get("_growth_tracker", 0)),
        )
        tensors = {f"moving/{name}": value for name, value in self.moving.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        answers = {"start": self.start, "logits": self.logits, "last": self.last}
        return Checkpoint(state, {**tensors, **more, **answers})

    @torch.no_grad()
    def from_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint."""
        state, tensors = checkpoint.state, checkpoint.tensors
        self.stopped, self.history, self.best_epoch = state.stopped, list(state.history), state.best_epoch
        self.seconds = state.seconds
        self.start, self.logits, self.last = tensors["start"], tensors["logits"], tensors["last"]
        for name, value in self.moving.items():
            value.copy_(tensors[f"moving/{name}"])
            self.best[name].copy_(tensors[f"best/{name}"])


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of every tensor a copy of its own."""
    return {name: value.detach().clone() for name, value in tensors.items()}
