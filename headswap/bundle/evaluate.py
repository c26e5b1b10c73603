"""Measure a bundle on any labelled images, apart from those that it has seen before.

Flow:  bundle + labelled folder --evaluate_bundle--> BundleEvaluation

The headline is what the bundle has not seen. What it was trained on, what only looks like a
training image, and what was in its test part are counted apart from it, each on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headswap.bundle.predictor import Bundle, probabilities_of
from headswap.bundle.reference import Floats32
from headswap.bundle.seen import SEEN_AS, SeenAs, SeenFile, seen_before
from headswap.data.ingest import Elsewhere, IngestedImages, ingest
from headswap.data.layout import class_key
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile, check_one_class
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import store_for
from headswap.errors import BadUpload, TooFewImages
from headswap.evaluation.metrics import Floats, wilson_interval
from headswap.evaluation.multi_label import Bools, label_scores
from headswap.evaluation.report import LabelScore
from headswap.events import Listener, Progress, silent

_BATCH = 32  # images

AnsweredPart = tuple[Floats32 | None, Floats]  # (M, D) features where they can be caught, and (M, C) logits
AnswersOf = Callable[[Manifest, Sequence[ImageRecord]], Iterator[AnsweredPart]]  # in order of the images


@dataclass(frozen=True)
class Tally:
    """Answers on some images."""

    right: int
    images: int

    @property
    def accuracy(self) -> float | None:
        """The share that is right; None: there are no images."""
        return self.right / self.images if self.images else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, Wilson; None: there are no images."""
        return wilson_interval(self.right, self.images) if self.images else None


