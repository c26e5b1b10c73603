"""Where a run of fine-tuning stands, on disk: kill it, and the next one goes on as if nothing was.

    run/
      00006/              the one before, for the day that the last one turns out damaged
      00007/              the last epoch that was kept, sealed
        state.json        what was counted
        tensors.safetensors   what moves, its best form, the optimizer's memory, the random generators

A new checkpoint is sealed before an old one goes. No pickles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from safetensors.torch import load, save
from torch import Tensor

from headswap.errors import BundleDamaged
from headswap.field_types import keys_on_disk
from headswap.storage.files import (
    check_seal,
    drop,
    from_json,
    sealed_folder,
    sweep_drafts,
    to_json,
    write_bytes,
    write_text,
)

Stopped = Literal["", "done", "early", "time", "diverged"]
STOPPED: tuple[Stopped, ...] = get_args(Stopped)
_STATE, _TENSORS = "state.json", "tensors.safetensors"
_KEPT_BEFORE = 1  # whole checkpoints next to the newest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch over the training images."""

    number: int  # from 1
    of: int
    loss: float  # mean over the epoch
    right: int  # of the training images, cropped and flipped as they were
    total: int


@dataclass(frozen=True, kw_only=True)
class RunCounters:
    """What a run has counted."""

    __pydantic_config__ = keys_on_disk(best_epoch="best_pass")

    stopped: Stopped  # "": it goes on
    history: tuple[EpochResult, ...]
    best_epoch: int  # 0: the solved head it began with
    seconds: float
    scale: float  # of the loss, in half precision
    growth: int


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A state with its tensors."""

    state: RunCounters
    tensors: dict[str, Tensor]


def pack(checkpoint: Checkpoint) -> bytes:
    """As it goes from process to process."""
    state = to_json(checkpoint.state).encode()
    return len(state).to_bytes(8, "big") + state + save(checkpoint.tensors)


def unpack(content: bytes) -> Checkpoint:
    """What `pack` packed."""
    end = 8 + int.from_bytes(content[:8], "big")
    return Checkpoint(from_json(RunCounters, content[8:end]), load(content[end:]))


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Seal a new checkpoint, then let all but the one before it go.

    On a cluster whose head died a process may go on for a minute that another has taken the place of; both
    write states of the same run, so whichever is the newest will do.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in checkpoint.tensors.items()}
    while True:
        older = _checkpoints(folder)
        number = int(older[-1].name) + 1 if older else 1
        try:
            with sealed_folder(folder / f"{number:05}") as draft:
                write_bytes(draft / _TENSORS, save(tensors))
                write_text(draft / _STATE, to_json(checkpoint.state))
            break
        except FileExistsError:  # the other one was quicker
            continue
    for old in older[:-_KEPT_BEFORE]:
        drop(old)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint; a damaged one is passed over, and the log says so. None: there is none."""
    if not folder.is_dir():
        return None
    sweep_drafts(folder)
    for saved in reversed(_checkpoints(folder)):
        try:
            check_seal(saved)
            state: RunCounters = from_json(RunCounters, (saved / _STATE).read_bytes())
        except BundleDamaged as error:
            logger.warning("checkpoint %s is damaged (%s); the one before it is used", saved.name, error)
            drop(saved)
            continue
        return Checkpoint(state, load((saved / _TENSORS).read_bytes()))
    return None


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.name.isdigit() and path.is_dir())
