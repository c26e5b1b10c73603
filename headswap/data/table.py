"""A table of labels next to the images -> their classes and parts, where folders do not say them.

Flow:  names + a reader --labels_from_table--> FolderLayout, or None where there is no table

Reads what people have: CSV with commas, semicolons or tabs (Kaggle's train.csv), spreadsheets of Excel and
LibreOffice, metadata.csv or metadata.jsonl as Hugging Face's image folders have it, and COCO's JSON. Which
column names the files is told by looking: its values are names of files that are there. An image may have
several labels: in one cell, as columns of 0 and 1, or on several rows. Knows names and text only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from headswap.data.decode import shown_name
from headswap.data.label_cells import LabelColumns, label_columns
from headswap.data.layout import (
    PART_NAMES,
    FolderLayout,
    PlacedFile,
    class_key,
    class_name,
    is_image_name,
)
from headswap.data.manifest import Finding, Part, SkippedFile, joined
from headswap.data.table_files import EXAMPLE, SPREADSHEETS, TABLES, Row, Table, read_table
from headswap.errors import BadUpload

_PARTS = ("split", "part", "subset", "set", "fold")
_MOST_OF_IT = 0.5  # rows whose file must be there, for a column to be that of the files
_MOST_JSON = 20  # more of them are notes next to the images, one for each
_SEVERAL_ROWS = 0.25  # of the images, from which several rows of one mean several labels and no mistake


def labels_from_table(
    names: Sequence[str], read: Callable[[str], bytes], only: str = ""
) -> FolderLayout | None:
    """Give every image the class, or the labels, that a table says.

    Args:
        names: of all files, relative, with forward slashes.
        read: gives the bytes of one.
        only: the one table that counts; empty: all that are there.

    Returns:
        None where there is no table.

    Raises:
        BadUpload: there is a table, but what it means cannot be told; the sentence gives an example.
    """
    tables = _tables([only] if only else names, read)
    if not tables:
        _check_numbers(names)
        return None
    images = [name for name in names if is_image_name(name)]
    useful = [labels for labels in (_Labels.of(table, images) for table in tables) if labels is not None]
    if not useful:
        listed = " and ".join(table.shown for table in tables[:3])
        raise BadUpload(f"{listed} names none of the pictures next to it.", remedy=EXAMPLE)
    return _layout(useful, names)


def _check_numbers(names: Sequence[str]) -> None:
    """A spreadsheet of Apple's Numbers next to images is meant as the table, but is not read."""
    sheets = [name for name in names if name.lower().endswith(".numbers")]
    if sheets:
        shown = shown_name(sheets[0].rpartition("/")[2])
        raise BadUpload(
            f"{shown} is a spreadsheet of Numbers, which is not read as it is.",
            remedy=f"Export it as CSV or Excel next to the pictures. {EXAMPLE}",
        )


def labels_from_coco(names: Sequence[str], read: Callable[[str], bytes]) -> FolderLayout | None:
    """The same by COCO's JSON alone, whose folders (train2017, val2017) are no classes; None: there is none.

    Raises:
        BadUpload: it is damaged.
    """
    notes = [name for name in names if name.lower().endswith(".json")]
    coco = {table.name for table in _tables(notes, read)}
    rest = [name for name in names if name in coco or not name.lower().endswith(TABLES)]
    return labels_from_table(rest, read) if coco else None


def _tables(names: Sequence[str], read: Callable[[str], bytes]) -> list[Table]:
    wanted = [name for name in names if name.lower().endswith(TABLES)]
    if sum(name.lower().endswith(".json") for name in wanted) > _MOST_JSON:
        wanted = [name for name in wanted if not name.lower().endswith(".json")]
    found = [table for name in wanted if (table := read_table(name, read(name))) is not None]
    if found:
        return found
    sheets = [name for name in names if name.lower().endswith(SPREADSHEETS)]
    return [table for name in sheets if (table := read_table(name, read(name))) is not None]


@dataclass(frozen=True)
class _Labels:
    """A table whose meaning is known."""

    table: Table
    file_column: str
    labels: LabelColumns
    part_column: str | None
    found: tuple[str | None, ...]  # for each row the image that it names; None: it is not there

    @classmethod
    def of(cls, table: Table, images: Sequence[str]) -> _Labels | None:
        """Tell the columns; None where no column names images that are there."""
        if not table.rows:
            return None
        known = _Names(table.name, images)
        by_column = {name: [known.image(row[name]) for row in table.rows] for name in table.columns}
        best = max(table.columns, key=lambda name: sum(one is not None for one in by_column[name]))
        if sum(one is not None for one in by_column[best]) < _MOST_OF_IT * len(table.rows):
            return None
        others = [name for name in table.columns if name != best]
        part = next((name for name in others if name.casefold() in _PARTS and _are_parts(table, name)), None)
        labels = label_columns(table, [name for name in others if name != part])
        return cls(table, best, labels, part, tuple(by_column[best]))

    def part(self, row: Row) -> Part | None:
        """Of one row: by its column, else by the folder of the table."""
        said = row[self.part_column] if self.part_column else PurePosixPath(self.table.name).parent.name
        return PART_NAMES.get(said.strip().casefold())

    @property
    def finding(self) -> Finding:
        """How the table was read, in words."""
        if self.table.is_coco:
            return Finding(
                code="table", sentence=f"The classes are those of {self.table.shown}: its categories (COCO)."
            )
        columns = f'"{shown_name(self.file_column)}" and {self.labels.text}'
        return Finding(
            code="table", sentence=f"The classes are those of {self.table.shown}: its columns {columns}."
        )


