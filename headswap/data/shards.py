"""Many images in few files, tar archives and Parquet: what both have in common.

Flow:  what shards hold --placed_in--> FolderLayout: each image with its class and its part

`headswap.data.tar_shards` and `headswap.data.parquet_shards` read them. Knows names and what labels are
usually called; opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from headswap.data.decode import shown_name
from headswap.data.layout import (
    PART_NAMES,
    FolderLayout,
    PlacedFile,
    arrange,
    class_name,
    is_image_name,
    is_litter,
)
from headswap.data.manifest import Part, SkippedFile, joined
from headswap.errors import BadUpload

TABLE = ".parquet"
LABELS = (
    "label", "labels", "class", "class_name", "class_label", "label_name", "category", "cls", "target",
    "fine_label", "classes", "species", "y",
)  # fmt: skip
_TARS = (".tar", ".tar.gz", ".tgz")
_CLASS_LISTS = ("classes.txt", "classnames.txt", "class_names.txt", "labels.txt")  # a name for each number


@dataclass(frozen=True, kw_only=True)
class ShardImage:
    """One image of a shard."""

    name: str  # in the shard
    copy: str  # below the folder of copies
    labels: tuple[str, ...] | None = None  # None: the shard says nothing of it
    is_one: bool = True  # it has a class; otherwise any number of labels


@dataclass(frozen=True, kw_only=True)
class ShardIndex:
    """What a shard holds."""

    images: tuple[ShardImage, ...]
    left_out: tuple[SkippedFile, ...] = ()


def is_shard(name: str) -> bool:
    """By its ending."""
    return name.lower().endswith((*_TARS, TABLE))


def shards_among(names: Sequence[str]) -> tuple[str, ...]:
    """The shards, where a folder consists of them; none where it holds images of its own."""
    if any(is_image_name(name) for name in names if not is_litter(name)):
        return ()
    return tuple(name for name in names if is_shard(name) and not is_litter(name))


def placed_in(
    indexes: Sequence[tuple[str, ShardIndex]], class_list: Sequence[str], *, is_labelled: bool
) -> FolderLayout:
    """Every image of some shards with its class: by its label, or by its folder where no shard says labels.

    Args:
        indexes: shards by their names.
        class_list: a name for each number that a label may be; empty: there is no such list.
        is_labelled: classes are wanted.
    """
    left_out = [one for _, index in indexes for one in index.left_out]
    has_labels = any(image.labels is not None for _, index in indexes for image in index.images)
    by_folder = arrange({image.name for _, index in indexes for image in index.images})
    folders = {placed.file: placed for placed in by_folder.placed}
    placed: list[PlacedFile] = []
    for shard, index in indexes:
        for image in index.images:
            file = f"{shard}/{image.name}"
            one: PlacedFile | None
            bare = PlacedFile(file=file, class_name="", copy=image.copy)
            if is_labelled and has_labels:
                one = _labelled(bare, image, class_list, _part_of(shard))
            elif is_labelled:
                one = _foldered(bare, folders.get(image.name), _part_of(shard))
            else:
                one = bare
            if one is None:
                reason = f"{shown_name(image.name)} has no label." if has_labels else _loose(image.name)
                left_out.append(SkippedFile(file=file, reason=reason))
            else:
                placed.append(one)
    findings = () if has_labels or not is_labelled else by_folder.findings
    return FolderLayout(placed=tuple(placed), left_out=tuple(left_out), findings=findings)


def _foldered(bare: PlacedFile, home: PlacedFile | None, part: Part | None) -> PlacedFile | None:
    if home is None:
        return None
    return replace(bare, class_name=home.class_name, given_part=home.given_part or part)


def _labelled(
    placed: PlacedFile, image: ShardImage, class_list: Sequence[str], part: Part | None
) -> PlacedFile | None:
    if image.labels is None:
        return None
    labels = tuple(
        class_name(class_list[int(one)] if one.isdecimal() and int(one) < len(class_list) else one)
        for one in image.labels
    )
    if image.is_one:
        return replace(placed, class_name=labels[0], given_part=part)
    return replace(placed, class_name=joined(labels), given_part=part, labels=tuple(sorted(labels)))


def _loose(name: str) -> str:
    return f"{shown_name(name)} is not in a class folder."


def _part_of(shard: str) -> Part | None:
    """train-00000-of-00004.parquet, or a folder of that name."""
    for step in reversed(PurePosixPath(shard).parts):
        word = step.lower().replace("_", "-").replace(".", "-").partition("-")[0].rstrip("0123456789")
        if word in PART_NAMES:
            return PART_NAMES[word]
    return None


def class_list_in(names: Sequence[str]) -> str | None:
    """The file next to shards that names the classes by their numbers."""
    return next((name for name in names if name.rpartition("/")[2].lower() in _CLASS_LISTS), None)


def labels_of(value: Any, names: Sequence[str] = ()) -> tuple[tuple[str, ...], bool]:
    """A value of a column or of JSON as labels, and whether it is one class.

    Args:
        value: a name, a number, or a list of them.
        names: of the classes by their numbers; empty: they are not known.
    """

    def named(one: Any) -> str:
        is_number = isinstance(one, int) and not isinstance(one, bool) and 0 <= one < len(names)
        return names[one] if is_number else str(one)

    if isinstance(value, list):
        return tuple(sorted({class_name(named(one)) for one in value})), False
    return (named(value),), True


def half(shard: str) -> BadUpload:
    """What is said of a shard that cannot be read to its end."""
    return BadUpload(
        f"{shown_name(shard)} is damaged, or only half of it is there.",
        remedy="Upload it again, or leave it out.",
    )
