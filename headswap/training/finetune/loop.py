"""Train head and backbone together: the loop, in plain sight.

Flow:  network with a solved head + FinetuneTask --finetune--> the same network, its best weights,
           FinetunedRun

Each epoch draws crops again, moves the groups that have begun, and is judged on a validation
part. The best weights are kept; the solved head it began with is epoch 0 and takes part. Norm
statistics stay as pretrained unless the person wants otherwise: in training mode they
ruin small sets. A run that is killed goes on from its last checkpoint, to the same bit.

Several processes may make one run (`headswap.cluster.ranks`): each takes its part of every batch, and the
gradients are summed before each step (docs/decisions/0059-one-run-over-several-processes.md).
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

from headswap.errors import Cancelled, TeachingFailed
from headswap.features.devices import (
    is_out_of_memory,
    random_state,
    release_memory,
    set_random_state,
    upload,
)
from headswap.features.engines import to_engine
from headswap.heads.loss import logits_of, training_loss
from headswap.heads.site import HeadSite
from headswap.training.budget import Budget
from headswap.training.finetune.batches import Augment, ImageBatches, mixer, taken_of
from headswap.training.finetune.checkpoint import (
    STOPPED,
    Checkpoint,
    Stopped,
    load_checkpoint,
    pack,
    save_checkpoint,
    unpack,
)
from headswap.training.finetune.compare import answers, balance
from headswap.training.finetune.modes import (
    OwnNoise,
    borrowed,
    moving_tensors,
    own_random,
    precision,
    recalibrate,
    train_mode,
)
from headswap.training.finetune.objective import loss_for, right_answers
from headswap.training.finetune.param_groups import build_optimizer, moving_groups, rate_at, release_epoch
from headswap.training.finetune.records import FinetunedRun, FinetuneTask, OnEpoch, Tick
from headswap.training.finetune.state import RunState


def finetune(
    module: nn.Module,
    site: HeadSite,
    image_batches: ImageBatches,
    task: FinetuneTask,
    *,
    budget: Budget,
    tick: Tick = lambda images: None,
    on_epoch: OnEpoch = lambda result, answer: None,
) -> FinetunedRun:
    """Train head and backbone together, in place.

    Args:
        module: swapped, with a solved head; ends in eval mode with the best weights found.
        site: of the new head.
        image_batches: the images.
        task: what to do with them.
        budget: when it is over, the best found by then is kept.
        tick: hears of every batch, in the first of several processes.
        on_epoch: hears of every epoch; may ask for answers, then in all processes.

    Raises:
        Cancelled: the first of several processes ended the run.
        TeachingFailed: a parameter is not in exactly one group.
    """
    module = to_engine(module, task.engine)
    with borrowed(module, site, task.config), own_random(task.engine, task.seed):
        run = _Run(module, site, image_batches, task)
        run.resume(budget)
        state = run.state
        while not state.stopped:
            run.one_epoch(budget, tick)
            if len(state.history) and state.stopped not in ("time", "diverged"):
                on_epoch(state.history[-1], run.answer)
            run.checkpoint()
        state.put_best()
    return FinetunedRun(
        run_config=task.run_config,
        stopped=state.stopped,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        start=state.start,
        best=state.logits,
        last=state.last,
        weights=state.best,
    )


class _Run:
    """A network, its optimizer and where they stand."""

    def __init__(
        self, module: nn.Module, site: HeadSite, image_batches: ImageBatches, task: FinetuneTask
    ) -> None:
        self.module, self.site, self.image_batches, self.task = module, site, image_batches, task
        engine, config = task.engine, task.config
        self.engine, self.ranks = engine, task.ranks
        self.groups = moving_groups(module, site, task.run_config.depth, config)
        self.optimizer = build_optimizer(module, self.groups, config)
        self.scaler = torch.amp.GradScaler(engine.device, enabled=engine.precision == "float16")
        self.order = torch.Generator().manual_seed(task.seed)
        self.augment, self.mix = Augment(image_batches.spec, config), mixer(config, site.num_classes)
        labels = task.labels[task.learn]
        self.loss = loss_for(labels, site.num_classes, label_smoothing=config.label_smoothing)
        self.weight = None if labels.ndim == 2 else balance(labels, site.num_classes).float()  # of classes
        names = [name for group in self.groups for name in group.names]
        self.state = RunState(
            labels=task.labels[task.watch],
            start=self.answer(task.watch),
            moving=moving_tensors(module, names, config.norms),
        )
        self._saved_at = time.perf_counter()
        self._room = config.batch_size  # images that the device takes at once
        self._noise, self._is_over = OwnNoise(task.seed, 0, self.ranks), False
        self._raised: Exception | None = None  # by `tick`; the other processes have to hear of it

    def answer(self, rows: Tensor) -> Tensor:
        """(n, C) logits of the network as it is now; each process answers its part."""
        part = self.ranks.part(len(rows))
        own, task = rows[part.start : part.stop], self.task
        if task.top is not None:
            said = task.top.answers(own)
        else:
            said = answers(self.module, self.site, self.image_batches, own, self.engine, flip=task.flip)
        return self.ranks.gathered(said, len(rows))

    def one_epoch(self, budget: Budget, tick: Tick) -> None:
        """Train once on every image, then measure."""
        begin, state, task = time.perf_counter(), self.state, self.task
        batches = self._batches()
        number = len(state.history)
        begins = self._release(number, len(batches))
        train_mode(self.module, task.config.norms)
        loss_sum, right, total = 0.0, 0, 0
        self.ranks.copy_first(state.moving.values())
        self._noise = OwnNoise(task.seed, number, self.ranks)
        rows, top = [batch.tolist() for batch in batches], task.top
        before = self._before
        if top is None:
            drawn = self.image_batches.train(rows, self.augment, self.ranks, before=before)
        else:
            drawn = top.train(rows)
        for step, (batch, images) in enumerate(zip(batches, drawn, strict=True), number * len(batches)):
            self._set_rates(step, task.run_config.epochs * len(batches), begins)
            loss, hits = self._step(images, task.labels[batch], budget)
            loss_sum, right, total = loss_sum + loss * len(batch), right + hits, total + len(batch)
            state.stopped = self._why_stopped(loss, budget)
            self._tell(tick, len(batch))
            if state.stopped:
                break
        else:
            if task.config.norms == "recalibrate":
                self._recalibrate()
            state.add(
                self.answer(task.watch),
                loss_sum / total,
                right,
                total,
                patience=task.config.patience,
                last=task.run_config.stop_after,
            )
        self._agree()
        state.seconds += time.perf_counter() - begin

    @property
    def _before(self) -> int:
        """How many images before its part of a batch a process needs: each is mixed with the one before."""
        return 1 if self.task.config.mixup and not self.ranks.is_alone else 0

    def _why_stopped(self, loss: float, budget: Budget) -> Stopped:
        if not math.isfinite(loss):
            return "diverged"
        is_over = budget.left_s <= 0 if self.ranks.is_alone else self._is_over
        return "time" if is_over else ""

    def _tell(self, tick: Tick, images: int) -> None:
        """Of several processes the first one tells; what comes of it, the others hear at the next step."""
        if self.ranks.is_alone:
            tick(images)
        elif self.ranks.is_first and self._raised is None:
            try:
                tick(images)
            except Exception as error:  # noqa: BLE001 - raised again when all have heard of it
                self._raised = error

    def _raise_told(self, is_told: bool) -> None:
        """End the run in every process, if the first one is to end it."""
        if self._raised is not None and is_told:
            raise self._raised
        if is_told:
            raise Cancelled

    def _agree(self) -> None:
        """What rank 0 makes of an epoch is what holds: a last digit must not send two processes apart."""
        if self.ranks.is_alone:
            return
        told = self.ranks.bytes_of_first(bytes([STOPPED.index(self.state.stopped), self._raised is not None]))
        self.state.stopped = STOPPED[told[0]]
        self._raise_told(bool(told[1]))

    def _step(self, images: Tensor, labels: Tensor, budget: Budget) -> tuple[float, int]:
        """Move once; gives the loss, NaN when it broke, and how many were right before it moved.

        Args:
            images: the part of this process.
            labels: of the whole batch.
            budget: the first process looks at it for all.
        """
        own = labels[taken_of(len(labels), self.ranks, self._before)]
        batch, targets = self.mix(images, own)
        batch, targets, own = (some[self._before :] for some in (batch, targets, own))
        whole = self._weigh(labels) if targets.dim() == 1 else float(len(labels))
        moving = [value for part in self.optimizer.param_groups for value in part["params"]]
        with self._noise:
            loss, said = self._slopes(batch, targets, whole)
        is_over, raised = float(budget.left_s <= 0), float(self._raised is not None)
        hits = int(right_answers(said, own).sum())
        if not self.ranks.is_alone:
            told = [loss, hits, *([is_over, raised] if self.ranks.is_first else [0.0, 0.0])]
            learning = [value for value in moving if value.requires_grad]
            loss, right, is_over, raised = self.ranks.sum_gradients(learning, told)
            hits, self._is_over = int(right), bool(is_over)
            self._raise_told(bool(raised))
        self.scaler.unscale_(self.optimizer)
        length = nn.utils.clip_grad_norm_(moving, self.task.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        broke = not bool(torch.isfinite(length)) and not self.scaler.is_enabled()
        return math.nan if broke else loss, hits

    def _weigh(self, targets: Tensor) -> float:
        """What targets count in the mean that is the loss: their classes' weights; other targets count 1."""
        if self.weight is None or targets.dim() == 2:
            return float(len(targets))
        return float(self.weight[targets].sum())

    def _slopes(self, batch: Tensor, targets: Tensor, whole: float) -> tuple[float, Tensor]:
        """Forward and backward, in as many parts as the device has room for; the loss, and (B, C) logits.

        Args:
            batch, targets: of this process; may be none, of a batch that has fewer images than processes.
            whole: what all targets of the batch count, here and in other processes.
        """
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            size = max(1, min(self._room, len(batch)))
            parts = zip(batch.split(size), targets.split(size), strict=True) if len(batch) else ()
            try:
                found = [self._part(one, wanted, self._weigh(wanted) / whole) for one, wanted in parts]
                nothing = torch.empty(0, self.site.num_classes)
                return sum(loss for loss, _ in found), torch.cat([nothing, *(said for _, said in found)])
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            release_memory(self.engine.device)  # the failed part's tensors are gone from here on
            if size == 1:
                raise TeachingFailed(
                    "There is no room to teach so much of this network, even with one picture at a time.",
                    remedy="Let less of it move, or choose a smaller network.",
                )
            self._room = (size + 1) // 2

    def _part(self, batch: Tensor, targets: Tensor, share: float) -> tuple[float, Tensor]:
        """Forward and backward for a share of a step."""
        with precision(self.engine):
            if self.task.top is not None:
                answer = self.task.top.answer(batch)
            else:
                answer = self.module(upload(batch, self.engine.device))
            loss = training_loss(
                answer,
                targets.to(self.engine.device),
                self.site,
                loss=self.loss,
                aux_weight=self.task.config.aux_weight,
            )
        loss = loss * share if share < 1 else loss
        said = logits_of(answer, self.site).detach().float().cpu()
        self.scaler.scale(loss).backward()
        return float(loss.detach()), said

    def _batches(self) -> list[Tensor]:
        """All training rows in a new order; a last image that would be alone is left out."""
        shuffled = self.task.learn[torch.randperm(len(self.task.learn), generator=self.order)]
        batches = list(shuffled.split(self.task.config.batch_size))
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) == 1 else batches

    def _release(self, number: int, steps: int) -> list[int]:
        """Let the groups move whose turn it is; gives the step at which each group begins."""
        share, epochs = self.task.config.release, self.task.run_config.epochs
        first = [release_epoch(at, len(self.groups), epochs, share) for at in range(len(self.groups))]
        for part in self.optimizer.param_groups:
            for value in part["params"]:
                value.requires_grad_(number >= first[part["index"]])
        return [one * steps for one in first]

    def _set_rates(self, step: int, steps: int, begins: list[int]) -> None:
        for part in self.optimizer.param_groups:
            at = part["index"]
            rate = rate_at(step, steps, begins[at], self.task.config)
            part["lr"] = self.task.run_config.learning_rate * self.groups[at].rate * rate

    def _recalibrate(self) -> None:
        rows = self.task.learn.split(self.task.config.batch_size)
        recalibrate(
            self.module,
            (upload(self.image_batches.inputs(some.tolist()), self.engine.device) for some in rows),
        )

    def checkpoint(self) -> None:
        """Seal one when the run is over, or long enough after the last."""
        folder, now = self.task.folder, time.perf_counter()
        if not self.ranks.is_first:
            return
        due = self.state.stopped or now - self._saved_at >= self.task.config.checkpoint_every_s
        if folder is None or not due:
            return
        more = {"random/torch": torch.get_rng_state(), "random/order": self.order.get_state()}
        drawn = random_state(self.engine.device)
        if drawn is not None:
            more[f"random/{self.engine.device}"] = drawn
        for name, value in self._learning().items():
            for key, memory in self.optimizer.state.get(value, {}).items():
                more[f"optimizer/{key}/{name}"] = memory
        save_checkpoint(folder, self.state.to_checkpoint(more, self.scaler.state_dict()))
        self._saved_at = time.perf_counter()

    def resume(self, budget: Budget) -> None:
        """Stand where a killed run stood; the time it took counts."""
        found = self._found()
        if found is None:
            return
        self.state.from_checkpoint(found)
        budget.spend(found.state.seconds)
        torch.set_rng_state(found.tensors["random/torch"])
        self.order.set_state(found.tensors["random/order"])
        if f"random/{self.engine.device}" in found.tensors:
            set_random_state(self.engine.device, found.tensors[f"random/{self.engine.device}"])
        if self.scaler.is_enabled():
            memory = {"scale": found.state.scale, "_growth_tracker": found.state.growth}
            self.scaler.load_state_dict({**self.scaler.state_dict(), **memory})
        named = self._learning()
        for full_name, memory_ in found.tensors.items():
            if full_name.startswith("optimizer/"):
                _, key, name = full_name.split("/", 2)
                like = memory_ if key == "step" else torch.empty_like(named[name])  # steps count on the CPU
                self.optimizer.state[named[name]][key] = like.copy_(memory_)

    def _found(self) -> Checkpoint | None:
        """The last checkpoint; the first process reads it for all."""
        folder, is_first = self.task.folder, self.ranks.is_first
        found = load_checkpoint(folder) if folder is not None and is_first else None
        if self.ranks.is_alone:
            return found
        told = self.ranks.bytes_of_first(pack(found) if found is not None else b"")
        return unpack(told) if told else None

    def _learning(self) -> dict[str, nn.Parameter]:
        named = dict(self.module.named_parameters(remove_duplicate=False))
        return {name: named[name] for group in self.groups for name in group.names}
