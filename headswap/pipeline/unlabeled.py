"""Images without a label that a run may learn from: those that are not among the labelled ones.

Flow:  folder, zip or record of the page + Manifest with its parts --read_unlabeled--> Manifest of the others

An image that has a label is not unlabeled, wherever it lies: so a folder of which some images were named may
be given whole. Near duplicates of test images, and frames of their films, are left out: nothing that is
tested is trained on, not even without its label.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from headswap.counted import counted
from headswap.data.ingest import ingest
from headswap.data.layout import is_image_name
from headswap.data.manifest import Manifest
from headswap.data.split import with_groups
from headswap.data.upload import store_for
from headswap.events import Listener, Note, silent
from headswap.storage.records import read_record

RECORD = "rest.json"


def read_unlabeled(
    source: Path, labelled: Manifest, workspace: Path, listener: Listener = silent
) -> Manifest | None:
    """Every image of a source that has no label, each once.

    Args:
        source: a folder with images at any depth, a zip, or the rest.json that the page made.
        labelled: with the part of every image.
        workspace: where a zip is unpacked.
        listener: hears how far it is, and what could not be read.

    Returns:
        Images of no class; None where none is left.

    Raises:
        BadUpload: there is no image, or it is not there.
    """
    if source.name == RECORD:
        if not source.is_file():
            listener(Note("The pictures without a label were put away before this run began."))
            return None
        found: Manifest = read_record(Manifest, source)
    else:
        store = store_for(source, workspace)
        found = ingest(source, store=store, min_classes=0, listener=listener).manifest
        unread = sum(is_image_name(left.file) for left in found.left_out)
        if unread:
            listener(Note(f"{counted(unread, 'picture')} without a label cannot be read."))
    known = {image.sha256 for image in labelled.images}
    fresh = {image.sha256: image for image in found.images if image.sha256 not in known}
    if not fresh:
        listener(Note("Every picture without a label is among those that have one: none is left."))
        return None
    images = (*labelled.images, *fresh.values())
    grouped = with_groups(replace(found, images=tuple(replace(image, group=-1) for image in images))).images
    parts = zip(grouped, labelled.images, strict=False)
    tested = {image.group for image, before in parts if before.part == "test"}
    kept = tuple(image for image in grouped[len(labelled.images) :] if image.group not in tested)
    alike = len(fresh) - len(kept)
    if alike:
        are = "is" if alike == 1 else "are"
        listener(Note(f"{counted(alike, 'picture')} without a label {are} too much like test pictures."))
    return replace(found, classes=(), images=kept, left_out=(), findings=()) if kept else None


def digest_of(unlabeled: Manifest) -> str:
    """sha256 over those of the images, in any order."""
    return hashlib.sha256("".join(sorted(image.sha256 for image in unlabeled.images)).encode()).hexdigest()
