"""A table of labels beside the images -> their classes and parts, where folders do not say them.

Flow:  names + a reader --labels_from_table--> FolderLayout, or None where there is no table

Reads what people have: CSV with commas, semicolons or tabs (Kaggle's train.csv, a spreadsheet saved as CSV),
and metadata.csv or metadata.jsonl as Hugging Face's image folders have it. Which column names the files is
told by looking: its values are names of files that are there. Knows names and text; decodes no image.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from headswap.data.decode import shown_name
from headswap.data.layout import (
    PART_NAMES,
    FolderLayout,
    PlacedFile,
    class_key,
    class_name,
    looks_like_an_image,
)
from headswap.data.manifest import Finding, Part, SkippedFile
from headswap.errors import BadUpload

_TABLES = (".csv", ".tsv", ".jsonl")
_MOST_BYTES = 50 * 2**20  # of a table; more is no list of labels that a person made
_LABELS = ("label", "labels", "class", "class_name", "category", "target", "name", "species", "breed", "y")
_PARTS = ("split", "part", "subset", "set", "fold")
_MOST_OF_IT = 0.5  # rows whose file must be there, for a column to be that of the files
_EXAMPLE = 'The first line names the columns, "file,label"; then one line for each picture: "photo1.jpg,mug".'

Row = Mapping[str, str]


@dataclass(frozen=True)
class _Table:
    """What a file holds, as rows of text by column."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def labels_from_table(names: Sequence[str], read: Callable[[str], bytes]) -> FolderLayout | None:
    """Give every image the class that a table says.

    Args:
        names: of all files, relative, with forward slashes.
        read: gives the bytes of one.

    Returns:
        None where there is no table.

    Raises:
        BadUpload: there is a table, but what it means cannot be told; the sentence gives an example.
    """
    tables = [name for name in names if name.lower().endswith(_TABLES)]
    if not tables:
        return None
    images = [name for name in names if looks_like_an_image(name)]
    understood = [_Labels.of(table, images) for table in (_read(name, read(name)) for name in tables)]
    useful = [labels for labels in understood if labels is not None]
    if not useful:
        listed = " and ".join(shown_name(name.rpartition("/")[2]) for name in tables[:3])
        raise BadUpload(f"{listed} names none of the pictures beside it.", remedy=_EXAMPLE)
    return _layout(useful, names)


@dataclass(frozen=True)
class _Labels:
    """A table whose meaning is known."""

    table: _Table
    file_column: str
    label_column: str
    part_column: str | None
    found: tuple[str | None, ...]  # for each row the image that it names; None: it is not there

    @classmethod
    def of(cls, table: _Table, images: Sequence[str]) -> _Labels | None:
        """Tell the columns; None where no column names images that are there."""
        if not table.rows:
            return None
        known = _Names(table.name, images)
        places = {name: [known.image(row[name]) for row in table.rows] for name in table.columns}
        best = max(table.columns, key=lambda name: sum(one is not None for one in places[name]))
        if sum(one is not None for one in places[best]) < _MOST_OF_IT * len(table.rows):
            return None
        others = [name for name in table.columns if name != best]
        part = next((name for name in others if name.casefold() in _PARTS and _are_parts(table, name)), None)
        label = _label_column(table, [name for name in others if name != part])
        return cls(table, best, label, part, tuple(places[best]))

    def part(self, row: Row) -> Part | None:
        """Of one row: by its column, else by the folder of the table."""
        said = row[self.part_column] if self.part_column else PurePosixPath(self.table.name).parent.name
        return PART_NAMES.get(said.strip().casefold())

    @property
    def finding(self) -> Finding:
        """How the table was read, in words."""
        shown = shown_name(self.table.name.rpartition("/")[2])
        columns = f'"{shown_name(self.file_column)}" and "{shown_name(self.label_column)}"'
        return Finding(code="table", sentence=f"The classes are those of {shown}: its columns {columns}.")


class _Names:
    """Finds an image by what a table calls it: its path, its name, or its name without the ending."""

    def __init__(self, table: str, images: Sequence[str]) -> None:
        self._beside = PurePosixPath(table).parent
        self._whole = set(images)
        self._unique = {
            key: image
            for way in (lambda image: PurePosixPath(image).name, lambda image: PurePosixPath(image).stem)
            for key, image in _told_apart(images, way).items()
        }

    def image(self, said: str) -> str | None:
        plain = said.strip().replace("\\", "/").removeprefix("./")
        beside = (self._beside / plain).as_posix() if plain else ""
        for name in (beside, plain):
            if name in self._whole:
                return name
        return self._unique.get(plain.rpartition("/")[2]) if plain else None


