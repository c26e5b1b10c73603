"""Other classes for a bundle, without the images that it was trained on.

Flow:  bundle + ClassChanges + images of new classes --edit--> another bundle;  the old one stays as it is

A bundle keeps the features of its images (`headswap.bundle.kept`). New images go through its backbone once,
the head is solved again on all features, put into the network and proved there, and judged as any other head:
what was locked away before still is, and a share of every new class is locked away too. Where only names
change, nothing is solved: the network says the same under other names.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from headswap.bundle.format import EXPERIMENT, opened, read_features, save_bundle
from headswap.bundle.kept import KeptFeatures
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.counted import counted
from headswap.data.class_changes import (
    ClassChanges,
    new_names,
    with_classes,
    with_images,
    with_labels,
    without,
)
from headswap.data.decode import shown_name
from headswap.data.manifest import NO_LABEL, ImageRecord, Manifest, SkippedFile, check_one_class, joined
from headswap.errors import BadSetting, BadUpload, BundleDamaged, TooFewImages
from headswap.evaluation.advice import advise
from headswap.evaluation.multi_label_report import label_advice, most_common
from headswap.evaluation.report import Report
from headswap.events import Listener, Progress, silent
from headswap.pipeline.added_images import AddedReader
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.solve_again import KnownImages, save_again, solve_again
from headswap.storage.files import from_json, read_sealed, to_json
from headswap.storage.locations import folder_of_copies, path_for_bundle


@dataclass(frozen=True, kw_only=True)
class EditOutcome:
    """What a change of classes gave."""

    bundle: str  # the sealed folder
    changes: tuple[str, ...]  # what was done, in words
    report: Report  # of the head as it is now
    counts: dict[str, int]  # images of each class
    added: int  # images that were read now
    train_images: int  # whose features the head was solved on; where only names changed, those of before
    left_out: tuple[SkippedFile, ...]  # what could not be read of the added images
    seconds: float  # of the whole change


@dataclass(frozen=True, eq=False, kw_only=True)
class _Opened:
    """A bundle with everything that a change needs."""

    bundle: Bundle
    dataset: Manifest
    experiment: Experiment
    kept: KeptFeatures | None


@dataclass(frozen=True)
class _Wanted:
    """What will happen to the classes."""

    names: Mapping[str, str | None]  # new names
    said: Sequence[str]  # the same in words
    absent: Sequence[str]  # new labels that no old image has


def edit(  # noqa: PLR0913
    bundle: str | Path,
    out: str | Path,
    *,
    add: str | Path | Sequence[str | Path] = (),
    remove: str | Sequence[str] = (),
    merge: Mapping[str, Sequence[str]] | None = None,
    rename: Mapping[str, str] | None = None,
    absent: str | Sequence[str] = (),
    allow_code: bool = False,
    workspace: str | Path | None = None,
    listener: Listener = silent,
) -> EditOutcome:
    """Change the classes of a bundle without the images that it was trained on; the result is a new bundle.

    Classes are removed, put together and renamed first; then images are added. The report of the new bundle
    is of its new head: the figures of before no longer hold.

    Args:
        bundle: the folder or zip that `train` wrote, with the features that it keeps.
        out: where the new bundle goes; must not exist.
        add: a folder or zip with one folder of images for each class, or with the images of one class, which
            is then called like it; or several of these. A class that is there already gets more images.
            Where images may have several labels, a table with several labels says of its images which of
            the labels that it names they have; a folder says of its images that they have one label, and
            nothing of the others.
        remove: classes that are no longer answered.
        merge: the name that classes get together, and which these are. An image has the merged label if it
            has one of them.
        rename: the old name of a class, and its new one.
        absent: new labels that no old image has. Without that it is not known which old images have a new
            label, and they are left out where it is learned and judged.
        allow_code: let a bundle trained on your own code import that code.
        workspace: where a zip is unpacked; None: the system's cache folder.
        listener: hears how far it is; may raise `Cancelled`.

    Raises:
        BundleDamaged: there is no whole bundle there.
        BadSetting: it keeps no features, or a change cannot be made.
        BadUpload, TooFewImages: of what is added, or of what would be left.
    """
    begin = time.perf_counter()
    sources = [Path(add)] if isinstance(add, str | Path) else [Path(one) for one in add]
    changes = ClassChanges(
        remove=(remove,) if isinstance(remove, str) else tuple(remove),
        merge=tuple((into, tuple(names)) for into, names in (merge or {}).items()),
        rename=tuple((rename or {}).items()),
    )
    if not sources and not absent and changes == ClassChanges():
        raise BadSetting("No change was named.", remedy="Say what to add, remove, merge or rename.")
    unseen = (absent,) if isinstance(absent, str) else tuple(absent)
    new_bundle = path_for_bundle(out, Path(out))
    with opened(Path(bundle)) as folder:
        before = _open(folder, allow_code)
    if unseen and not before.bundle.card.is_multi_label:
        raise BadSetting(
            "absent is for a network that gives several labels to a picture.", remedy="Leave it out."
        )
    names = new_names(before.bundle.classes, changes)
    said = _change_sentences(changes)
    if not sources and not unseen and changes.only_names:
        done = _rename(before, names, said, new_bundle)
    else:
        target = folder_of_copies(workspace)
        kept = _kept_in(before)
        reading = AddedReader(before.bundle, sources, target, engine=kept.engine, listener=listener)
        done = _solve_again(before, kept, _Wanted(names, said, unseen), new_bundle, reading)
    return replace(done, seconds=round(time.perf_counter() - begin, 3))


def _open(folder: Path, allow_code: bool) -> _Opened:
    bundle = load_bundle(folder, allow_code=allow_code)
    if bundle.dataset is None:
        raise BundleDamaged("The bundle does not say what it was trained on.", remedy="Teach it again.")
    experiment: Experiment = from_json(Experiment, read_sealed(folder, EXPERIMENT))
    return _Opened(
        bundle=bundle, dataset=bundle.dataset, experiment=experiment, kept=read_features(folder)
    )  # fmt: skip


def _change_sentences(changes: ClassChanges) -> list[str]:
    return [
        *(f"removed {shown_name(name)}" for name in changes.remove),
        *(f"put {' and '.join(map(shown_name, names))} together as {shown_name(into)}"
          for into, names in changes.merge),
        *(f"renamed {shown_name(old)} to {shown_name(new)}" for old, new in changes.rename),
    ]  # fmt: skip


def _rename(
    before: _Opened, names: Mapping[str, str | None], said: Sequence[str], new_bundle: Path
) -> EditOutcome:
    """The same network under other names, in the same order."""
    bundle, dataset = before.bundle, before.dataset
    classes = tuple(str(names[name]) for name in bundle.classes)
    manifest = replace(with_classes(dataset, names)[0], classes=classes, findings=dataset.findings)
    report = _with_names(bundle.report, names, manifest)
    card = replace(bundle.card, classes=classes, edits=(*bundle.card.edits, *said))
    save_bundle(
        new_bundle, bundle.network, card, to_json(before.experiment, indent=1), report, manifest,
        reference=bundle.reference, kept=before.kept,
    )  # fmt: skip
    return EditOutcome(
        bundle=str(new_bundle), changes=tuple(said), report=report, counts=manifest.counts, added=0,
        train_images=report.train_total, left_out=(), seconds=0.0,
    )  # fmt: skip


def _with_names(report: Report, names: Mapping[str, str | None], manifest: Manifest) -> Report:
    """The same report under other names; advice that names classes is given again."""
    happened = tuple(one for one in report.advice if one.kind == "happened" or one.code == "near-duplicates")
    renamed = replace(
        report,
        classes=manifest.classes,
        class_scores=tuple(replace(one, name=str(names[one.name])) for one in report.class_scores),
        label_scores=tuple(replace(one, name=str(names[one.name])) for one in report.label_scores),
    )
    if report.is_multi_label:
        advice = (*happened, *label_advice(renamed.label_scores, manifest))
        return replace(renamed, baseline_class=joined(most_common(manifest)), advice=advice)
    renamed = replace(renamed, baseline_class=str(names[report.baseline_class]))
    train = [image.class_name for image in manifest.part("train")]
    advised = advise(renamed, [train.count(name) for name in manifest.classes])
    return replace(advised, advice=(*happened, *advised.advice))


def _solve_again(
    before: _Opened,
    kept: KeptFeatures,
    wanted: _Wanted,
    new_bundle: Path,
    reading: AddedReader,
) -> EditOutcome:
    """Another head, solved on what is kept and on what is added."""
    images, recorded = _put_together(before, kept, wanted, reading)
    fresh = images.manifest.images[recorded:]
    if reading.sources and not fresh:
        raise TooFewImages("No image was added.", remedy=reading.left_out[0].reason)
    said = [
        *wanted.said,
        *_addition_sentences(fresh),
        *(f"no old picture shows {shown_name(name)}" for name in wanted.absent),
    ]
    reading.listener(Progress("head", 0, 1))
    done = solve_again(before.bundle, before.experiment, images, said, reading.shown)
    reading.listener(Progress("save", 0, 1))
    save_again(before.bundle, before.experiment, images, done, new_bundle)
    return EditOutcome(
        bundle=str(new_bundle), changes=tuple(said), report=done.report, counts=images.manifest.counts,
        added=len(fresh), train_images=done.report.train_total, left_out=tuple(reading.left_out), seconds=0.0,
    )  # fmt: skip


def _kept_in(before: _Opened) -> KeptFeatures:
    """What a bundle keeps; refused where no head can be solved on it."""
    if before.bundle.card.l2 is None:
        raise BadSetting(
            "The head of this bundle is more than one linear layer, so it cannot be taught on features.",
            remedy="Teach again with all pictures; renaming works.",
        )
    if before.kept is None:
        raise BadSetting(
            "This bundle keeps no features of its pictures: it was made by an older headswap, or with "
            "--no-features.",
            remedy="Teach it once more with the pictures, then its classes can be changed without them; "
            "renaming works.",
        )
    return before.kept


def _put_together(
    before: _Opened, kept: KeptFeatures, wanted: _Wanted, reading: AddedReader
) -> tuple[KnownImages, int]:
    """What is kept of the classes that stay, then what is added; and how many images are recorded."""
    manifest, rows = with_classes(before.dataset, wanted.names)
    positions = {row: number for number, row in enumerate(rows)}
    stays = np.array([int(row) in positions for row in kept.rows])
    known, features = [positions[int(row)] for row in kept.rows[stays]], [kept.features[stays]]
    data = before.experiment.data
    for source in reading.sources:
        more, start = reading.read(source), len(manifest.images)
        joining = _joining(before, manifest, more.manifest)
        manifest, given, left = with_images(manifest, joining, test_share=data.test_share, seed=data.seed)
        known += range(start, len(manifest.images))
        features.append(reading.features(more, given))
        reading.left_out += [*more.manifest.left_out, *left]
    manifest = without(manifest, wanted.absent, len(rows))
    manifest = replace(manifest, left_out=(*manifest.left_out, *reading.left_out))
    images = KnownImages(
        manifest=manifest, rows=tuple(known), features=np.concatenate(features), engine=kept.engine
    )
    return images, len(rows)


def _joining(before: _Opened, manifest: Manifest, more: Manifest) -> tuple[ImageRecord, ...]:
    """What is added, as the images of the bundle are: with one class, or with several labels."""
    if before.bundle.card.is_multi_label:
        if set(more.classes) <= {"0", "1"}:
            raise BadUpload(
                "The table says only 0 and 1, and not of which label.",
                remedy='Give it a column for each of two labels or more, or lists, as "photo1.jpg,mug;cup".',
            )
        return with_labels(more, manifest.classes)
    check_one_class("A network of this kind", is_multi_label=more.is_multi_label)
    return more.images


def _addition_sentences(images: Sequence[ImageRecord]) -> list[str]:
    counts = Counter(name for image in images for name in image.names or (NO_LABEL,))
    return [
        f"added {counted(count, 'picture')} of {shown_name(name)}" for name, count in sorted(counts.items())
    ]
