"""Try one way of going further on one validation part, again and again from the same beginning.

Flow:  Candidate + validation part --Trials.run--> Trained; the network is put back before each try
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from headswap.features.engines import Engine, place
from headswap.heads.learning import training_loss
from headswap.heads.site import HeadSite
from headswap.training.album import Album, Augment
from headswap.training.budget import Budget
from headswap.training.config import TeachConfig
from headswap.training.finetune import Drill, OnPass, Recipe, Tick, Trained, finetune
from headswap.training.fit_head import folds_of
from headswap.training.modes import borrowed, own_random, practise_mode, precision
from headswap.training.search import Candidate
from headswap.training.standing import copied


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """A network with a solved head, and what it may practise on; rows are those of the album."""

    module: nn.Module  # swapped, with the head solved on all practice pictures
    site: HeadSite
    album: Album
    practice: Tensor  # (N,) rows
    labels: Tensor  # (rows of the album,) int64
    groups: Sequence[int]  # (N,) near duplicates share one
    start: Callable[[Tensor], None]  # installs a head solved on some rows only
    engine: Engine
    config: TeachConfig
    seed: int
    budget: Budget
    folder: Path | None  # for checkpoints; None: none


class Trials:
    """Holds the network as it was, and puts it back."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._original = copied(place(course.module, course.engine).state_dict())
        count = max(2, round(1 / course.config.further.validation_share))
        labels = course.labels[course.practice]
        folds = folds_of(labels.numpy(), course.groups, count, course.seed)
        self.parts = [] if folds is None else [torch.from_numpy(folds == one) for one in range(count)]
        self.parts = [held for held in self.parts if self._is_usable(held, labels)]

    def rows(self, part: int) -> tuple[Tensor, Tensor]:
        """Rows outside a validation part, and in it."""
        held = self.parts[part]
        return self.course.practice[~held], self.course.practice[held]

    def run(self, candidate: Candidate, part: int, passes: int, *, tick: Tick) -> Trained:
        """One try, from a head solved without the validation part."""
        rest, held = self.rows(part)
        self.put_back()
        self.course.start(rest)
        recipe = Recipe(
            depth=candidate.depth,
            learning_rate=candidate.learning_rate,
            passes=passes,
            stop_after=passes,
        )
        return self._finetune(recipe, rest, held, f"part{part}", tick, lambda result, answer: None)

    def run_all(
        self, candidate: Candidate, passes: int, stop_after: int, *, tick: Tick, on_pass: OnPass
    ) -> Trained:
        """The last run: all practice pictures, from the head solved on all of them."""
        self.put_back()
        recipe = Recipe(
            depth=candidate.depth,
            learning_rate=candidate.learning_rate,
            passes=passes,
            stop_after=stop_after,
        )
        practice = self.course.practice
        return self._finetune(recipe, practice, practice[:0], "all", tick, on_pass)

    @torch.no_grad()
    def put_back(self, moved: dict[str, Tensor] | None = None) -> None:
        """The network as it was when the course began, or with the weights of some try."""
        for name, value in self.course.module.state_dict().items():
            value.copy_(self._original[name])
        if moved is not None:
            named = dict(self.course.module.named_parameters(remove_duplicate=False))
            named |= dict(self.course.module.named_buffers(remove_duplicate=False))  # type: ignore[arg-type]
            for name, value in moved.items():
                named[name].copy_(value)

    def seconds_per_picture(self) -> float:
        """What practising on one picture takes here, with everything moving; measured on two batches."""
        course, config = self.course, self.course.config.further
        rows = course.practice[: config.batch_size]
        augment, seconds = Augment(course.album.spec, config), 0.0
        with borrowed(course.module, course.site, config), own_random(course.engine, course.seed):
            practise_mode(course.module, config.norms)
            course.module.requires_grad_(True)
            for _ in range(2):  # the first is slower: pictures are read, memory is claimed
                begin = time.perf_counter()
                for pictures in course.album.practice([rows.tolist()], augment):
                    batch = pictures.to(course.engine.device, memory_format=torch.channels_last)
                    with precision(course.engine):
                        targets = course.labels[rows].to(course.engine.device)
                        loss = training_loss(course.module(batch), targets, course.site, aux_weight=0.0)
                    loss.backward()
                    float(loss.detach())
                seconds = time.perf_counter() - begin
        self.put_back()
        return seconds / len(rows)

    def _finetune(
        self, recipe: Recipe, learn: Tensor, watch: Tensor, name: str, tick: Tick, on_pass: OnPass
    ) -> Trained:
        course = self.course
        place_ = f"{name}-{recipe.depth}-{recipe.learning_rate:g}-{recipe.passes}-{recipe.stop_after}"
        drill = Drill(
            recipe=recipe,
            config=course.config.further,
            learn=learn,
            watch=watch,
            labels=course.labels,
            seed=course.seed,
            folder=None if course.folder is None else course.folder / place_,
            engine=course.engine,
        )
        return finetune(
            course.module,
            course.site,
            course.album,
            drill,
            budget=course.budget,
            tick=tick,
            on_pass=on_pass,
        )

    def _is_usable(self, held: Tensor, labels: Tensor) -> bool:
        """Whether every class is left to practise on."""
        return bool(held.any()) and len(labels[~held].unique()) == self.course.site.num_classes