class _Names:
    """Finds an image by what a table calls it: its path, its name, or its name without the ending."""

    def __init__(self, table: str, images: Sequence[str]) -> None:
        self._folder = PurePosixPath(table).parent
        self._whole = set(images)
        self._unique = {
            key: image
            for key_of in (lambda image: PurePosixPath(image).name, lambda image: PurePosixPath(image).stem)
            for key, image in _told_apart(images, key_of).items()
        }

    def image(self, said: str) -> str | None:
        plain = said.strip().replace("\\", "/").removeprefix("./")
        next_to_it = (self._folder / plain).as_posix() if plain else ""
        for name in (next_to_it, plain):
            if name in self._whole:
                return name
        return self._unique.get(plain.rpartition("/")[2]) if plain else None


def _told_apart(images: Sequence[str], key_of: Callable[[str], str]) -> dict[str, str]:
    """By a shorter name, only those that share it with no other."""
    counted = Counter(key_of(image) for image in images)
    return {key_of(image): image for image in images if counted[key_of(image)] == 1}


def _are_parts(table: Table, column: str) -> bool:
    said = {row[column].strip().casefold() for row in table.rows}
    return bool(said) and said <= {*PART_NAMES, ""}


@dataclass(frozen=True)
class _Said:
    """What the rows say of one image."""

    rows: tuple[tuple[str, ...], ...]  # the labels of each row
    part: Part | None
    table: str

    @property
    def labels(self) -> tuple[str, ...]:
        """All of them, each once, by their names."""
        by_key = {class_key(name): name for row in self.rows for name in row}
        return tuple(sorted(by_key.values()))

    @property
    def contradicts_itself(self) -> bool:
        return len({tuple(sorted(map(class_key, row))) for row in self.rows}) > 1


def _layout(tables: Sequence[_Labels], names: Sequence[str]) -> FolderLayout:
    said, left_out = _said(tables)
    several = sum(one.contradicts_itself for one in said.values()) >= _SEVERAL_ROWS * max(1, len(said))
    is_multi = any(labels.labels.is_multi for labels in tables) or several
    placed: list[PlacedFile] = []
    for file in sorted(said):
        one = said[file]
        problem = ""
        if one.contradicts_itself and not several:
            problem = (
                f"has two classes in {one.table}."
                if not is_multi
                else f"has other labels on another row of {one.table}."
            )
        elif not one.labels and not is_multi:
            problem = f"has no class in {one.table}."
        if problem:
            left_out.append(SkippedFile(file=file, reason=f"{shown_name(file.rpartition('/')[2])} {problem}"))
            continue
        labels = one.labels
        name = joined(labels) if is_multi else labels[0]
        placed.append(
            PlacedFile(file=file, class_name=name, labels=labels if is_multi else None, given_part=one.part)
        )
    told = {*said, *(left.file for left in left_out), *(labels.table.name for labels in tables)}
    for name in names:
        if name not in told:
            why = "has no row in the table." if is_image_name(name) else "is not a picture."
            left_out.append(SkippedFile(file=name, reason=f"{shown_name(name.rpartition('/')[2])} {why}"))
    if len({one.given_part for one in placed}) < 2:  # a part for all of them is none
        placed = [replace(one, given_part=None) for one in placed]
    return FolderLayout(
        placed=tuple(placed), left_out=tuple(left_out), findings=tuple(labels.finding for labels in tables)
    )


def _said(tables: Sequence[_Labels]) -> tuple[dict[str, _Said], list[SkippedFile]]:
    """What all rows say of each image that is there, under one spelling; and rows of images that are not."""
    rows: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    about: dict[str, tuple[Part | None, str]] = {}
    spelling: dict[str, str] = {}
    left_out: list[SkippedFile] = []
    for labels in tables:
        shown = labels.table.shown
        for row, image in zip(labels.table.rows, labels.found, strict=True):
            if image is None:
                short = shown_name(row[labels.file_column].rpartition("/")[2])
                reason = f"{short} stands in {shown}, but is not there."
                left_out.append(SkippedFile(file=row[labels.file_column], reason=reason))
                continue
            names = labels.labels.of(row)
            rows[image].append(tuple(spelling.setdefault(class_key(one), class_name(one)) for one in names))
            about.setdefault(image, (labels.part(row), shown))
    return {image: _Said(tuple(rows[image]), *about[image]) for image in rows}, left_out
