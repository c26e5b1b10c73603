"""From what a run learned to what it leaves: the report, the card, and a sealed bundle.

Flow:  TrainingTask + TrainingResult --report_of--> Report;  all of it --bind--> Bundle on the disk

Nothing of this machine goes into a bundle: no paths, only names and hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.format import FORMAT, MULTI_LABEL_FORMAT, BundleCard, save_bundle
from headswap.bundle.kept import KeptFeatures, rows_to_keep
from headswap.bundle.reference import PretrainedNames, ReferenceFeatures, remember, rows_to_remember
from headswap.data.manifest import Manifest
from headswap.data.split import crossing
from headswap.evaluation.evaluate import EvaluationInputs, build_report, temperature_of
from headswap.evaluation.multi_label_report import build_multi_label_report
from headswap.evaluation.report import Advice, Report
from headswap.features.engines import choose_engine, exact
from headswap.network import InputSpec, Network
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.unlabeled import digest_of
from headswap.storage.files import to_json
from headswap.training.config import Depth, ReplayedChoices
from headswap.training.task import TrainingResult, TrainingTask
from headswap.training.verify import features_of


def report_of(trained: TrainingResult, manifest: Manifest) -> Report:
    """Judge what was trained, from the logits of its test images and the diagnostics."""
    diagnostics = trained.diagnostics
    inputs = EvaluationInputs(
        manifest=manifest,
        test=trained.test,
        train=trained.train,
        train_right=trained.train_right,
        cross_validated=diagnostics.cross_validated if diagnostics else None,
        by_last=diagnostics.by_last if diagnostics else None,
        learning=diagnostics.learning if diagnostics else None,
        cross_split_duplicates=diagnostics.cross_split_duplicates if diagnostics else (),
        finetune=trained.finetune,
    )
    if manifest.is_multi_label:
        report = build_multi_label_report(inputs)
    else:
        report = build_report(inputs, temperature=temperature_of(trained.train))
    happened = []
    if trained.finetune:
        happened.append(Advice(code="further", sentence=trained.finetune.sentence))
    if trained.head:
        is_wide = float(bool(trained.site.taps))
        happened.append(Advice(code="head", sentence=trained.head, figures={"is_wide": is_wide}))
    if trained.unlabeled:
        used = {"guesses": float(trained.guesses)}
        happened.append(Advice(code="unlabeled", sentence=trained.unlabeled, figures=used))
    if trained.preprocessing:
        happened.append(Advice(code="view", sentence=trained.preprocessing))
    if crossed := _crossing(report, manifest):
        happened.append(Advice(code="near-duplicates", sentence=crossed))
    return replace(report, advice=(*happened, *report.advice))


def _crossing(report: Report, manifest: Manifest) -> str:
    """What near duplicates across the person's own folders do to the figure; nothing, when there are none."""
    files = {image.file for image in crossing(manifest)}
    if report.method != "exam" or not files:
        return ""
    apart = [answer for answer in report.answers if answer.file not in files]
    right = sum(answer.is_right for answer in apart)
    rest = f"without them {right} of {len(apart)} are right" if apart else "there are no others in it"
    return (
        f"{len(files)} of the {report.total} pictures in your own test folder are near duplicates of "
        f"practice pictures, so the result looks better than it is: {rest}."
    )


def bind(
    target: Path,
    experiment: Experiment,
    task: TrainingTask,
    trained: TrainingResult,
    network: Network,
    report: Report,
) -> None:
    """Leave a sealed bundle at a place that must not exist yet."""
    card = _card(experiment, network, trained, report)
    replay = _replay(trained, network.input)
    if trained.guesses and task.unlabeled:
        replay = replace(replay, unlabeled=digest_of(task.unlabeled))
    experiment_json = to_json(replace(_portable(experiment), replay=replay), indent=1)
    reference, kept = _remembered(task, trained, network)
    save_bundle(target, network, card, experiment_json, report, task.manifest, reference=reference, kept=kept)