@dataclass(frozen=True, kw_only=True)
class BundleEvaluation:
    """How a bundle did on some images; the figures of the record itself are of unseen ones only."""

    unseen: Tally  # the images that count
    seen: dict[SeenAs, Tally]  # what was met before, by how; only what there is
    seen_files: tuple[SeenFile, ...]  # images of its training or test, each with the part
    left_out: tuple[SkippedFile, ...]  # what could not be read
    label_scores: tuple[LabelScore, ...] = ()  # of unseen images, where an image may have several labels

    @property
    def right(self) -> int:
        """Unseen images that it got right."""
        return self.unseen.right

    @property
    def images(self) -> int:
        """Images that it had not seen before."""
        return self.unseen.images

    @property
    def accuracy(self) -> float | None:
        """Of unseen images; None: there are none, so nothing honest can be said."""
        return self.unseen.accuracy

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true share lies, 95 of 100 times; None: there are no unseen images."""
        return self.unseen.interval


def evaluate_bundle(
    bundle: Bundle,
    data: Path,
    *,
    workspace: Path,
    elsewhere: Elsewhere | None = None,
    answered: AnswersOf | None = None,
    listener: Listener = silent,
) -> BundleEvaluation:
    """Let a bundle answer for every image of a labelled folder or zip.

    Images of classes that the bundle was never trained on are left out, by name.

    Args:
        bundle: loaded.
        data: the folder or zip.
        workspace: where images of a zip are kept.
        elsewhere: reads most of the files, as for `ingest`.
        answered: gives the bundle's answers to images that were read; None: they are answered here.
        listener: hears progress.

    Raises:
        BadUpload, TooFewImages.
    """
    spec = bundle.card.input
    intake = ingest(
        data,
        store=store_for(data, workspace),
        elsewhere=elsewhere,
        prepare=lambda image: prepare(image, spec),
        wanted_px=wanted_px(spec),
        min_classes=1,
        listener=listener,
    )
    _check_kind(bundle, intake.manifest)
    known = {class_key(name) for name in bundle.classes}
    images = [one for one in intake.manifest.images if known.issuperset(map(class_key, one.names))]
    strange = [
        SkippedFile(file=one.file, reason=f"“{name}” is not a class that this bundle was taught.")
        for one in intake.manifest.images
        if (name := next((name for name in one.names if class_key(name) not in known), None)) is not None
    ]
    if not images:
        raise TooFewImages(
            f"No picture in {data} belongs to a class of this bundle.",
            remedy=f"Its classes are {', '.join(bundle.classes)}; give the folders these names.",
        )
    parts = answered(intake.manifest, images) if answered else _answered(bundle, intake, images)
    logits, features = _answers(parts, len(images), listener)
    has = _truths(bundle, images)
    probabilities, said = _said(bundle, logits)
    is_right = (said == has).all(axis=1).tolist()
    dataset = bundle.dataset.images if bundle.dataset else ()
    last = None if features is None else features[:, bundle.card.site.last_features]
    met = seen_before(images, dataset, bundle.reference, last)
    return BundleEvaluation(
        unseen=_tally(is_right, met, None),
        seen={how: _tally(is_right, met, how) for how in SEEN_AS if how in met},
        seen_files=tuple(
            SeenFile(file=image.file, how=how) for image, how in zip(images, met, strict=True) if how
        ),
        left_out=(*intake.manifest.left_out, *strange),
        label_scores=_label_scores(bundle, probabilities, said, has, np.array([how is None for how in met])),
    )


def _check_kind(bundle: Bundle, manifest: Manifest) -> None:
    """A bundle of several labels is measured on such images only, and one of classes on others."""
    if bundle.card.is_multi_label and not manifest.is_multi_label:
        raise BadUpload(
            "This bundle gives several labels to a picture, but these pictures have one class each.",
            remedy="Give them with a table of all their labels: labels.csv with the lines "
            '"file,label" and "photo1.jpg,mug;cup".',
        )
    check_one_class(
        "Measuring this bundle", is_multi_label=manifest.is_multi_label and not bundle.card.is_multi_label
    )


def _answered(
    bundle: Bundle, intake: IngestedImages, images: Sequence[ImageRecord]
) -> Iterator[AnsweredPart]:
    """The answers to some images, a batch at a time."""
    for start in range(0, len(images), _BATCH):
        chunk = images[start : start + _BATCH]
        yield bundle.features_and_logits(np.stack([_prepared(bundle, intake, image) for image in chunk]))


def answer_again(bundle: Bundle, manifest: Manifest) -> AnsweredPart:
    """The answers to all images of a manifest, which are read again."""
    parts = list(_answered(bundle, IngestedImages(manifest=manifest), manifest.images))
    features = [caught for caught, _ in parts if caught is not None]
    return np.concatenate(features) if features else None, np.concatenate([logits for _, logits in parts])


def _answers(parts: Iterator[AnsweredPart], count: int, listener: Listener) -> tuple[Floats, Floats32 | None]:
    """(N, C) logits of the images, and (N, D) features where they can be caught."""
    logits: list[Floats] = []
    features: list[Floats32] = []
    done = 0
    for caught, some in parts:
        if caught is not None:
            features.append(caught)
        logits.append(some)
        done += len(some)
        listener(Progress("evaluate", done, count))
    return np.concatenate(logits), np.concatenate(features) if features else None


def _truths(bundle: Bundle, images: Sequence[ImageRecord]) -> Bools:
    """(N, C) the class, or the labels, of each image."""
    keys = [class_key(name) for name in bundle.classes]
    names = [set(map(class_key, image.names)) for image in images]
    return np.array([[key in some for key in keys] for some in names])


def _said(bundle: Bundle, logits: Floats) -> tuple[Floats, Bools]:
    """(N, C) probabilities, and the class, or the labels, that are said of each image."""
    probabilities = probabilities_of(bundle.card, logits)
    if bundle.card.is_multi_label:
        return probabilities, probabilities >= np.array(bundle.card.thresholds)
    return probabilities, np.eye(logits.shape[1], dtype=np.bool_)[logits.argmax(axis=1)]


def _label_scores(
    bundle: Bundle, probabilities: Floats, said: Bools, has: Bools, unseen: Bools
) -> tuple[LabelScore, ...]:
    if not bundle.card.is_multi_label or not unseen.any():
        return ()
    thresholds = np.array(bundle.card.thresholds)
    return label_scores(bundle.classes, thresholds, probabilities[unseen], said[unseen], has[unseen])


def _tally(is_right: Sequence[bool], met: Sequence[SeenAs | None], how: SeenAs | None) -> Tally:
    chosen = [right for right, one in zip(is_right, met, strict=True) if one == how]
    return Tally(right=sum(chosen), images=len(chosen))


def _prepared(bundle: Bundle, intake: IngestedImages, image: ImageRecord) -> np.ndarray:
    ready = intake.prepared.get(image.sha256)
    if ready is not None:
        return ready
    spec = bundle.card.input
    return prepare(reread(intake.manifest, image, wanted_px=wanted_px(spec)), spec)
