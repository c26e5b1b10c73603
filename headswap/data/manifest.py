"""The images a person gave: which, of what class, in which part, and what was left out.

Records only. A `Manifest` is `dataset.json` on the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headswap.errors import BadSetting
from headswap.field_types import keys_on_disk

Part = Literal["train", "validation", "test"]
NO_LABEL = "(no label)"


def joined(labels: Sequence[str]) -> str:
    """Several labels as one name, for people: "cup + mug"."""
    return " + ".join(labels) or NO_LABEL


def check_one_class(doing: str, *, is_multi_label: bool) -> None:
    """Refuse what makes no sense, or is not there yet, where an image may have several labels.

    Args:
        doing: what needs one class of each image, as the beginning of a sentence.
        is_multi_label: of a manifest, a bundle or a report.

    Raises:
        BadSetting: it may.
    """
    if is_multi_label:
        raise BadSetting(
            f"{doing} needs one class for each picture, and here a picture may have several labels.",
            remedy="Change the table and bring it again, or give each picture one label.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """One readable image."""

    __pydantic_config__ = keys_on_disk(fingerprint="look")

    file: str  # the name the person knows, relative, with forward slashes
    source: str  # where its bytes are, relative to the manifest's root
    class_name: str  # where an image may have several labels: `joined` of them
    sha256: str  # of the bytes; of a frame: of its film and its time in it
    width: int  # px, after rotation
    height: int
    fingerprint: str  # 256-bit difference hash, 64 hex digits
    brightness: float  # mean grey, in [0, 1]
    border: float | None = None  # mean grey of the outermost sixteenth all round; None: not measured
    thumbnail: str = ""  # of a `Fingerprint`; empty: made by version 0.1, or in a bundle, which shows no one
    film: str = ""  # sha256 of the film that this is a frame of; empty: an image of its own
    group: int = -1  # near duplicates and frames of one film share a group; -1: not grouped yet
    part: Part = "train"
    given_part: Part | None = None  # from train/val/test folders, or "train": a label given after a try
    labels: tuple[str, ...] | None = (
        None  # sorted, where it may have several, or none; None: it has one class
    )
    unknown: tuple[str, ...] = ()  # labels of which it is not known whether it has them; sorted

    @property
    def names(self) -> tuple[str, ...]:
        """Its class, or its labels: none, one or several."""
        return (self.class_name,) if self.labels is None else self.labels


@dataclass(frozen=True, kw_only=True)
class SkippedFile:
    """One file that was not used, and why."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something a person should know about the images, in words."""

    code: str  # "few", "unbalanced", "duplicates", "near-duplicates", "two-classes", "brightness", ...
    sentence: str
    files: tuple[str, ...] = ()  # the images it is about
    spare: tuple[str, ...] = ()  # those of them that could be left out to correct it
    classes: tuple[str, ...] = ()  # the classes that more images would help


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All images of one data set, in a fixed order."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    name: str  # of the set
    root: str  # folder that `ImageRecord.source` is relative to
    classes: tuple[str, ...]  # sorted; the order of the new head's outputs
    images: tuple[ImageRecord, ...]  # each with its class, part and group
    left_out: tuple[SkippedFile, ...] = ()  # each file that is no image of the set, with the reason
    findings: tuple[Finding, ...] = ()  # what is odd about the set

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels, or none; `classes` are then the labels."""
        return any(image.labels is not None for image in self.images)

    @property
    def counts(self) -> dict[str, int]:
        """Images of each class, or with each label, in the order of `classes`."""
        counted = Counter(name for image in self.images for name in image.names)
        return {name: counted[name] for name in self.classes}

    @property
    def file_names(self) -> dict[str, str]:
        """The file of each image by its sha256, and the beginning of that where two have the same name."""
        files = Counter(image.file for image in self.images)
        return {
            image.sha256: image.file if files[image.file] == 1 else f"{image.file} ({image.sha256[:8]})"
            for image in self.images
        }

    def part(self, part: Part) -> tuple[ImageRecord, ...]:
        """The images of one part."""
        return tuple(image for image in self.images if image.part == part)

    def path(self, image: ImageRecord) -> Path:
        """Where an image's bytes are."""
        return Path(self.root) / image.source

    def label(self, image: ImageRecord) -> int:
        """The output of the new head that stands for an image's class."""
        return self.classes.index(image.class_name)
