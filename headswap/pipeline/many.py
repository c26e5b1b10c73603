"""Many images at once: those of folders, zips and lists are answered, and sorted into classes if asked.

Flow:  Bundle + folders, zips, files --answers_of--> (name, image, Prediction | why it cannot be read)
       --csv_of--> a table;  --sort--> copies in one folder for each class;  --pack_sorted--> a zip of them

A batch is in memory at a time. Nothing is moved or changed: images are copied.
"""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from headswap.data.manifest import SkippedFile
from headswap.errors import BadSetting, BadUpload, UnreadableImage
from headswap.events import Listener, Progress, silent
from headswap.pipeline.resources import loaded
from headswap.storage.files import copy, make_folder, replacing, write_bytes, write_text
from headswap.storage.locations import folder_of_copies

if TYPE_CHECKING:
    from headswap.bundle.prediction import Prediction
    from headswap.bundle.predictor import Bundle
    from headswap.data.layout import PlacedFile
    from headswap.data.placing import Upload
    from headswap.pipeline.kept_answers import KeptAnswers

OOD, NOT_SURE, UNLABELLED = "_unlike", "_not sure", "_no label"  # in addition to the classes
TABLE = "answers.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a name that begins so
_MOST_SURE = 1.0

ImageSource = Path | bytes  # a file, or what a zip holds
Source = Path | Callable[[], bytes]  # a file, or what reads it from its zip
AnyPath = TypeVar("AnyPath", Path, PurePosixPath)
Answer = tuple[str, ImageSource, "Prediction | UnreadableImage"]  # the name as it was found


@dataclass(frozen=True)
class _Found:
    """One image that is to be answered."""

    name: str
    path: Path  # the file, or the zip that holds it
    read: Callable[[], bytes] | None = None  # from its zip


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """Where one image is."""

    name: str  # as it is shown
    path: str  # of the file, or of the zip that holds it
    member: str | None = None  # its name in that zip
    fetched_from: str = ""  # the address that it is copied from to `path`; empty: it is there
    fetched_file: str = ""  # its name there
    store: str = ""  # the folder of copies that `path` is in


@dataclass(frozen=True, kw_only=True)
class SortedImages:
    """What came of sorting."""

    out: str  # the folder
    counts: dict[str, int]  # copies in each of its folders
    left_out: tuple[SkippedFile, ...]  # what could not be read


def answers_of(
    bundle: Bundle,
    found: Sequence[FoundImage],
    listener: Listener = silent,
    kept: KeptAnswers | None = None,
) -> Iterator[Answer]:
    """Answer images in their order.

    Args:
        bundle: loaded.
        found: as `found_in` gives them.
        listener: hears Progress("predict"); may raise `Cancelled`.
        kept: what it said already is not asked again; what it says now is written down.
    """
    with ExitStack() as open_zips:
        known = [kept.find(one.name, Path(one.path)) if kept else None for one in found]
        fresh = _asked(
            bundle, [one for one, said in zip(found, known, strict=True) if said is None], open_zips
        )
        for done, (one, said) in enumerate(zip(found, known, strict=True), start=1):
            image: ImageSource = b"" if one.member is not None else Path(one.path)
            if said is None:
                image, said = next(fresh)
                if kept:
                    kept.keep(one.name, Path(one.path), said)
            listener(Progress("predict", done, len(found)))
            yield one.name, image, said if isinstance(said, UnreadableImage) else replace(said, file=one.name)


def _asked(
    bundle: Bundle, found: Sequence[FoundImage], open_zips: ExitStack
) -> Iterator[tuple[ImageSource, Prediction | UnreadableImage]]:
    """Each with its answer, in their order, some of them read ahead."""
    waiting: deque[ImageSource | UnreadableImage] = deque()

    def images() -> Iterator[ImageSource]:
        for read in sources_of(found, open_zips):
            try:
                image = read if isinstance(read, Path) else read()
            except UnreadableImage as problem:  # damaged inside its zip
                waiting.append(problem)
                continue
            waiting.append(image)
            yield image

    def damaged() -> Iterator[tuple[ImageSource, UnreadableImage]]:
        while waiting and isinstance(waiting[0], UnreadableImage):
            problem = waiting.popleft()
            if isinstance(problem, UnreadableImage):
                yield b"", problem

    for _, said in bundle.predict_each(images()):
        yield from damaged()
        image = waiting.popleft()
        if not isinstance(image, UnreadableImage):
            yield image, said
    yield from damaged()


