"""From a task whose head is trained to its fine-tuning: the glue around the search.

Flow:  TrainingTask + TrainedHead --run_finetuning--> TrainingResult, by the network as it is then
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from headswap.data.store import reread
from headswap.data.transforms import uncut, wanted_px
from headswap.evaluation.evaluate import SplitLogits
from headswap.evaluation.report import FinetuneSummary
from headswap.events import EpochEnd, Listener, Note, silent
from headswap.features.engines import Engine, single
from headswap.heads.trainable import head_names
from headswap.network import Network
from headswap.storage.files import to_json
from headswap.training.finetune.batches import ImageBatches
from headswap.training.finetune.candidates import FinetuneSetup
from headswap.training.finetune.checkpoint import EpochResult
from headswap.training.finetune.compare import answers, leaves_room
from headswap.training.finetune.modes import proved, training_engine
from headswap.training.finetune.objective import right_answers
from headswap.training.finetune.records import Answer
from headswap.training.finetune.search import FinetuneResult, search_finetuning
from headswap.training.progress import guesses_on
from headswap.training.verify import every_label_right

_COMPARED = 4  # images

if TYPE_CHECKING:
    from headswap.heads.site import HeadSite
    from headswap.training.task import TrainedHead, TrainingResult, TrainingTask


def run_finetuning(
    task: TrainingTask, network: Network, beginning: TrainedHead, listener: Listener
) -> TrainingResult:
    """Let more of the network learn where that helps, in place."""
    if task.manifest.is_multi_label and beginning.only_exact:
        return _kept_head(task, beginning.trained, listener)
    setup, test = finetune_setup_of(task, network, beginning, listener), _rows(task, "test")
    files = [task.manifest.images[row].file for row in test.tolist()]
    truths = setup.labels[test]

    def on_epoch(result: EpochResult, answer: Answer) -> None:
        said = answer(test)
        right = int(right_answers(said, truths).sum())
        listener(EpochEnd(result.number, result.of, result.right, result.total, right, len(truths)))
        if truths.ndim == 1:  # of several labels there is no one class to guess
            listener(guesses_on(result.number, said, truths, task.manifest.classes, files))

    finetuned = search_finetuning(setup, listener=listener, on_epoch=on_epoch)
    if not finetuned.moved:
        return replace(beginning.trained, finetune=finetuned.summary)
    return _trained(task, beginning.trained, setup, finetuned)


def _kept_head(task: TrainingTask, trained: TrainingResult, listener: Listener) -> TrainingResult:
    """Keep the solved head: with a ReLU behind it, several labels cannot be fine-tuned."""
    sentence = (
        "Only the head learned. A ReLU stands behind the head of this network, and where a picture may "
        "have several labels, no more than the head is taught there. Another network can learn more."
    )
    listener(Note(sentence))
    summary = FinetuneSummary(
        asked=task.config.depth, depth="head", learning_rate=None, epochs=0, planned_epochs=0, parts=0,
        tried=0, validation=0, right_before=0, right_after=0, sentence=sentence,
    )  # fmt: skip
    return replace(trained, finetune=summary)


def finetune_setup_of(
    task: TrainingTask, network: Network, beginning: TrainedHead, listener: Listener = silent
) -> FinetuneSetup:
    """What can be trained on, and how; rows are those of the manifest."""
    images, spec = task.manifest.images, network.input
    image_batches = ImageBatches(
        spec,
        read_input=lambda row: task.prepared(images[row], network),
        read_uncut=lambda row: uncut(reread(task.manifest, images[row], wanted_px=wanted_px(spec)), spec),
    )
    train, out_of_fold = _rows(task, "train"), beginning.trained.train
    labels = task.labels(images)
    engine = _engine(network.module, beginning.trained.site, image_batches, train, labels, listener)
    return FinetuneSetup(
        module=network.module,
        site=beginning.trained.site,
        image_batches=image_batches,
        train=train,
        labels=labels,
        groups=[images[row].group for row in train.tolist()],
        start=beginning.start,
        engine=single(engine) if beginning.only_exact else engine,
        config=task.config,
        seed=task.seed,
        budget=task.budget,
        folder=_folder(task, network, beginning.trained),
        flip=beginning.trained.flip,
        elsewhere=task.runs_elsewhere,
        together=task.runs_together,
        processes=task.processes,
        leaves_room=out_of_fold is None
        or leaves_room(torch.from_numpy(out_of_fold.logits), torch.from_numpy(out_of_fold.labels)),
    )


def _engine(
    module: nn.Module,
    site: HeadSite,
    image_batches: ImageBatches,
    train: Tensor,
    labels: Tensor,
    listener: Listener,
) -> Engine:
    """The device to train on; a GPU that gives other gradients than the CPU is left, and it is said."""
    engine, few = training_engine(), train[:_COMPARED]
    if len(few) < 2:
        return engine
    found = proved(engine, module, site, image_batches.inputs(few.tolist()), labels[few])
    if found != engine:
        listener(Note(f"{engine.name} did not give the processor's gradients: {found.name} teaches."))
    return found


def _trained(
    task: TrainingTask, before: TrainingResult, setup: FinetuneSetup, finetuned: FinetuneResult
) -> TrainingResult:
    """What the network says after its backbone has moved."""
    engine = single(setup.engine)
    test = _rows(task, "test")

    def answer(rows: Tensor) -> Tensor:
        return answers(setup.module, setup.site, setup.image_batches, rows, engine, flip=setup.flip)

    said, truths = answer(setup.train), setup.labels[setup.train]
    if truths.ndim == 2:
        right = every_label_right(said, truths, finetuned.logits, setup.labels[finetuned.held])
    else:
        right = int((said.argmax(1) == truths).sum())
    return replace(
        before,
        test=_split_logits(task, test, answer(test)),
        train=_split_logits(task, finetuned.held, finetuned.logits),
        train_right=right,
        diagnostics=None,
        finetune=finetuned.summary,
        processes=finetuned.processes,
    )


def _rows(task: TrainingTask, part: str) -> Tensor:
    return torch.tensor([row for row, image in enumerate(task.manifest.images) if image.part == part])


def _split_logits(task: TrainingTask, rows: Tensor, logits: Tensor) -> SplitLogits:
    images = tuple(task.manifest.images[row] for row in rows.tolist())
    return SplitLogits(
        files=[image.file for image in images],
        sha256s=[image.sha256 for image in images],
        labels=task.labels(images).numpy(),
        logits=logits.double().numpy(),
    )


def _folder(task: TrainingTask, network: Network, trained: TrainingResult) -> Path | None:
    """One folder for checkpoints of the same images, network and choices."""
    if task.checkpoints is None:
        return None
    digest = hashlib.sha256()
    for word in (
        to_json(task.config),
        str(task.seed),
        network.card.full_name,
        to_json(network.input),
        to_json(trained.site),
    ):
        digest.update(word.encode() + b"\0")
    for image in task.manifest.images:
        digest.update(f"{image.sha256} {image.class_name} {image.part} {image.group}\0".encode())
    heads = head_names(network.module, trained.site.all_paths)
    for name, value in network.module.state_dict().items():
        if name in heads:
            continue
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return task.checkpoints / digest.hexdigest()[:24]