def _remembered(
    task: TrainingTask, trained: TrainingResult, network: Network
) -> tuple[ReferenceFeatures | None, KeptFeatures | None]:
    """What the bundle remembers of its images, to compare and to change its classes later.

    None where features cannot be caught; nothing for a change where no one wants it, or where no head is
    solved on features.
    """
    manifest, old = task.manifest, None
    columns = trained.site.last_features  # they say best what an image looks like
    rows, test = rows_to_remember(manifest, columns.stop - columns.start)
    keeps = task.config.keep_features and trained.l2 is not None
    kept = rows_to_keep(manifest, sum(trained.site.in_features)) if keeps else []
    wanted = sorted({*rows, *test, *kept})
    features = _features(task, trained, network, wanted)
    if features is None:
        return None, None
    head = trained.diagnostics.old_head if trained.diagnostics else None
    if head is not None and len(network.class_names) == len(head.weight):
        old = PretrainedNames(weight=head.weight.numpy(), bias=head.bias.numpy(), names=network.class_names)
    images = [manifest.images[row] for row in rows]
    train_features, test_features = (
        features[np.searchsorted(wanted, part)][:, columns] for part in (rows, test)
    )
    reference = remember(images, train_features, test_features, old)
    if not kept:
        return reference, None
    mine = features[np.searchsorted(wanted, kept)]
    engine = trained.engine if trained.diagnostics else exact(choose_engine()).name
    return reference, KeptFeatures(rows=np.array(kept, np.int64), features=mine, engine=engine)


def _features(
    task: TrainingTask, trained: TrainingResult, network: Network, rows: Sequence[int]
) -> NDArray[np.float32] | None:
    """(M, D) of all that the head reads, by the backbone as it is now, of rows of the manifest."""
    if trained.diagnostics is None:
        return features_of(task, trained.site, network, rows, flip=trained.flip)
    return np.asarray(trained.diagnostics.features[list(rows)].numpy())


def _card(experiment: Experiment, network: Network, trained: TrainingResult, report: Report) -> BundleCard:
    return BundleCard(
        format=MULTI_LABEL_FORMAT if report.is_multi_label else FORMAT,
        model=network.card.full_name,
        variant=network.card.variant,
        classes=report.classes,
        input=network.input,
        site=trained.site,
        temperature=report.calibration.temperature if report.calibration else 1.0,
        even_share=report.even_share,
        head_path=experiment.head_path,
        flip=trained.flip,
        engine=trained.engine,
        l2=trained.l2,
        backbone_sha256=network.weights_sha256,
        versions=versions_here(),
        parameters=sum(parameter.numel() for parameter in network.module.parameters()),
        licence=network.card.licence,
        thresholds=tuple(one.threshold for one in report.label_scores),
        logit_offset=trained.logit_offset if report.is_multi_label else 0.0,
    )


def _portable(experiment: Experiment) -> Experiment:
    """The same choices without a path of this machine."""
    others = experiment.data.unlabeled
    data = replace(
        experiment.data,
        source=Path(experiment.data.source).name,
        unlabeled=Path(others).name if others else None,
    )
    weights = Path(experiment.weights).name if experiment.weights else None
    return replace(experiment, data=data, weights=weights)


def _replay(trained: TrainingResult, spec: InputSpec) -> ReplayedChoices:
    """What this run measured."""
    import torch

    finetune = trained.finetune if trained.finetune and trained.finetune.depth != "head" else None
    return ReplayedChoices(
        engine=trained.engine,
        threads=torch.get_num_threads(),
        l2=trained.l2,
        depth=cast(Depth, finetune.depth) if finetune else "head",
        learning_rate=finetune.learning_rate if finetune else None,
        epochs=finetune.planned_epochs if finetune else None,
        parts=finetune.parts if finetune else None,
        crop_mode=spec.crop_mode,
        flip=trained.flip,
        head="wide" if trained.site.taps else "last",
        processes=trained.processes,
    )


def versions_here() -> dict[str, str]:
    """Of the packages that make a bundle, as they are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("headswap", "torch", "torchvision", "timm", "transformers", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
