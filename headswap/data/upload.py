"""What a person gives -> the files in it, each with its class: a folder, a zip of one, or a table.

Flow:  path --open_upload--> Upload (placed files, what was left out) --read--> bytes of one file

Links that lead out of the folder are not followed. A folder is read in place; nothing of a
zip is ever unpacked under its own name. What lies elsewhere, and shards of many images, is opened by
`headswap.data.remote_upload` and copied into the store as it is.

Knows folders, zips and names; decodes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from headswap.data.decode import ImageLimits, check_file_size, shown_name
from headswap.data.film import is_film
from headswap.data.layout import FolderLayout, PlacedFile, is_litter
from headswap.data.manifest import SkippedFile
from headswap.data.placing import HOW, Upload, arranged, check_classes
from headswap.data.remote import REMOTE
from headswap.data.remote_upload import address_of, fetched, fetched_again
from headswap.data.table_files import SPREADSHEETS, TABLES
from headswap.data.zip_reader import open_archive
from headswap.errors import BadUpload, UnopenedFile


def store_for(source: Path, folder: Path) -> Path | None:
    """Where below `folder` a source's images must be kept to be read again; None: they are read in place.

    A zip's images and a film's frames are no files that could be opened once more; what lies elsewhere is
    to be fetched once.
    """
    if address_of(source) is not None:
        return folder / REMOTE
    inside = folder_of(source)
    if inside.is_dir() and not any(is_film(name) for _, _, files in os.walk(inside) for name in files):
        return None
    return folder / "unpacked"


def folder_of(source: Path) -> Path:
    """Where the images of a table lie that is given itself: next to it. Anything else is given back."""
    is_table = source.suffix.lower() in (*TABLES, *SPREADSHEETS) and source.is_file()
    return source.parent if is_table else source


@contextmanager
def open_upload(
    source: Path, *, min_classes: int = 2, store: Path | None = None, packed: bool = True
) -> Iterator[Upload]:
    """Open a folder or a zip and place its files.

    Args:
        source: the folder or zip, an address, or a table whose images lie next to it or below.
        min_classes: fewer is refused; 0: no one has sorted the files, and their folders mean nothing.
        store: where what lies elsewhere is copied to; None: it is refused.
        packed: addresses and shards are opened too.

    Raises:
        BadSetting: a package is missing that opens such a source.
        BadUpload: there is nothing there, nothing usable in it, or it is not safe.
        TooFewImages: fewer classes than `min_classes`.
    """
    address = address_of(source) if packed else None
    if address is not None:
        with fetched(address, store, min_classes) as (upload, archive):
            if archive is None:
                yield upload
            else:
                with _opened(archive, min_classes) as inside:
                    yield replace(inside, name=upload.name)
        return
    with _opened(source, min_classes) as upload:
        yield upload


@contextmanager
def _opened(source: Path, min_classes: int) -> Iterator[Upload]:
    """A folder or a zip of this machine."""
    folder = folder_of(source)
    if folder.is_dir():
        (names, left_out), table = _walk(folder), "" if folder == source else source.name

        def read(placed: PlacedFile) -> bytes:
            return _read_file(folder / placed.file)

        yield _upload(folder, arranged(names, read, min_classes, table), left_out, read, min_classes)
    elif source.is_file():
        with open_archive(source) as archive:

            def unpack(placed: PlacedFile) -> bytes:
                return archive.read(placed.file)

            layout = arranged(archive.names, unpack, min_classes)
            yield _upload(source, layout, archive.left_out, unpack, min_classes)
    else:
        raise BadUpload(f"There is nothing at {source}.", remedy="Check the path. " + HOW)


@contextmanager
def reopened(source: Path, placed: tuple[PlacedFile, ...], *, store: Path | None = None) -> Iterator[Upload]:
    """Some files of a folder or zip that `open_upload` has placed before, maybe in another process.

    Args:
        source: as its `Upload.source` says.
        placed: the files.
        store: as it was; None: nothing was copied.

    Raises:
        BadUpload: it is not there, or no zip that can be opened.
    """
    address = address_of(source)
    if address is not None:
        with fetched_again(address, store, placed) as upload:
            yield upload
        return
    opened = partial(Upload, name=source.name, source=source, placed=placed, left_out=(), findings=())
    if source.is_dir():
        yield opened(in_place=True, read=lambda one: _read_file(source / one.file))
        return
    with open_archive(source) as archive:
        yield opened(in_place=False, read=lambda one: archive.read(one.file))


def _upload(
    source: Path,
    layout: FolderLayout,
    left_out: list[SkippedFile],
    read: Callable[[PlacedFile], bytes],
    min_classes: int,
) -> Upload:
    check_classes(source.resolve().name, layout, min_classes)
    return Upload(
        name=source.resolve().name if source.is_dir() else source.stem,
        source=source,
        in_place=source.is_dir(),
        placed=layout.placed,
        left_out=(*left_out, *layout.left_out),
        findings=layout.findings,
        read=read,
    )


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
        raise UnopenedFile(
            f"{shown_name(path.name)} cannot be opened: {error.strerror or 'the disk does not give it'}.",
            remedy="Check that you may read it, or leave it out.",
        ) from error
