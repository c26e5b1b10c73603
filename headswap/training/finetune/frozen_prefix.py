"""Only the last blocks learn: run the frozen part below them once, and train on what it gave.

Flow:  network + frozen stages --find_frozen_prefix--> FrozenPrefix, or None: it cannot be cut there
       images --FrozenPrefix.fill--> what leaves the frozen part, of a few crops of each

Nothing is known of the architecture. What the topmost frozen stage gave is put in its place,
blanks stand for what the stages below it gave, and the network must then answer as
before: where something passes the cut by another way, it does not, and nothing is cut. What a wide
head reads of the frozen blocks is kept next to it.
Training then costs what the last blocks cost, a tenth of the whole on a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headswap.cluster.ranks import ALONE, Ranks
from headswap.features.engines import Engine, choose_engine, relative_error
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite, Tap
from headswap.heads.stages import backbone_stages
from headswap.heads.trainable import is_within
from headswap.heads.wide import BODY, WideNetwork
from headswap.training.config import FinetuneConfig
from headswap.training.finetune.batches import KEEP_BYTES, Augment, ImageBatches
from headswap.training.finetune.modes import own_random, precision
from headswap.training.finetune.param_groups import moving_groups

_NEAR = 0.05  # relative error within which the frozen part may run in half precision
_AGREEMENT = 1e-3  # of the largest logit
_FEWEST_CROPS = 2


@dataclass(eq=False, kw_only=True)
class FrozenPrefix:
    """The part of a network above a cut, and what reaches it."""

    module: nn.Module
    site: HeadSite
    engine: Engine  # of the top
    below: Engine  # of the frozen part
    shapes: dict[str, torch.Size]  # of what each frozen stage gives, for one image; the cut is the last
    blank: Tensor  # (1, C, H, W) in place of an image
    taps: tuple[Tap, ...] = ()  # frozen blocks that a wide head reads
    thin: bool  # blanks of one image do for a batch
    ranks: Ranks = ALONE  # the processes that train together

    def __post_init__(self) -> None:
        self._cut = list(self.shapes)[-1]
        self._crops = self._seen = self._flipped = torch.empty(0)
        self._positions = torch.empty(0, dtype=torch.long)

    @property
    def numbers(self) -> int:
        """How many are kept of an image: what leaves the frozen part, then what a wide head reads of it."""
        return self.shapes[self._cut].numel() + sum(tap.width for tap in self.taps)

    def answer(self, reached: Tensor) -> Any:
        """What the network answers when this, (B, numbers), leaves the frozen part."""
        cut, *read = reached.split([self.shapes[self._cut].numel(), *(tap.width for tap in self.taps)], dim=1)
        known = {tap.path: features for tap, features in zip(self.taps, read, strict=True)}
        with self._replaced(cut.unflatten(1, self.shapes[self._cut]), known):
            return self.module(self.blank.expand(len(reached), *self.blank.shape[1:]))

    def crops_that_fit(self, train: int, every: int, wanted: int) -> int:
        """How many crops of each training image memory allows; 0: too few."""
        room = KEEP_BYTES // (4 * self.numbers) - every
        crops = min(wanted, room // max(1, train))
        return crops if crops >= _FEWEST_CROPS else 0

    def fill(
        self,
        image_batches: ImageBatches,
        train: Tensor,
        every: int,
        config: FinetuneConfig,
        *,
        seed: int,
        crops: int,
        flip: bool = False,
    ) -> Iterator[int]:
        """Run the frozen part over all rows, flipped too if asked, and over some crops of the training rows.

        Each of several processes runs its part and gets those of the others. Gives how many images are
        done, batch by batch, so that the caller may stop.
        """
        numbers, done = self.numbers, 0
        self._seen = torch.empty(every, numbers)
        self._flipped = torch.empty(every if flip else 0, numbers)
        self._crops = torch.empty(crops, len(train), numbers)
        self._positions = torch.full((every,), -1)
        self._positions[train] = torch.arange(len(train))

        def reached(images: Tensor, rows: Tensor) -> Tensor:
            own = self.reach(images) if len(images) else torch.empty(0, numbers)
            return self.ranks.gathered(own, len(rows))

        for rows in torch.arange(every).split(config.batch_size):
            part = self.ranks.part(len(rows))
            images = image_batches.inputs(rows[part.start : part.stop].tolist())
            self._seen[rows] = reached(images, rows)
            if flip:
                self._flipped[rows] = reached(images.flip(-1), rows)
            done += len(rows) * (2 if flip else 1)
            yield done
        with own_random(self.engine, seed):
            augment = Augment(image_batches.spec, config)
            for number in range(crops):
                batches = [rows.tolist() for rows in train.split(config.batch_size)]
                drawn = image_batches.train(batches, augment, self.ranks)
                for rows, images in zip(train.split(config.batch_size), drawn, strict=True):
                    self._crops[number, self._positions[rows]] = reached(images, rows)
                    done += len(rows)
                    yield done

    def train(self, batches: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """What reaches the top of one crop of each image, drawn again: (B, numbers) for each batch.

        Of several processes each gets its part of a batch, of the crops that one process would draw.
        """
        for rows in batches:
            drawn, part = torch.randint(len(self._crops), (len(rows),)), self.ranks.part(len(rows))
            own = slice(part.start, part.stop)
            yield self._crops[drawn[own], self._positions[list(rows)[own]]].to(self.engine.device)

    @torch.no_grad()
    def answers(self, rows: Tensor, batch_size: int = 64) -> Tensor:
        """(V, C) logits in eval mode, of uncropped images; with flipped ones, the mean of both."""
        self.module.eval()
        seen = [self._seen, self._flipped] if len(self._flipped) else [self._seen]
        found = [
            torch.stack([self._logits(kept[some]) for kept in seen]).mean(dim=0)
            for some in (rows.split(batch_size) if len(rows) else ())
        ]
        return torch.cat(found) if found else torch.empty(0, self.site.num_classes)

    def _logits(self, reached: Tensor) -> Tensor:
        return logits_of(self.answer(reached.to(self.engine.device)), self.site).float().cpu()

    @torch.no_grad()
    def reach(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to what leaves the frozen part: (B, numbers) float32 on the CPU."""
        self.module.eval()
        batch = images.to(self.engine.device, memory_format=torch.channels_last)
        run = self.module.read if isinstance(self.module, WideNetwork) else self.module
        with precision(self.below):
            read, given = _recorded(self.module, [self._cut], batch, run)
        parts = [given[self._cut].flatten(1), *(read[tap.path] for tap in self.taps)]
        return torch.cat([part.float().cpu() for part in parts], dim=1)

    @contextmanager
    def _replaced(self, reached: Tensor, known: dict[str, Tensor]) -> Iterator[None]:
        parts = [(self.module.get_submodule(path), shape) for path, shape in self.shapes.items()]
        count = 1 if self.thin else len(reached)
        for part, shape in parts[:-1]:
            part.__dict__["forward"] = _giving(reached.new_zeros(count, *shape))
        parts[-1][0].__dict__["forward"] = _giving(reached)
        if isinstance(self.module, WideNetwork):
            self.module.known = known
        try:
            yield
        finally:
            if isinstance(self.module, WideNetwork):
                self.module.known = {}
            for part, _ in parts:
                part.__dict__.pop("forward", None)