def _told_apart(images: Sequence[str], way: Callable[[str], str]) -> dict[str, str]:
    """By a shorter name, only those that share it with no other."""
    counted = Counter(way(image) for image in images)
    return {way(image): image for image in images if counted[way(image)] == 1}


def _read(name: str, data: bytes) -> _Table:
    shown = shown_name(name.rpartition("/")[2])
    if len(data) > _MOST_BYTES:
        raise BadUpload(f"{shown} is larger than {_MOST_BYTES // 2**20} MB.", remedy=_EXAMPLE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # what spreadsheets of Windows write
    rows = _json_rows(text, shown) if name.lower().endswith(".jsonl") else _csv_rows(text, name)
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    whole = tuple({column: row.get(column, "") for column in columns} for row in rows)
    return _Table(name, columns, whole)


def _csv_rows(text: str, name: str) -> list[dict[str, str]]:
    first = text.partition("\n")[0]
    separator = "\t" if name.lower().endswith(".tsv") else max(",;\t|", key=first.count)
    csv.field_size_limit(_MOST_BYTES)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restkey="", restval="")
    return [
        {(column or "").strip(): value for column, value in row.items() if isinstance(value, str)}
        for row in reader
    ]


def _json_rows(text: str, shown: str) -> list[dict[str, str]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise BadUpload(
                f"Line {number} of {shown} is no JSON object.",
                remedy='Each line is one, such as {"file_name": "photo1.jpg", "label": "mug"}.',
            )
        plain = {key: value for key, value in said.items() if isinstance(value, str | int | float)}
        rows.append({key: str(value) for key, value in plain.items()})
    return rows


def _are_parts(table: _Table, column: str) -> bool:
    said = {row[column].strip().casefold() for row in table.rows}
    return bool(said) and said <= {*PART_NAMES, ""}


def _label_column(table: _Table, columns: Sequence[str]) -> str:
    """The column that is called so; else the only one whose values come again and again."""
    for wanted in _LABELS:
        for column in columns:
            if column.casefold() == wanted:
                return column
    repeated = [name for name in columns if 1 < len({row[name] for row in table.rows}) <= len(table.rows) / 2]
    if len(repeated) == 1:
        return repeated[0]
    shown = shown_name(table.name.rpartition("/")[2])
    if len(columns) == 1:
        return columns[0]
    listed = ", ".join(f'"{shown_name(name)}"' for name in (repeated or columns)[:8])
    raise BadUpload(
        f"Which column of {shown} is the class cannot be told: {listed or 'there is none'}.",
        remedy='Call it "label", or leave the others out.',
    )


def _layout(tables: Sequence[_Labels], names: Sequence[str]) -> FolderLayout:
    placed: dict[str, PlacedFile] = {}
    left_out: list[SkippedFile] = []
    spelling: dict[str, str] = {}
    contradicted: set[str] = set()
    for labels in tables:
        shown = shown_name(labels.table.name.rpartition("/")[2])
        for row, image in zip(labels.table.rows, labels.found, strict=True):
            said, file = row[labels.label_column].strip(), image or row[labels.file_column]
            problem = ""
            if image is None:
                problem = f"stands in {shown}, but is not there."
            elif not said:
                problem = f"has no class in {shown}."
            elif image in placed and class_key(placed[image].class_name) != class_key(said):
                problem = f"has two classes in {shown}."
                del placed[image]
                contradicted.add(image)
            if image is None or problem:
                short = shown_name(file.rpartition("/")[2])
                left_out.append(SkippedFile(file=file, reason=f"{short} {problem}"))
            if image is None or problem or image in contradicted:
                continue
            name = spelling.setdefault(class_key(said), class_name(said))
            placed[image] = PlacedFile(file=image, class_name=name, given_part=labels.part(row))
    told = {*placed, *(left.file for left in left_out), *(labels.table.name for labels in tables)}
    for name in names:
        if name not in told:
            why = "has no row in the table." if looks_like_an_image(name) else "is not a picture."
            left_out.append(SkippedFile(file=name, reason=f"{shown_name(name.rpartition('/')[2])} {why}"))
    ordered = [placed[file] for file in sorted(placed)]
    if len({one.given_part for one in ordered}) < 2:  # a part for all of them is none
        ordered = [replace(one, given_part=None) for one in ordered]
    return FolderLayout(
        placed=tuple(ordered), left_out=tuple(left_out), findings=tuple(labels.finding for labels in tables)
    )
