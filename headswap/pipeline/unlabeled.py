"""Images without a label that a run may learn from: those that are not among the labelled ones.

Flow:  folder, zip or record of the page + Manifest with its parts --read_unlabeled--> Manifest of the others

An image that has a label is not unlabeled, wherever it lies: so a folder of which some images got a label may
be given whole. Near duplicates of test images, and frames of their films, are left out: nothing that is
tested is trained on, not even without its label. Of more than a head is solved with, some are drawn before
anything is computed of them. The order is that of the hashes: the same images give the same head.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from headswap.counted import counted
from headswap.data.duplicates import near_any
from headswap.data.ingest import ingest
from headswap.data.layout import is_image_name
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.split import with_groups
from headswap.data.upload import store_for
from headswap.events import Listener, Note, silent
from headswap.storage.records import read_record

RECORD = "rest-"  # begins the name of the record that the page made


def read_unlabeled(
    source: Path, labelled: Manifest, workspace: Path, listener: Listener = silent, *, seed: int = 0
) -> Manifest | None:
    """Every image of a source that has no label, each once.

    Args:
        source: a folder with images at any depth, a zip, or the record that the page made.
        labelled: with the part of every image.
        workspace: where a zip is unpacked.
        listener: hears how far it is, and what could not be read.
        seed: which are drawn, where they are more than a head is solved with.

    Returns:
        Images of no class, by their hash; None where none is left.

    Raises:
        BadUpload: there is no image, or it is not there.
    """
    if source.name.startswith(RECORD) and source.suffix == ".json":
        try:
            found: Manifest = read_record(Manifest, source)
        except FileNotFoundError:  # at this very moment, too
            listener(Note("The pictures without a label were put away before this run began."))
            return None
    else:
        store = store_for(source, workspace)
        found = ingest(source, store=store, min_classes=0, listener=listener).manifest
        unread = sum(is_image_name(left.file) for left in found.left_out)
        if unread:
            listener(Note(f"{counted(unread, 'picture')} without a label cannot be read."))
    known = {image.sha256 for image in labelled.images}
    by_hash = {image.sha256: image for image in found.images if image.sha256 not in known}
    fresh = _drawn([by_hash[sha256] for sha256 in sorted(by_hash)], labelled, seed)
    if not fresh:
        if by_hash:
            listener(Note("So many pictures have a label that those without are not used."))
        elif found.images:
            listener(Note("Every picture without a label is among those that have one: none is left."))
        return None
    kept = _far_from_test(found, fresh, labelled)
    alike = len(fresh) - len(kept)
    if alike:
        are = "is" if alike == 1 else "are"
        listener(Note(f"{counted(alike, 'picture')} without a label {are} too much like exam pictures."))
    return replace(found, classes=(), images=kept, left_out=(), findings=()) if kept else None


def _drawn(images: list[ImageRecord], labelled: Manifest, seed: int) -> list[ImageRecord]:
    """As many as a head is solved with, in their order."""
    from headswap.training.linear.ridge import MOST_IMAGES  # torch

    most = max(0, MOST_IMAGES - len(labelled.part("train")))
    if len(images) <= most:
        return images
    rows = np.sort(np.random.default_rng(seed).choice(len(images), most, replace=False))
    return [images[row] for row in rows]


def _far_from_test(found: Manifest, fresh: list[ImageRecord], labelled: Manifest) -> tuple[ImageRecord, ...]:
    """Those that are no near duplicate of a test image, and no frame of its film.

    Groups alone do not say it: one that holds a whole class, as that of no class, is formed again.
    """
    images = (*labelled.images, *fresh)
    grouped = with_groups(replace(found, images=tuple(replace(image, group=-1) for image in images))).images
    parts = zip(grouped, labelled.images, strict=False)
    tested = {image.group for image, before in parts if before.part == "test"}
    near = near_any(fresh, labelled.part("test"))
    pairs = zip(grouped[len(labelled.images) :], near, strict=True)
    return tuple(image for image, is_near in pairs if not is_near and image.group not in tested)


def digest_of(unlabeled: Manifest) -> str:
    """sha256 over those of the images, in any order."""
    return hashlib.sha256("".join(sorted(image.sha256 for image in unlabeled.images)).encode()).hexdigest()
