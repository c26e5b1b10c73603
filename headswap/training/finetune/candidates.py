"""Try one way of fine-tuning on one validation part, again and again from the same beginning.

Flow:  Candidate + validation part --planned_try--> PlannedRun
           --CandidateRunner.run--> FinetunedRun; the network is put back before each try
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from headswap.cluster.ranks import ALONE, Ranks
from headswap.features.engines import Engine, to_engine
from headswap.heads.site import HeadSite
from headswap.training.budget import Budget
from headswap.training.config import Moving, TrainConfig
from headswap.training.finetune.batches import ImageBatches
from headswap.training.finetune.frozen_prefix import FrozenPrefix, find_frozen_prefix
from headswap.training.finetune.loop import finetune
from headswap.training.finetune.modes import borrowed, own_random, step_s, train_mode
from headswap.training.finetune.plan import ABOVE_THE_CUT, FORWARD, NORMS, Costs, FinetuneCandidate
from headswap.training.finetune.records import (
    FinetunedRun,
    FinetuneTask,
    OnEpoch,
    PlannedRun,
    RunConfig,
    Runs,
    Tick,
)
from headswap.training.finetune.state import copied
from headswap.training.linear.solver import folds_of

_MEASURED = 8  # images


@dataclass(frozen=True, eq=False, kw_only=True)
class FinetuneSetup:
    """A network with a solved head, and what it may train on; rows are those of its images."""

    module: nn.Module  # swapped, with the head solved on all training images
    site: HeadSite
    image_batches: ImageBatches
    train: Tensor  # (N,) rows
    labels: Tensor  # (rows of the images,) int64; or (rows, C) of 0 and 1 where they may have several
    groups: Sequence[int]  # (N,) near duplicates share one
    start: Callable[[Tensor], None]  # installs a head solved on some rows only
    engine: Engine
    config: TrainConfig
    seed: int
    budget: Budget
    folder: Path | None  # for checkpoints; None: none
    flip: bool = False  # answers are the mean over image and flipped image
    elsewhere: RunsElsewhere | None = None  # who makes the runs; None: this process
    together: RunsElsewhere | None = None  # several processes that make each run together; None: no such
    processes: int = 1  # as many as that
    ranks: Ranks = ALONE  # the processes that make these runs together
    leaves_room: bool = True  # whether enough training images are wrong to tell a better way from chance


class CandidateRunner:
    """Holds the network as it was, and puts it back."""

    def __init__(self, setup: FinetuneSetup) -> None:
        self.setup = setup
        self._original = copied(to_engine(setup.module, setup.engine).state_dict())
        count = max(2, round(1 / setup.config.finetune.validation_share))
        labels = setup.labels[setup.train]
        folds = folds_of(labels.numpy(), setup.groups, count, setup.seed)
        self.parts = [] if folds is None else [torch.from_numpy(folds == one) for one in range(count)]
        self.parts = [held for held in self.parts if self._is_usable(held, labels)]
        self.top, self._crops = self._find_top()

    def rows(self, part: int) -> tuple[Tensor, Tensor]:
        """Rows outside a validation part, and in it."""
        held = self.parts[part]
        return self.setup.train[~held], self.setup.train[held]

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        """Nothing: one run is made after another, when it is asked for."""

    def close(self) -> None:
        """Nothing is under way between two calls."""

    def run(self, planned: PlannedRun, *, tick: Tick, on_epoch: OnEpoch | None = None) -> FinetunedRun:
        """One try, from a head solved without the validation part; or the last run, from the one on all."""
        setup, train = self.setup, self.setup.train
        rest, held = (train, train[:0]) if planned.part is None else self.rows(planned.part)
        self.put_back()
        if planned.part is not None:
            setup.start(rest)
        task = FinetuneTask(
            run_config=planned.run_config,
            config=setup.config.finetune,
            learn=rest,
            watch=held,
            labels=setup.labels,
            seed=setup.seed,
            folder=None if setup.folder is None else setup.folder / planned.name,
            engine=setup.engine,
            flip=setup.flip,
            ranks=setup.ranks,
            top=self.top if planned.run_config.depth == "last" else None,
        )
        return finetune(
            setup.module,
            setup.site,
            setup.image_batches,
            task,
            budget=setup.budget,
            tick=tick,
            on_epoch=on_epoch or (lambda result, answer: None),
        )

    @torch.no_grad()
    def put_back(self, moved: dict[str, Tensor] | None = None) -> None:
        """The network as it was when the search began, or with the weights of some try."""
        for name, value in self.setup.module.state_dict().items():
            value.copy_(self._original[name])
        if moved is not None:
            named = dict(self.setup.module.named_parameters(remove_duplicate=False))
            named |= dict(self.setup.module.named_buffers(remove_duplicate=False))  # type: ignore[arg-type]
            for name, value in moved.items():
                named[name].copy_(value)

    def costs(self, *, measured: bool) -> Costs:
        """What training takes here, in seconds; not measured, in images that go all the way and back."""
        setup = self.setup
        rest, every = len(self.rows(0)[0]), len(setup.train)
        if not measured:
            above = 1.0 if self.top is None else ABOVE_THE_CUT
            rough: dict[Moving, float] = {"everything": 1.0, "last": above, "norms": NORMS}
            below = FORWARD * self.images_below(frozenset({"last"}))
            return Costs(image=rough, setup={"last": below}, rest=rest, every=every)
        few = setup.train[:_MEASURED].tolist()
        with borrowed(setup.module, setup.site, setup.config.finetune), own_random(setup.engine, 0):
            train_mode(setup.module, setup.config.finetune.norms)
            setup.module.requires_grad_(True)
            labels = setup.labels[few]
            whole = step_s(setup.module, setup.image_batches.inputs(few), labels, setup.site, setup.engine)
            image: dict[Moving, float] = {"everything": whole, "norms": whole, "last": whole}
            once: dict[Moving, float] = {}
            if self.top is not None:
                begin = time.perf_counter()
                reached = self.top.reach(setup.image_batches.inputs(few)).to(setup.engine.device)
                below = (time.perf_counter() - begin) / len(few)
                once["last"] = below * self.images_below(frozenset({"last"}))
                train_mode(setup.module, setup.config.finetune.norms)
                image["last"] = step_s(self.top.answer, reached, labels, setup.site, setup.engine)
        self.put_back()
        return Costs(image=image, setup=once, rest=rest, every=every)

    def images_below(self, depths: frozenset[Moving]) -> int:
        """How many images go through the frozen part once."""
        if self.top is None or "last" not in depths:
            return 0
        passes = 2 if self.setup.flip else 1
        return passes * len(self.setup.labels) + self._crops * len(self.setup.train)

    def fill(self, depths: frozenset[Moving], tick: Tick) -> bool:
        """Run the frozen part, if only the last blocks are to learn; whether there was time for it."""
        setup, done = self.setup, 0
        if self.top is None or "last" not in depths:
            return True
        self.put_back()
        builder = self.top.fill(
            setup.image_batches,
            setup.train,
            len(setup.labels),
            setup.config.finetune,
            seed=setup.seed,
            crops=self._crops,
            flip=setup.flip,
        )
        for now in builder:
            tick(now - done)
            done = now
            if setup.budget.left_s <= 0:
                return False
        return True

    def _find_top(self) -> tuple[FrozenPrefix | None, int]:
        """Where the network can be cut, and how many crops of each image memory allows."""
        setup = self.setup
        if setup.config.depth not in ("last", "auto") or not self.parts:
            return None, 0
        few = setup.image_batches.inputs(setup.train[:2].tolist())
        top = find_frozen_prefix(setup.module, setup.site, few, setup.config.finetune, setup.engine)
        if top is None:
            return None, 0
        top.ranks = setup.ranks
        seen = (2 if setup.flip else 1) * len(setup.labels)
        crops = top.crops_that_fit(len(setup.train), seen, setup.config.finetune.crops)
        return (top, crops) if crops else (None, 0)

    def _is_usable(self, held: Tensor, labels: Tensor) -> bool:
        """Whether every class or label is left to train on."""
        rest = labels[~held]
        if labels.ndim == 2:
            return bool(held.any()) and bool((rest > 0).any(dim=0).all())
        return bool(held.any()) and len(rest.unique()) == self.setup.site.num_classes


RunsElsewhere = Callable[[FinetuneSetup, CandidateRunner], Runs]


def planned_try(candidate: FinetuneCandidate, part: int, epochs: int) -> PlannedRun:
    """A candidate on one validation part."""
    return PlannedRun(run_config=_run_config(candidate, epochs, epochs), part=part)


def planned_last(candidate: FinetuneCandidate, epochs: int, stop_after: int) -> PlannedRun:
    """The run that is kept: all training images."""
    return PlannedRun(run_config=_run_config(candidate, epochs, stop_after), part=None)


def _run_config(candidate: FinetuneCandidate, epochs: int, stop_after: int) -> RunConfig:
    return RunConfig(
        depth=candidate.depth, learning_rate=candidate.learning_rate, epochs=epochs, stop_after=stop_after
    )