def csv_of(said: Iterable[Prediction], classes: Sequence[str], names: Mapping[str, str]) -> str:
    """A table: file, label, how sure, OOD score, the nearest training images, the share of every class.

    Args:
        said: the answers.
        classes: of the bundle.
        names: of its training images, by their sha256.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "label", "sure", "unlike", "is_unlike", "nearest", *map(table_cell, classes)])
    for one in said:
        shares = [f"{one.probabilities[name]:.6f}" for name in classes]
        ood_score = "" if one.ood_score is None else f"{one.ood_score:.4f}"
        row = [
            table_cell(one.file),
            table_cell(one.label),
            f"{one.sure:.6f}",
            ood_score,
            str(one.is_ood).lower(),
        ]
        nearest = "; ".join(names.get(sha256, sha256) for sha256 in one.nearest)
        table.writerow([*row, table_cell(nearest), *shares])
    return text.getvalue()


def sort(
    bundle: str | Path | Bundle,
    images: str | Path,
    out: str | Path,
    *,
    least_sure: float = 0.0,
    allow_code: bool = False,
    workspace: str | Path | None = None,
    listener: Listener = silent,
) -> SortedImages:
    """Copy images into one folder for each class, by what a bundle says of them.

    What is out of distribution goes to a folder of its own, and so does what it is not sure of. The
    table of all answers lies next to them. Where an image may have several labels, it is copied into the
    folder of each; what has none goes to a folder of its own.

    Args:
        bundle: the folder or zip that `train` wrote, or one that is loaded already.
        images: a folder with images at any depth, a zip, or an address such as s3://bucket/new.
        out: a folder that does not exist yet.
        least_sure: images that it is less sure of are kept apart, in [0, 1].
        allow_code: let a bundle trained on your own code import that code.
        workspace: where what lies elsewhere is copied to; None: the system's cache folder.
        listener: hears how far it is; may raise `Cancelled`.

    Raises:
        BadSetting: the folder exists, or a class cannot be the name of a folder.
        BundleDamaged: there is no whole bundle there.
        BadUpload: there is nothing at `images`, or a zip cannot be opened.
    """
    if not 0 <= least_sure <= _MOST_SURE:
        raise BadSetting(f"least_sure is {least_sure}.", remedy="Choose 0 to 1, such as 0.9.")
    target, known = Path(out), loaded(bundle, allow_code)
    if target.exists():
        raise BadSetting(f"{target} exists already.", remedy="Choose another name for the sorted folder.")
    for name in known.classes:
        _check_folder_name(name)
    found = found_in([images], folder_of_copies(workspace))
    make_folder(target)
    kept: list[Prediction] = []
    counts: Counter[str] = Counter()
    left_out: list[SkippedFile] = []
    for name, image, said in answers_of(known, found, listener):
        if isinstance(said, UnreadableImage):
            left_out.append(SkippedFile(file=name, reason=str(said)))
            continue
        for folder in folders_of(said, least_sure):
            _put(image, make_folder(target / folder), Path(name).name)
            counts[folder] += 1
        kept.append(said)
    write_text(target / TABLE, csv_of(kept, known.classes, known.file_names))
    return SortedImages(out=str(target), counts=dict(sorted(counts.items())), left_out=tuple(left_out))


def folders_of(said: Prediction, least_sure: float) -> tuple[str, ...]:
    """Where a sorted image goes: to its class or labels; apart when out of distribution or unsure."""
    if said.is_ood:
        return (OOD,)
    if said.sure < least_sure:
        return (NOT_SURE,)
    return (said.label,) if said.labels is None else said.labels or (UNLABELLED,)


def pack_sorted(
    said: Sequence[tuple[Prediction, Path]],
    classes: Sequence[str],
    names: Mapping[str, str],
    target: Path,
    *,
    least_sure: float,
) -> Path:
    """The folders and the table of `sort`, in one zip.

    Args:
        said: what was said of each image, under its name, and the file to pack.
        classes: of the bundle.
        names: of its training images, by their sha256.
        target: the zip; it is written as a whole.
        least_sure: images that it is less sure of are kept apart, in [0, 1].

    Raises:
        BadSetting: a class cannot be the name of a folder.
    """
    for name in classes:
        _check_folder_name(name)
    taken: set[str] = set()
    with replacing(target) as file, zipfile.ZipFile(file, "w") as packed:  # images are packed already
        for one, path in said:
            for folder in folders_of(one, least_sure):
                wanted = PurePosixPath(f"{folder}/{PurePosixPath(one.file).stem}{path.suffix}")
                member = _free_name(wanted, lambda member: str(member) in taken)
                taken.add(str(member))
                packed.write(path, str(member))
        packed.writestr(TABLE, csv_of([one for one, _ in said], classes, names))
    return target


def found_in(sources: Iterable[str | Path], workspace: Path | None = None) -> list[FoundImage]:
    """Every image of some folders, zips, files and addresses, in their order.

    Args:
        sources: where they are.
        workspace: where what lies elsewhere will be copied to; None: it is refused.

    Raises:
        BadUpload: a zip that cannot be opened, or no image in any of them.
    """
    asked = list(map(Path, sources))
    found = list(_found_in(asked, workspace))
    if asked and not found:
        raise BadUpload(
            f"No picture was found in {', '.join(map(str, asked))}.",
            remedy="Give pictures, or folders or zips that hold some.",
        )
    return found


def _found_in(sources: Iterable[Path], workspace: Path | None) -> Iterator[FoundImage]:
    from headswap.data.layout import is_litter
    from headswap.data.remote_upload import address_of
    from headswap.data.zip_reader import open_archive

    for source in sources:
        if address_of(source) is not None:
            yield from _found_elsewhere(source, workspace)
        elif source.is_dir():
            for file in sorted(source.rglob("*")):
                if file.is_file() and not is_litter(file.relative_to(source).as_posix()):
                    yield FoundImage(name=str(file), path=str(file))
        elif source.is_file() and zipfile.is_zipfile(source):
            with open_archive(source) as archive:
                names = archive.names
            for name in names:
                if not is_litter(name):
                    yield FoundImage(name=f"{source}/{name}", path=str(source), member=name)
        else:
            yield FoundImage(name=str(source), path=str(source))


def _found_elsewhere(source: Path, workspace: Path | None) -> Iterator[FoundImage]:
    """The images of an address, or of shards; hardly any has been fetched by then."""
    from headswap.data.remote import REMOTE, url_of
    from headswap.data.remote_upload import address_of, fetched

    address = address_of(source) or ""
    store = (workspace / REMOTE).resolve() if workspace is not None else None
    with fetched(address, store, 0) as (upload, archive):
        placed = upload.placed
    if archive is not None:
        for one in found_in([archive]):
            yield replace(one, name=f"{address}/{one.member}")
        return
    for each in placed:
        yield FoundImage(
            name=f"{url_of(source) or source}/{each.file}",
            path=str(Path(store or "", each.copy)),
            fetched_from=address,
            fetched_file=each.file,
            store=str(store),
        )


def sources_of(found: Sequence[FoundImage], open_zips: ExitStack) -> Iterator[Source]:
    """The path of every image, or a function that reads it from its zip or address, which is opened once."""
    from functools import partial

    from headswap.data.zip_reader import ZipReader, open_archive

    archives: dict[str, ZipReader] = {}
    uploads: dict[str, tuple[Upload, dict[str, PlacedFile]]] = {}
    for one in found:
        if one.fetched_from:
            if one.fetched_from not in uploads:
                uploads[one.fetched_from] = _reopened(one, found, open_zips)
            upload, placed = uploads[one.fetched_from]
            yield partial(upload.read, placed[one.fetched_file])
            continue
        if one.member is None:
            yield Path(one.path)
            continue
        if one.path not in archives:
            archives[one.path] = open_zips.enter_context(open_archive(Path(one.path)))
        yield partial(archives[one.path].read, one.member)


def _reopened(
    one: FoundImage, found: Sequence[FoundImage], open_zips: ExitStack
) -> tuple[Upload, dict[str, PlacedFile]]:
    """The address of an image with all its files that are asked for, in their order."""
    from headswap.data.layout import PlacedFile
    from headswap.data.upload import reopened

    store = Path(one.store)
    placed = {
        each.fetched_file: PlacedFile(
            file=each.fetched_file, class_name="", copy=Path(each.path).relative_to(store).as_posix()
        )
        for each in found
        if each.fetched_from == one.fetched_from
    }
    source = Path(one.fetched_from)
    return open_zips.enter_context(reopened(source, tuple(placed.values()), store=store)), placed


def _put(image: ImageSource, folder: Path, name: str) -> None:
    """Copy an image into a folder, next to others of the same name."""
    target = _free_name(folder / name, Path.exists)
    if isinstance(image, bytes):
        write_bytes(target, image)
    else:
        copy(image, target)


def _free_name(wanted: AnyPath, is_taken: Callable[[AnyPath], bool]) -> AnyPath:
    """The name, or the first of name-2, name-3, ... that is free."""
    names = (wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}") for number in itertools.count(2))
    return next(name for name in itertools.chain([wanted], names) if not is_taken(name))


def _check_folder_name(name: str) -> None:
    if (
        Path(name).name != name
        or name in (".", "..", OOD, NOT_SURE, UNLABELLED)
        or "\\" in name
        or "\0" in name
    ):
        raise BadSetting(
            f"The class {name!r} cannot be the name of a folder.", remedy="Do not trust this bundle."
        )


def table_cell(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def plain_cell(cell: str) -> str:
    """The name that `table_cell` has made a cell of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
