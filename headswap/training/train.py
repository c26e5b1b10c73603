"""Train the new head of a network: backbone once over the images, swap, solve, install, prove.

Flow:  Network + TrainingTask --train_head--> the same network with a trained head, and TrainingResult

When a linear solution is not what the head computes (a norm after it, a distance, a bare
parameter), the proof says so and the head is trained by gradient through the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.manifest import ImageRecord
from headswap.events import Listener, Note, Progress, silent
from headswap.features.autotune import extractor_for
from headswap.features.bank import BankBuilder, FeatureBank, fill_bank
from headswap.features.engines import engine_named
from headswap.features.memmap import columns_of, taken
from headswap.heads.detect import locate_head
from headswap.heads.site import HeadSite
from headswap.heads.swap import SwapRecord, swap_located
from headswap.heads.trainable import head_parameters
from headswap.network import Network
from headswap.training.config import HeadKind
from headswap.training.diagnostics import diagnose, old_head_of
from headswap.training.finetune.adapter import run_finetuning
from headswap.training.gradient import GradientResult, train_through
from headswap.training.head_choice import (
    ChosenHead,
    FeatureReading,
    FeatureSource,
    check_solvable,
    choose_head,
    is_too_many,
    source_of,
)
from headswap.training.linear.heads import LinearHeads, fit_heads, has_bias, install
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import Watch
from headswap.training.preprocessing import ChosenPreprocessing, choose_preprocessing
from headswap.training.progress import EpochCounter
from headswap.training.task import TrainedHead, TrainingResult, TrainingTask
from headswap.training.unlabeled import features_without_label, why_not_used, with_guesses
from headswap.training.verify import prove_in, split_logits, training_result_of

Timing = Callable[[str], AbstractContextManager[None]]


def train_head(
    task: TrainingTask, network: Network, *, timing: Timing, listener: Listener = silent
) -> TrainingResult:
    """Replace and train the head of a network, in place.

    Args:
        task: images and choices.
        network: pretrained; ends with the trained head.
        timing: takes the seconds of the steps "load", "features", "head" and "finetune".
        listener: hears progress, epochs and guesses.
    """
    beginning = begin(task, network, timing=timing, listener=listener)
    if task.config.depth == "head":
        return beginning.trained
    with timing("finetune"):
        return run_finetuning(beginning.task, beginning.network, beginning, listener)


def begin(
    task: TrainingTask, network: Network, *, timing: Timing, listener: Listener = silent
) -> TrainedHead:
    """Replace and train the head alone, whatever the depth; arguments as for `train_head`."""
    with timing("load"):
        source = task.source or _source(task, network)
    classes = len(task.manifest.classes)
    if not source.fits_linear_head:
        _check_gradient(task)
        with timing("head"):
            return _by_gradient(task, network, swap_located(source.located, classes), listener)
    with timing("features"):
        bank = _bank(task, source, listener)
        unlabeled = _without_label(task, source, bank, listener)
    listener(Progress("head", 0, 1))
    with timing("head"):
        chosen = _with_guesses(task, source, bank, unlabeled)
    preprocessing = None
    if task.config.chooses_preprocessing:
        with timing("views"):
            preprocessing = _preprocessed(task, source, chosen.kind, bank, listener)
        task = replace(task, config=replace(task.config, flip=preprocessing.flip), builder=None)
        source, bank = source.seeing(network.seeing(preprocessing.spec)), preprocessing.bank
    with timing("head"):
        old_head = old_head_of(network.module, source.located.site)
        bank = _columns(bank, source.reads(chosen.kind))
        unlabeled = _guessed(unlabeled, chosen, source)
        record = swap_located(source.located, classes)
        network, site = source.with_head(chosen.kind, record)
        is_free = preprocessing is None and listener is silent and task.config.l2 is None
        heads = (chosen.heads if is_free else None) or _solve(task, network, site, bank, unlabeled, listener)
        proof = prove_in(task, network, site, heads, bank)
        if proof is None:
            _check_gradient(task)
            return _by_gradient(task, network, record, listener)
        trained = training_result_of(task, network, site, proof, bank)
    with timing("evaluate"):
        found = diagnose(
            task.manifest, bank.features, proof.heads, site,
            config=task.config, old_head=old_head, seed=task.seed, unlabeled=unlabeled,
        )  # fmt: skip

    def start(rows: Tensor) -> None:
        fitted = _fit(task, network, site, bank.features, rows)
        install(network.module, site, replace(fitted, bias_offset=proof.heads.bias_offset))

    trained = replace(trained, diagnostics=found, head=chosen.text)
    trained = replace(trained, preprocessing=preprocessing.text if preprocessing else "")
    trained = replace(trained, unlabeled=chosen.guess_text or why_not_used(task), guesses=chosen.guesses)
    only_exact = proof.heads.bias_offset != 0
    return TrainedHead(task=task, network=network, trained=trained, start=start, only_exact=only_exact)


def _check_gradient(task: TrainingTask) -> None:
    check_solvable(fits=False, is_multi_label=task.manifest.is_multi_label)


def _source(task: TrainingTask, network: Network) -> FeatureSource:
    located = locate_head(network, head=task.head_path)
    return source_of(network, located, task.config.head, len(task.manifest.images))


def _chosen(task: TrainingTask, source: FeatureSource, bank: FeatureBank) -> ChosenHead:
    """What the new head reads: as a person says, or as cross-validation does."""
    many = is_too_many(len(task.manifest.images), is_multi_label=task.manifest.is_multi_label)
    if not source.is_wide or (many and task.config.head != "wide"):
        return ChosenHead(kind="last")
    if task.config.head == "wide":
        return ChosenHead(kind="wide")
    rows = torch.nonzero(task.rows("train")).flatten()
    free = replace(task, config=replace(task.config, l2=None))  # also where a run is repeated

    def solve(kind: HeadKind) -> LinearHeads:
        reading = source.reads(kind)
        return _fit(free, reading.network, reading.site, bank.features[:, reading.columns], rows)

    found = choose_head(solve, task.labels(task.manifest.part("train")))
    if task.head is None:
        return found
    return ChosenHead(kind=task.head, text=found.text if found.kind == task.head else "")


def _without_label(
    task: TrainingTask, source: FeatureSource, bank: FeatureBank, listener: Listener
) -> Tensor | None:
    """(U, W) features of the images without a label, by the engine that has seen the others."""
    same = replace(task, builder=None, engine=bank.engine)
    return features_without_label(task, lambda: _builder(same, source, listener), listener)


def _with_guesses(
    task: TrainingTask, source: FeatureSource, bank: FeatureBank, unlabeled: Tensor | None
) -> ChosenHead:
    """What the new head reads, and whether it learns from its guesses for images without a label."""
    chosen = _chosen(task, source, bank)
    if unlabeled is None:
        return chosen
    kind: HeadKind = "wide" if source.is_wide and task.config.head != "last" else "last"
    kind = task.head if task.takes_guesses and task.head else kind
    free = replace(task, config=replace(task.config, l2=None))  # also where a run is repeated
    rows = torch.nonzero(task.rows("train")).flatten()

    def solve(kind: HeadKind, guesses: bool) -> LinearHeads:
        reading = source.reads(kind)
        others = unlabeled[:, reading.columns] if guesses and unlabeled is not None else None
        return _fit(free, reading.network, reading.site, bank.features[:, reading.columns], rows, others)

    return with_guesses(task, chosen, kind, solve)


def _guessed(unlabeled: Tensor | None, chosen: ChosenHead, source: FeatureSource) -> Tensor | None:
    """The features that a head with guesses reads of the images without a label; None: it has none."""
    if unlabeled is None or not chosen.guesses:
        return None
    return unlabeled[:, source.reads(chosen.kind).columns]


def _columns(bank: FeatureBank, reading: FeatureReading) -> FeatureBank:
    """The features that a head reads."""
    if reading.columns == slice(None):
        return bank
    return replace(bank, features=columns_of(bank.features, reading.columns))


def _preprocessed(
    task: TrainingTask, source: FeatureSource, kind: HeadKind, bank: FeatureBank, listener: Listener
) -> ChosenPreprocessing:
    """Let cross-validation choose how images are prepared."""
    rows, reading = torch.nonzero(task.rows("train")).flatten(), source.reads(kind)

    def solve(features: Tensor) -> Tensor | None:
        return _fit(task, reading.network, reading.site, features[:, reading.columns], rows).fold_logits

    labels = task.labels(task.manifest.part("train"))
    return choose_preprocessing(
        task, source.network, source.site, bank, labels=labels, solve=solve, listener=listener
    )


def _builder(task: TrainingTask, source: FeatureSource, listener: Listener) -> BankBuilder:
    """The bank that the features of a task go into, before any image has come."""
    engine = None if task.engine is None else engine_named(task.engine)
    if task.engine and engine is None:
        listener(Note(f"This machine has no engine {task.engine}: the head may differ in its last digits."))
    folder = task.features_folder
    extractor = extractor_for(source.network, source.site, folder, engine, flip=task.config.flip)
    return BankBuilder(
        extractor,
        folder=folder,
        expected=len(task.manifest.images),
        batch_size=task.config.batch_size,
    )


def _bank(task: TrainingTask, source: FeatureSource, listener: Listener) -> FeatureBank:
    return fill_bank(
        task.builder or _builder(task, source, listener),
        [image.sha256 for image in task.manifest.images],
        task.stored(source.network),
        folder=task.features_folder,
        listener=listener,
    )


def _solve(
    task: TrainingTask,
    network: Network,
    site: HeadSite,
    bank: FeatureBank,
    unlabeled: Tensor | None,
    listener: Listener,
) -> LinearHeads:
    rows = torch.nonzero(task.rows("train")).flatten()
    if (
        listener is silent or task.manifest.is_multi_label
    ):  # no one watches, or there is no one class to guess
        return _fit(task, network, site, bank.features, rows, unlabeled)
    train, test = task.manifest.part("train"), task.manifest.part("test")
    show = EpochCounter(
        task.manifest.classes,
        (taken(bank.features, rows), task.labels(train)),
        (taken(bank.features, task.rows("test")), task.labels(test)),
        [image.file for image in test],
        listener,
    )
    heads = _fit(task, network, site, bank.features, rows, unlabeled, show.watch)
    show.finish(heads.logits)
    return heads


def _fit(
    task: TrainingTask,
    network: Network,
    site: HeadSite,
    features: Tensor,
    rows: Tensor,
    unlabeled: Tensor | None = None,
    watch: Watch | None = None,
) -> LinearHeads:
    """Solve the head on some rows of the features of all images, and on guesses for the unlabeled ones."""
    images = task.manifest.images
    return fit_heads(
        LabeledFeatures(
            taken(features, rows),
            task.labels(tuple(images[row] for row in rows.tolist())),
            len(task.manifest.classes),
            [images[row].group for row in rows.tolist()],
            unlabeled,
        ),
        site,
        has_bias=has_bias(network.module, site),
        config=task.config,
        seed=task.seed,
        watch=watch,
    )


def _by_gradient(task: TrainingTask, network: Network, record: SwapRecord, listener: Listener) -> TrainedHead:
    """Train a head that no linear solution fits, by gradient through the frozen network."""
    listener(Note("This head is more than one linear layer, so it is taught by gradient; that takes longer."))
    train, test = task.manifest.part("train"), task.manifest.part("test")

    def batch(images: Sequence[ImageRecord]) -> NDArray[np.uint8]:
        return np.stack([task.prepared(image, network) for image in images])

    def through(
        images: tuple[ImageRecord, ...], test: tuple[ImageRecord, ...], hears: Listener
    ) -> GradientResult:
        return train_through(
            network,
            record.site,
            batch,
            images,
            task.labels(images),
            test,
            task.labels(test),
            config=task.config,
            seed=task.seed,
            listener=hears,
        )

    untaught = [(value, value.detach().clone()) for value in head_parameters(network, record.site)]
    answers = through(train, test, listener)
    trained = TrainingResult(
        site=record.site,
        test=split_logits(task, "test", answers.test),
        train=None,
        train_right=int((answers.train.argmax(1) == task.labels(train)).sum()),
        engine=answers.engine,
        l2=None,
        network=network,
        unlabeled=why_not_used(task, is_solved=False),
    )

    def start(rows: Tensor) -> None:
        for value, before in untaught:
            value.data.copy_(before)
        some = tuple(task.manifest.images[row] for row in rows.tolist())
        through(some, some[:1], silent)

    return TrainedHead(task=task, network=network, trained=trained, start=start)
