"""Judge a network by heads that never saw what they answer: the step that a comparison and a race share.

Flow:  data --task_of--> ScoringTask
       a network, images --score_network--> NetworkScore: answers out of fold of the better of its heads

Features come from the disk where they are known, and are the very same ones that training uses; only where a
GPU decodes what is read again, training from files that it reads for the first time computes its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.cluster.crew import Crew
from headswap.data.ingest import HERE_FIRST, IngestedImages, ingest
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.store import bytes_of, reread
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import store_for
from headswap.errors import HeadswapError, TooFewImages
from headswap.evaluation.metrics import wilson_interval
from headswap.events import Listener, Progress
from headswap.network import InputSpec, Network
from headswap.pipeline.comparison import Comparison, ComparisonRow, Race
from headswap.pipeline.spread import SeenBy, new_run, read_elsewhere, see_elsewhere
from headswap.storage.records import read_record
from headswap.training.config import HeadKind
from headswap.zoos.catalogue import describe_network
from headswap.zoos.zoo import ZooSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from headswap.evaluation.label_ranking import LabelRanking
    from headswap.features.bank import BankBuilder, FeatureBank
    from headswap.features.stored_images import StoredImages
    from headswap.training.head_choice import FeatureSource

BATCH = 16  # images, as the bank takes them when no one says otherwise
NOT_LINEAR = "judged by one linear layer; its own head is more than that"
DATASET = "dataset.json"  # as the page keeps the images of a project


@dataclass(frozen=True, kw_only=True)
class ScoringTask:
    """What every network of one comparison has to do."""

    manifest: Manifest
    prepared: Mapping[str, NDArray[np.uint8]]  # sha256 -> (H, W, C), for networks with this input:
    spec: InputSpec | None
    folds: int
    seed: int
    workspace: Path
    settings: ZooSettings
    crew: Crew | None = None  # sees the images; None: this process

    def labels(self, images: Sequence[ImageRecord]) -> Tensor:
        """(N,) int64; or (N, C) float32 of 0 and 1 where an image may have several labels."""
        from headswap.training.targets import labels_of

        return labels_of(self.manifest, images)

    def ready(self, network: Network, image: ImageRecord) -> NDArray[np.uint8]:
        """An image as the network wants it: from memory where it is there, or read again."""
        known = self.prepared.get(image.sha256) if network.input == self.spec else None
        if known is not None:
            return known
        return prepare(reread(self.manifest, image, wanted_px(network.input)), network.input)

    def stored(self, network: Network, images: Sequence[ImageRecord]) -> StoredImages:
        """Some images, for the bank of a network's features."""
        from headswap.features.stored_images import StoredImages

        return StoredImages(
            prepared=lambda number: self.ready(network, images[number]),
            encoded=lambda number: bytes_of(self.manifest, images[number]),
            are_in_memory=bool(self.prepared) and network.input == self.spec,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkScore:
    """What the better head of a network says of some images, none of which it was solved on."""

    logits: Tensor  # (N, C)
    labels: Tensor  # (N,); or (N, C) of 0 and 1 where an image may have several
    head: HeadKind
    right_last: int  # by the plain head; 0 of several labels
    computed: int  # images that the backbone had to see
    engine: str  # what ran the backbone

    @property
    def right(self) -> int:
        """Images; of several labels 0: what is said of each is decided by thresholds, later."""
        if self.labels.ndim == 2:
            return 0
        return int((self.logits.argmax(1) == self.labels).sum())

    @property
    def accuracy(self) -> float | None:
        return None if self.labels.ndim == 2 else self.right / len(self.labels)

    @cached_property
    def ranking(self) -> LabelRanking | None:
        """Of several labels: how well they rank the images; None: each image has one class."""
        from headswap.evaluation.label_ranking import rank_labels

        if self.labels.ndim == 1:
            return None
        return rank_labels(self.logits.double().numpy(), self.labels.numpy())

    @property
    def mean_average_precision(self) -> float | None:
        return None if self.ranking is None else self.ranking.value

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true accuracy or mean average precision lies, 95 of 100 times."""
        if self.ranking is not None:
            return self.ranking.interval
        return wilson_interval(self.right, len(self.labels))

    @property
    def loss(self) -> float:
        """Mean cross-entropy of an image after calibration on these images."""
        from headswap.training.finetune.compare import score_held_out

        return score_held_out(self.logits, self.labels).loss


def task_of(  # noqa: PLR0913
    data: Path,
    names: Sequence[str],
    *,
    folds: int,
    seed: int,
    workspace: Path,
    settings: ZooSettings,
    crew: Crew | None = None,
    listener: Listener,
) -> ScoringTask:
    """Read the images once, prepared for the first of the networks that there is."""
    spec = None
    for name in names:
        try:
            spec = describe_network(name, settings=settings).input
            break
        except HeadswapError:
            continue  # its row will say why
    intake = _read(data, spec, workspace, crew, listener)
    return ScoringTask(
        manifest=intake.manifest,
        prepared=intake.prepared,
        spec=spec,
        folds=folds,
        seed=seed,
        workspace=workspace,
        settings=settings,
        crew=crew,
    )


def _read(
    data: Path, spec: InputSpec | None, workspace: Path, crew: Crew | None, listener: Listener
) -> IngestedImages:
    if data.name == DATASET and data.is_file():
        manifest: Manifest = read_record(Manifest, data)
        return IngestedImages(manifest=manifest, prepared={})
    store = store_for(data, workspace)
    return ingest(
        data,
        store=store,
        prepare=(lambda image: prepare(image, spec)) if spec else None,
        wanted_px=wanted_px(spec) if spec else None,
        elsewhere=(lambda source, placed: read_elsewhere(crew, source, store, placed, None))
        if crew
        else None,
        listener=listener,
    )


def check_foldable(classes: Sequence[str], images: Sequence[ImageRecord]) -> None:
    """Whether every class or label can be judged by heads that never saw an image.

    Raises:
        TooFewImages: one has not two images that differ.
    """
    for name in classes:
        if len({image.group for image in images if name in image.names}) < 2:
            raise TooFewImages(
                f"{name} has not two pictures that differ, so no head can be judged on one it never saw.",
                remedy="Add pictures of it; ten or more are better.",
            )


def score_network(
    task: ScoringTask,
    source: FeatureSource,
    images: Sequence[ImageRecord],
    listener: Listener,
    engine: str | None = None,
) -> NetworkScore:
    """Run the backbone over what it has not seen yet, solve heads in folds, and take the better kind.

    Args:
        task: folds, seed, and where features are kept.
        source: of the network.
        images: N, at least two that differ of each class.
        listener: hears progress.
        engine: that ran the backbone on some of the images before; None: whatever is fastest here.

    Raises:
        BadSetting: images have several labels, and no linear head fits the network.
    """
    from headswap.training.head_choice import check_solvable, prefers_wide

    check_solvable(fits=source.fits_linear_head, is_multi_label=task.manifest.is_multi_label)
    labels = task.labels(images)
    bank = bank_of(task, source, images, listener, engine)
    logits = _answers(task, source, bank, images, listener)
    is_wide = "wide" in logits and prefers_wide(logits["last"], logits["wide"], labels)
    better: HeadKind = "wide" if is_wide else "last"
    return NetworkScore(
        logits=logits[better],
        labels=labels,
        head=better,
        right_last=0 if labels.ndim == 2 else int((logits["last"].argmax(1) == labels).sum()),
        computed=bank.computed,
        engine=bank.engine,
    )


def bank_of(
    task: ScoringTask,
    source: FeatureSource,
    images: Sequence[ImageRecord],
    listener: Listener,
    engine: str | None = None,
) -> FeatureBank:
    """The features of some images, from the disk where they are known."""
    from headswap.features.autotune import extractor_for
    from headswap.features.bank import BankBuilder, fill_bank
    from headswap.features.engines import engine_named

    folder = task.workspace / "features"
    extractor = extractor_for(source.network, source.site, folder, engine_named(engine) if engine else None)
    builder = BankBuilder(extractor, folder=folder, expected=len(images))
    if task.crew is not None:
        _see_elsewhere(task, task.crew, source, images, builder, listener)
    return fill_bank(
        builder,
        [image.sha256 for image in images],
        task.stored(source.plain, images),
        folder=folder,
        listener=listener,
    )


def _see_elsewhere(
    task: ScoringTask,
    crew: Crew,
    source: FeatureSource,
    images: Sequence[ImageRecord],
    builder: BankBuilder,
    listener: Listener,
) -> None:
    """Let a crew see what the bank lacks, after a few images have settled which engine does.

    Machines of a crew decode by Pillow: what a GPU has decoded is left to this one.
    """
    if builder.decoder != "pillow":
        return
    lacking = [image for image in images if builder.lacks(image.sha256)]
    for image in lacking[:HERE_FIRST]:
        builder.add(image.sha256, task.ready(source.plain, image))
    builder.flush()
    rest = [image for image in lacking if builder.lacks(image.sha256)]
    backbone = SeenBy(
        run=new_run(),
        model=source.plain.card.full_name,
        weights=None,
        px=None,
        crop_mode=None,
        head_path=None,
        head="auto",
        expected=len(task.manifest.images),
        flip=False,
        engine=builder.extractor.engine.name,
        batch_size=BATCH,
        folder=str((task.workspace / "features").resolve()),
    )
    with closing(see_elsewhere(crew, task.manifest, rest, backbone)) as told:
        for seen in told:
            listener(Progress("features", len(images) - len(rest) + seen, len(images)))
    builder.refresh_index()


def kinds_of(task: ScoringTask, source: FeatureSource) -> tuple[HeadKind, ...]:
    """The heads that training would choose between."""
    from headswap.training.head_choice import is_too_many

    many = is_too_many(len(task.manifest.images), is_multi_label=task.manifest.is_multi_label)
    return ("last", "wide") if source.is_wide and not many else ("last",)


def _answers(
    task: ScoringTask,
    source: FeatureSource,
    bank: FeatureBank,
    images: Sequence[ImageRecord],
    listener: Listener,
) -> dict[HeadKind, Tensor]:
    """(N, C) answers out of fold of each kind of head."""
    from headswap.training.linear.cross_validation import cross_validate
    from headswap.training.linear.heads import has_bias
    from headswap.training.linear.labeled_features import LabeledFeatures

    kinds = kinds_of(task, source)
    labels, groups = task.labels(images), [image.group for image in images]
    logits: dict[HeadKind, Tensor] = {}
    for number, kind in enumerate(kinds):
        listener(Progress("head", number, len(kinds), unit="heads"))
        reading = source.reads(kind)
        classes = len(task.manifest.classes)
        known = LabeledFeatures(bank.features[:, reading.columns], labels, classes, groups)
        logits[kind] = cross_validate(
            known,
            reading.site,
            has_bias=has_bias(reading.network.module, reading.site),
            folds=task.folds,
            seed=task.seed,
        )
    listener(Progress("head", len(kinds), len(kinds), unit="heads"))
    return logits


def comparison_of(
    task: ScoringTask, rows: Sequence[ComparisonRow], *, stopped: bool, race: Race | None = None
) -> Comparison:
    """The rows with what they are measured against."""
    manifest, counts, total = task.manifest, task.manifest.counts, len(task.manifest.images)
    common = max(counts, key=lambda name: counts[name])
    is_multi_label = manifest.is_multi_label
    blind = sum(counts.values()) / len(counts) / total  # a blind guess ranks each label by its share
    return Comparison(
        counts=counts,
        folds=task.folds,
        rows=tuple(rows),
        left_out=manifest.left_out,
        baseline_class="" if is_multi_label else common,
        baseline_accuracy=blind if is_multi_label else counts[common] / total,
        stopped=stopped,
        race=race,
        is_multi_label=is_multi_label,
    )
