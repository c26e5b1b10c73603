"""Names of files -> an `Upload`: each with its class, by folders or by a table next to them.

Flow:  names, what reads one --arranged--> FolderLayout --check_classes--> nothing, or one sentence

Knows names and tables; where the files lie is its caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headswap.counted import counted
from headswap.data.decode import shown_name
from headswap.data.layout import FolderLayout, PlacedFile, arrange, unsorted
from headswap.data.manifest import Finding, SkippedFile
from headswap.data.table import labels_from_coco, labels_from_table
from headswap.data.table_files import EXAMPLE
from headswap.errors import BadUpload, NotSorted, TooFewImages

HOW = "Give a folder with one folder of pictures for each class, or a zip of it."


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An opened folder or zip. `read` may be called from several threads."""

    name: str
    source: Path  # what `reopened` opens again; of a zip at an address its copy
    in_place: bool  # a folder: `PlacedFile.file` is a path below it
    is_fetched: bool = False  # `PlacedFile.copy` is a path below the store
    placed: tuple[PlacedFile, ...]
    left_out: tuple[SkippedFile, ...]
    findings: tuple[Finding, ...]
    read: Callable[[PlacedFile], bytes]


def arranged(
    names: Sequence[str], read: Callable[[PlacedFile], bytes], min_classes: int, table: str = ""
) -> FolderLayout:
    """Give every file its class.

    Args:
        names: relative, with forward slashes.
        read: gives the bytes of one, for tables.
        min_classes: 0: no one has sorted them.
        table: the one that says the classes, whatever folders and other tables say; empty: look for it.

    Raises:
        BadUpload: folders say nothing, and a table cannot be used.
    """
    if table and min_classes:
        layout = labels_from_table(names, lambda name: read(PlacedFile(file=name, class_name="")), table)
        if layout is None:
            raise BadUpload(f"{shown_name(table)} says no labels of pictures.", remedy=EXAMPLE)
        return layout
    layout = arrange(names) if min_classes else unsorted(names)
    if min_classes and len({placed.class_name for placed in layout.placed}) < 2:  # folders do not say them
        return _by_table(layout, names, read)
    if min_classes:  # train2017 and val2017 are folders of COCO and no classes
        return _by_table(layout, names, read, labels_from_coco)
    return layout


def _by_table(
    layout: FolderLayout,
    names: Sequence[str],
    read: Callable[[PlacedFile], bytes],
    labels_from: Callable[[Sequence[str], Callable[[str], bytes]], FolderLayout | None] = labels_from_table,
) -> FolderLayout:
    """The classes of a table next to the images; as it is where there is none, or one folder says enough."""
    try:
        return labels_from(names, lambda name: read(PlacedFile(file=name, class_name=""))) or layout
    except BadUpload:
        if layout.placed:  # it may be about something else
            return layout
        raise


def check_classes(name: str, layout: FolderLayout, min_classes: int) -> None:
    """Whether there is enough to begin with.

    Args:
        name: of the source, for people.
        layout: what was found in it.
        min_classes: fewer is refused.

    Raises:
        NotSorted: images, but no classes.
        BadUpload: no images.
        TooFewImages: fewer classes.
    """
    title = shown_name(name)
    classes = sorted({name for one in layout.placed for name in _names(one)})
    loose = [left.file for left in layout.left_out if left.reason.endswith("not in a class folder.")]
    if not classes and loose:
        raise NotSorted(
            f"{title} holds {counted(len(loose), 'picture')} but no class folders.",
            remedy="Put the pictures of each class into a folder named after the class, or a table next to "
            "them: labels.csv with the columns file and label.",
        )
    if not classes:
        how = HOW if min_classes else "Give a folder, a zip or a few pictures."
        raise BadUpload(f"{title} holds no pictures.", remedy=how)
    if len(classes) < min_classes:
        raise TooFewImages(
            f"{title} holds one class only: {shown_name(classes[0])}.",
            remedy="Add a folder of pictures for at least one more class.",
        )


def _names(placed: PlacedFile) -> tuple[str, ...]:
    return (placed.class_name,) if placed.labels is None else placed.labels