def find_frozen_prefix(
    module: nn.Module, site: HeadSite, images: Tensor, config: FinetuneConfig, engine: Engine
) -> FrozenPrefix | None:
    """Cut a network below the stages that move with depth "last", and prove the cut.

    Args:
        module: swapped and placed.
        site: of its head.
        images: (B, C, H, W) real ones, two or more.
        config: says what "last" means; a cut needs frozen norms and no mixing of images.
        engine: of the top.

    Returns:
        None: the network cannot be cut there.
    """
    if config.norms != "frozen" or config.mixup > 0:
        return None
    moving = {name for group in moving_groups(module, site, "last", config) for name in group.names}
    frozen = [
        stage.path
        for stage in backbone_stages(module, site)
        if stage.kind != "Parameter" and not moving & set(stage.names)
    ]
    batch = images.to(engine.device, memory_format=torch.channels_last)
    module.eval()
    with torch.no_grad():
        true, given = _recorded(module, frozen, batch)
        if not given or not all(_is_batch(value, len(batch)) for value in given.values()):
            return None
        shapes = {path: value.shape[1:] for path, value in given.items()}
        for thin in (True, False):
            top = FrozenPrefix(
                module=module,
                site=site,
                engine=engine,
                below=engine,
                shapes=shapes,
                blank=batch[:1] * 0,
                thin=thin,
                taps=tuple(tap for tap in site.taps if is_within(f"{BODY}.{tap.path}", shapes)),
            )
            reached = top.reach(images)
            if _agrees(top, reached.to(engine.device), logits_of(true, site)):
                return _hurried(top, images, reached)
    return None


def _hurried(top: FrozenPrefix, images: Tensor, reached: Tensor) -> FrozenPrefix:
    """Let the frozen part run in half precision where that is near enough."""
    top.below = Engine(top.engine.device, choose_engine().precision)
    if relative_error(top.reach(images), reached) > _NEAR:
        top.below = top.engine
    return top


def _agrees(top: FrozenPrefix, reached: Tensor, true: Tensor) -> bool:
    try:
        said = logits_of(top.answer(reached.clone()), top.site)
    except (RuntimeError, IndexError, TypeError, ValueError):  # whatever a forward says of a blank
        return False
    return said.shape == true.shape and bool((said - true).abs().max() <= _AGREEMENT * true.abs().max())


def _is_batch(value: Any, count: int) -> bool:
    return isinstance(value, Tensor) and value.dim() > 1 and len(value) == count


def _recorded(
    module: nn.Module, paths: Sequence[str], batch: Tensor, run: Callable[[Tensor], Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """The answer to a batch, and what each part gave, in the order in which they gave it."""
    given: dict[str, Any] = {}

    def recorder(path: str) -> Callable[..., None]:
        def record(part: nn.Module, inputs: Any, value: Any) -> None:
            twice = path in given
            given[path] = None if twice else value.clone() if isinstance(value, Tensor) else value

        return record

    hooks = [module.get_submodule(path).register_forward_hook(recorder(path)) for path in paths]
    try:
        return (run or module)(batch), given
    finally:
        for hook in hooks:
            hook.remove()


def _giving(value: Tensor) -> Callable[..., Tensor]:
    def forward(*inputs: Any, **named: Any) -> Tensor:
        return value

    return forward
