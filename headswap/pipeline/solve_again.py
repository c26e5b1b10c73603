"""Solve, prove and judge a head for other classes on features that are known, and save it as a bundle.

Flow:  Bundle + KnownImages --solve_again--> SolvedAgain --save_again--> another bundle

The way is that of a run from the features on: the penalty by cross-validation, near duplicates in one fold,
the solved head written into the swapped network and proved on images, the report made in the same way. A
backbone that was moved has been trained on the images of before, so what is cross-validated on them would
flatter: there only the test speaks, and one number, how sure it may be, is chosen on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.bundle.format import BundleCard, save_bundle
from headswap.bundle.kept import KeptFeatures, rows_to_keep
from headswap.bundle.predictor import Bundle
from headswap.bundle.reference import remember, rows_to_remember
from headswap.data.decode import shown_name
from headswap.data.manifest import Manifest
from headswap.errors import SwapFailed, TooFewImages
from headswap.evaluation.evaluate import SplitLogits
from headswap.evaluation.report import Advice, ClassScore, Report
from headswap.features.engines import is_rough
from headswap.heads.site import HeadSite
from headswap.heads.swap import swap_head
from headswap.heads.trainable import head_parameters
from headswap.heads.wide import WideNetwork, widen
from headswap.network import Network
from headswap.pipeline.bundle_writer import report_of, versions_here
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import to_json
from headswap.training.diagnostics import diagnose
from headswap.training.linear.heads import LinearHeads, fit_heads, has_bias
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.targets import labels_of
from headswap.training.task import TrainingResult
from headswap.training.verify import installed, right_answers

_PROOF_IMAGES = 8
_FEW_JUDGED = 5  # images of a class: with fewer, its figure says next to nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownImages:
    """All images of a bundle, and the features of those whose features are known."""

    manifest: Manifest  # with parts and groups
    rows: tuple[int, ...]  # M of its images, rising
    features: NDArray[np.float32]  # (M, D), theirs
    engine: str  # that made them

    @property
    def known(self) -> Manifest:
        """Only the images whose features are known."""
        return replace(self.manifest, images=tuple(self.manifest.images[row] for row in self.rows))


@dataclass(frozen=True, eq=False, kw_only=True)
class SolvedAgain:
    """A network with its new head, and what is known of it."""

    trained: TrainingResult
    report: Report
    edits: tuple[str, ...]  # of this bundle and of those that it came from, in words


def solve_again(
    bundle: Bundle,
    experiment: Experiment,
    images: KnownImages,
    said: Sequence[str],
    shown: NDArray[np.uint8] | None,
) -> SolvedAgain:
    """Give the network of a bundle a head for other classes, in place.

    Args:
        bundle: of before; its network is changed.
        experiment: how its head was solved.
        images: what is known.
        said: what is changed, in words.
        shown: (N, H, W, C) uint8, images for the proof; None: noise is drawn.

    Raises:
        TooFewImages: fewer than two classes are left, or none of them can be judged.
        SwapFailed: the network does not say what was solved.
    """
    known, card = images.known, bundle.card
    if len(known.classes) < 2:
        raise TooFewImages(
            f"Only {' and '.join(map(shown_name, known.classes)) or 'nothing'} would be left.",
            remedy="A network needs at least two classes to choose between.",
        )
    _check_answers(known)
    network, site = _resized(bundle.network.seeing(card.input), card.site, len(known.classes))
    heads = _solved(network, site, experiment, known, torch.from_numpy(images.features))
    heads = _proved(network, site, heads, images, shown if shown is not None else _noise(card), card.flip)
    trained = _trained(network, site, heads, images, card)
    trained = _with_diagnostics(trained, heads, images, experiment)
    if not len(trained.test.labels) and (
        trained.diagnostics is None or not trained.diagnostics.cross_validated
    ):
        raise TooFewImages(
            "No picture would be left to judge the new head by.",
            remedy="Add pictures of each class, ten or more, or change fewer classes.",
        )
    trained = replace(trained, finetune=bundle.report.finetune)
    report = report_of(trained, known)
    changed = (
        Advice(code="changed", sentence=_sentence(images, said, has_moved(experiment))),
        *_not_known(known),
        *_hardly_judged(report, bundle.classes),
    )
    of_before = ("further", "memorising")  # they rest on the fine-tuning, which knew the classes of before
    of_now = (one for one in report.advice if one.code not in of_before)
    return SolvedAgain(
        trained=trained, report=replace(report, advice=(*changed, *of_now)), edits=(*card.edits, *said)
    )


def save_again(
    bundle: Bundle, experiment: Experiment, images: KnownImages, done: SolvedAgain, target: Path
) -> None:
    """Leave a sealed bundle of the new head at a place that must not exist yet."""
    trained, report, known = done.trained, done.report, images.known
    card = replace(
        bundle.card,
        classes=known.classes,
        site=trained.site,
        temperature=report.calibration.temperature if report.calibration else 1.0,
        even_share=report.even_share,
        thresholds=tuple(one.threshold for one in report.label_scores),
        logit_offset=trained.logit_offset if report.is_multi_label else 0.0,
        l2=trained.l2,
        versions=versions_here(),
        parameters=sum(parameter.numel() for parameter in trained.network.module.parameters()),
        edits=done.edits,
    )
    replay = replace(experiment.replay, l2=trained.l2, unlabeled="") if experiment.replay else None
    last_features = images.features[:, trained.site.last_features]
    rows, test = rows_to_remember(known, last_features.shape[1])
    old = bundle.reference.old if bundle.reference else None
    kept = rows_to_keep(known, images.features.shape[1])
    save_bundle(
        target,
        trained.network,
        card,
        to_json(replace(experiment, replay=replay), indent=1),
        report,
        images.manifest,
        reference=remember(
            [known.images[row] for row in rows], last_features[rows], last_features[test], old
        ),
        kept=KeptFeatures(
            rows=np.array(images.rows, np.int64)[kept], features=images.features[kept], engine=images.engine
        ),
    )


def has_moved(experiment: Experiment) -> bool:
    """Whether more than the head was trained."""
    return experiment.replay is not None and experiment.replay.depth != "head"


def _resized(network: Network, site: HeadSite, num_classes: int) -> tuple[Network, HeadSite]:
    """The same network with a new head for other classes, proved by `swap_head`."""
    if not isinstance(network.module, WideNetwork):
        return network, swap_head(network, num_classes, site=site).site
    inside = replace(network, module=network.module.body)
    record = swap_head(inside, num_classes, site=network.module.site)
    with torch.no_grad():
        for value in head_parameters(inside, record.site):  # not used, and random otherwise
            value.zero_()
    return widen(inside, record.site, site.taps, num_classes)


def _solved(
    network: Network, site: HeadSite, experiment: Experiment, known: Manifest, features: Tensor
) -> LinearHeads:
    train = _is_train(known)
    return fit_heads(
        LabeledFeatures(
            features[train],
            labels_of(known, known.images)[train],
            len(known.classes),
            [image.group for image in known.part("train")],
        ),
        site,
        has_bias=has_bias(network.module, site),
        config=experiment.train,
        seed=experiment.data.seed,
    )


def _proved(
    network: Network,
    site: HeadSite,
    heads: LinearHeads,
    images: KnownImages,
    shown: NDArray[np.uint8],
    flip: bool,
) -> LinearHeads:
    """The heads as the network, which holds them now, combines them."""
    largest = float(heads.logits(torch.from_numpy(images.features)).abs().max())
    several = images.manifest.is_multi_label
    found = installed(network, site, heads, shown, largest=largest, flip=flip, several=several)
    if found is None:
        raise SwapFailed(
            "The network does not say what was solved for its new head.",
            remedy="Teach again with all pictures.",
        )
    return found[0]


def _noise(card: BundleCard) -> NDArray[np.uint8]:
    """Images for a proof where there are none: (M, H, W, C)."""
    shape = (_PROOF_IMAGES, card.input.height, card.input.width, card.input.channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _trained(
    network: Network, site: HeadSite, heads: LinearHeads, images: KnownImages, card: BundleCard
) -> TrainingResult:
    """The new head as a run would hand it on."""
    known = images.known
    labels, train = labels_of(known, known.images), _is_train(known)
    test = torch.tensor([image.part == "test" for image in known.images])
    logits, folds = heads.logits(torch.from_numpy(images.features)), heads.fold_logits
    return TrainingResult(
        site=site,
        test=_split_logits(known, test, logits[test]),
        train=None if folds is None else _split_logits(known, train, folds),
        train_right=right_answers(logits[train], labels[train], folds),
        engine=card.engine,
        l2=heads.solved[0].l2,
        network=network,
        flip=card.flip,
        logit_offset=heads.factor * heads.bias_offset,
    )


def _with_diagnostics(
    trained: TrainingResult, heads: LinearHeads, images: KnownImages, experiment: Experiment
) -> TrainingResult:
    """Diagnostics from the features, where the backbone was not trained on these images."""
    if has_moved(experiment):
        return replace(trained, train=trained.test)  # how sure it may be, by images that no part has seen
    diagnostics = diagnose(
        images.known,
        torch.from_numpy(images.features),
        heads,
        trained.site,
        config=experiment.train,
        old_head=None,
        seed=experiment.data.seed,
    )
    return replace(trained, diagnostics=diagnostics)


def _sentence(images: KnownImages, said: Sequence[str], moved: bool) -> str:
    known, recorded = len(images.known.part("train")), len(images.manifest.part("train"))
    of_all = f"{known} practice pictures" if known == recorded else f"{known} of {recorded} practice pictures"
    notes = " Its body was taught the classes of before, not these." if moved else ""
    if is_rough(images.engine):
        how = "of what a GPU decoded" if "float32" in images.engine else "in half precision"
        notes += f" Pictures are judged by features {how}: the network may answer a few otherwise."
    return (
        f"Changed after it was taught: {'; '.join(said)}. The head was taught again on the features of "
        f"{of_all}, without the old pictures.{notes} The figures are of the new head; those of before no "
        "longer hold."
    )


def _check_answers(known: Manifest) -> None:
    """Refuse a label that came later where no image is known to lack it: there is nothing to tell it from.

    Raises:
        TooFewImages: nothing says no to it.
    """
    for name in known.classes:
        train = [image for image in known.part("train") if name not in image.unknown]
        if len(train) < len(known.part("train")) and all(name in image.names for image in train):
            raise TooFewImages(
                f"Nothing says which pictures do not show {shown_name(name)}.",
                remedy="Say that no old picture shows it (absent), or add a table with pictures that show it "
                "and pictures that do not.",
            )


def _not_known(known: Manifest) -> tuple[Advice, ...]:
    """Labels that are not known of all images, each with how many it was learned and judged without."""
    counts = Counter(name for image in known.images for name in image.unknown)
    return tuple(
        Advice(
            code="unknown-labels",
            sentence=f"Of {count} of {len(known.images)} pictures it is not known whether they show "
            f"{shown_name(name)}: it was learned and judged without them.",
            figures={"images": count},
        )
        for name, count in sorted(counts.items())
    )


def _hardly_judged(report: Report, before: Sequence[str]) -> tuple[Advice, ...]:
    """New classes of so few images that no figure says how well they are known."""
    few = [one for one in report.class_scores if one.name not in before and one.images < _FEW_JUDGED]
    return tuple(Advice(code="hardly-judged", sentence=_few_text(one)) for one in few)


def _few_text(one: ClassScore) -> str:
    name = shown_name(one.name)
    judged = {0: "no picture of it was", 1: "1 picture of it was"}.get(
        one.images, f"only {one.images} pictures of it were"
    )
    return (
        f"How well it knows {name} cannot be said: {judged} left to judge it by, so the figure is almost "
        f"only that of the other classes. Add pictures of {name}, about 20 in all."
    )


def _is_train(known: Manifest) -> Tensor:
    """(M,) bool."""
    return torch.tensor([image.part == "train" for image in known.images])


def _split_logits(known: Manifest, rows: Tensor, logits: Tensor) -> SplitLogits:
    """Some of the images, with what was answered."""
    images = [image for image, chosen in zip(known.images, rows.tolist(), strict=True) if chosen]
    return SplitLogits(
        files=[image.file for image in images],
        sha256s=[image.sha256 for image in images],
        labels=labels_of(known, images).numpy(),
        logits=logits.double().numpy(),
    )
