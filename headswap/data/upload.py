"""What a person gives -> the files in it, each with its class: a folder, or a zip of one.

Flow:  path --open_upload--> Upload (placed files, what was left out) --read--> bytes of one file

Links that lead out of the folder are not followed. A folder is read in place; nothing of a
zip is ever unpacked under its own name.

Knows folders, zips and names; decodes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headswap.data.decode import ImageLimits, check_file_size, shown_name
from headswap.data.film import is_film
from headswap.data.layout import FolderLayout, PlacedFile, arrange, is_litter, unsorted
from headswap.data.manifest import Finding, SkippedFile
from headswap.data.table import labels_from_coco, labels_from_table
from headswap.data.zip_reader import open_archive
from headswap.errors import BadUpload, NotSorted, TooFewImages, UnreadableImage

_HOW = "Give a folder with one folder of pictures for each class, or a zip of it."


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An opened folder or zip. `read` may be called from several threads."""

    name: str
    in_place: bool  # a folder: `PlacedFile.file` is a path below it
    placed: tuple[PlacedFile, ...]
    left_out: tuple[SkippedFile, ...]
    findings: tuple[Finding, ...]
    read: Callable[[PlacedFile], bytes]


def store_for(source: Path, folder: Path) -> Path | None:
    """Where below `folder` a source's pictures must be kept to be read again; None: they are read in place.

    A zip's pictures and a film's frames are no files that could be opened once more.
    """
    if source.is_dir() and not any(is_film(name) for _, _, files in os.walk(source) for name in files):
        return None
    return folder / "unpacked"


@contextmanager
def open_upload(source: Path, *, min_classes: int = 2) -> Iterator[Upload]:
    """Open a folder or a zip and place its files.

    Args:
        source: the folder or zip.
        min_classes: fewer is refused; 0: nobody has sorted the files, and their folders mean nothing.

    Raises:
        BadUpload: there is nothing there, nothing usable in it, or it is not safe.
        TooFewImages: fewer classes than `min_classes`.
    """
    if source.is_dir():
        names, left_out = _walk(source)
        yield _upload(source, names, left_out, lambda placed: _read_file(source / placed.file), min_classes)
    elif source.is_file():
        with open_archive(source) as archive:
            yield _upload(
                source, archive.names, archive.left_out, lambda placed: archive.read(placed.file), min_classes
            )
    else:
        raise BadUpload(f"There is nothing at {source}.", remedy="Check the path. " + _HOW)


@contextmanager
def reopened(source: Path, placed: tuple[PlacedFile, ...]) -> Iterator[Upload]:
    """Some files of a folder or zip that `open_upload` has placed before, maybe in another process.

    Raises:
        BadUpload: it is not there, or no zip that can be opened.
    """
    opened = partial(Upload, name=source.name, placed=placed, left_out=(), findings=())
    if source.is_dir():
        yield opened(in_place=True, read=lambda one: _read_file(source / one.file))
        return
    with open_archive(source) as archive:
        yield opened(in_place=False, read=lambda one: archive.read(one.file))


def _upload(
    source: Path,
    names: tuple[str, ...],
    left_out: list[SkippedFile],
    read: Callable[[PlacedFile], bytes],
    min_classes: int,
) -> Upload:
    layout = arrange(names) if min_classes else unsorted(names)
    if min_classes and len({placed.class_name for placed in layout.placed}) < 2:  # folders do not say them
        layout = _by_table(layout, names, read)
    elif min_classes:  # train2017 and val2017 are folders of COCO and no classes
        layout = _by_table(layout, names, read, labels_from_coco)
    _check_classes(source, layout, min_classes)
    return Upload(
        name=source.resolve().name if source.is_dir() else source.stem,
        in_place=source.is_dir(),
        placed=layout.placed,
        left_out=(*left_out, *layout.left_out),
        findings=layout.findings,
        read=read,
    )


def _by_table(
    layout: FolderLayout,
    names: tuple[str, ...],
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


def _check_classes(source: Path, layout: FolderLayout, min_classes: int) -> None:
    title = shown_name(source.resolve().name)
    classes = sorted({name for one in layout.placed for name in _names(one)})
    loose = [left.file for left in layout.left_out if left.reason.endswith("not in a class folder.")]
    if not classes and loose:
        raise NotSorted(
            f"{title} holds {len(loose)} pictures but no class folders.",
            remedy="Put the pictures of each class into a folder named after the class, or a table beside "
            "them: labels.csv with the columns file and label.",
        )
    if not classes:
        how = _HOW if min_classes else "Give a folder, a zip or a few pictures."
        raise BadUpload(f"{title} holds no pictures.", remedy=how)
    if len(classes) < min_classes:
        raise TooFewImages(
            f"{title} holds one class only: {shown_name(classes[0])}.",
            remedy="Add a folder of pictures for at least one more class.",
        )


def _names(placed: PlacedFile) -> tuple[str, ...]:
    return (placed.class_name,) if placed.labels is None else placed.labels


def _walk(root: Path) -> tuple[tuple[str, ...], list[SkippedFile]]:
    """All regular files below a folder, relative, with forward slashes."""
    names: list[str] = []
    left_out: list[SkippedFile] = []
    inside = root.resolve()
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not is_litter(name))
        here = Path(folder)
        for entry in sorted([*files, *(name for name in subfolders if (here / name).is_symlink())]):
            path = here / entry
            if is_litter(entry):
                continue
            name = path.relative_to(root).as_posix()
            problem = _not_usable(path, name, inside)
            if problem:
                shown = name.encode("utf-8", "replace").decode()
                left_out.append(SkippedFile(file=shown, reason=f"{shown_name(entry)} {problem}"))
            else:
                names.append(name)
    return tuple(names), left_out


def _not_usable(path: Path, name: str, inside: Path) -> str:
    """Why a name in a folder is not read at all, or nothing."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "has a name with letters that cannot be read; rename it."
    if path.is_symlink() and path.is_dir():
        return "is a link to a folder, which is not followed."
    if not path.is_file():  # also a link in a circle
        return "is not a file."
    if path.is_symlink() and not path.resolve().is_relative_to(inside):
        return "is a link to a place outside the folder."
    return ""


def _read_file(path: Path) -> bytes:
    try:
        check_file_size(path.stat().st_size, path.name, ImageLimits())
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(
            f"{shown_name(path.name)} cannot be opened: {error.strerror or 'the disk does not give it'}.",
            remedy="Check that you may read it, or leave it out.",
        ) from error
