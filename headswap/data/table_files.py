"""Files that may hold labels -> tables of text: CSV and its kin, lines of JSON, COCO's JSON, spreadsheets.

Flow:  a name and bytes --read_table--> Table, or None where a JSON file holds no labels

A cell with several values, a list in JSON, holds them with `LIST` between. Knows text; opens no image.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headswap.data.decode import shown_name
from headswap.errors import BadUpload

EXAMPLE = 'The first line names the columns, "file,label"; then one line for each picture: "photo1.jpg,mug".'
TABLES = (".csv", ".tsv", ".jsonl", ".json")
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
LIST = "\x1f"  # between the values of one cell that was a list
FILE_NAME, CATEGORIES = "file_name", "categories"  # the columns that COCO becomes
_MOST_BYTES = 50 * 2**20  # of a table; more is no list of labels that a person made
_LINE_EXAMPLE = 'Each line is one, such as {"file_name": "photo1.jpg", "label": "mug"}.'
_COCO_EXAMPLE = (
    'COCO has "images": [{"id": 1, "file_name": "photo1.jpg"}], "categories": [{"id": 3, "name": "mug"}] and '
    '"annotations": [{"image_id": 1, "category_id": 3}].'
)

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """What a file holds, as rows of text by column."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    is_coco: bool = False

    @property
    def shown(self) -> str:
        """Its name in a sentence."""
        return shown_name(self.name.rpartition("/")[2])


def read_table(name: str, data: bytes) -> Table | None:
    """Read one file.

    Args:
        name: relative; its ending says what it is.
        data: its bytes.

    Returns:
        None: JSON that is about something else.

    Raises:
        BadUpload: it is too large, or damaged; the sentence gives an example.
    """
    shown = shown_name(name.rpartition("/")[2])
    if len(data) > _MOST_BYTES:
        raise BadUpload(f"{shown} is larger than {_MOST_BYTES // 2**20} MB.", remedy=EXAMPLE)
    if name.lower().endswith(SPREADSHEETS):
        return _table(name, _sheet_rows(data, shown))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # what spreadsheets of Windows write
    if name.lower().endswith(".json"):
        return _coco(text, name)
    return _table(name, _json_rows(text, shown) if name.lower().endswith(".jsonl") else _csv_rows(text, name))


def _table(name: str, rows: Sequence[Row]) -> Table:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    whole = tuple({column: row.get(column, "") for column in columns} for row in rows)
    return Table(name, columns, whole)


def _csv_rows(text: str, name: str) -> list[dict[str, str]]:
    first = text.partition("\n")[0]
    separator = "\t" if name.lower().endswith(".tsv") else max(",;\t|", key=first.count)
    csv.field_size_limit(_MOST_BYTES)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restkey="", restval="")
    return [
        {(column or "").strip(): value for column, value in row.items() if isinstance(value, str)}
        for row in reader
    ]


def _sheet_rows(data: bytes, shown: str) -> list[dict[str, str]]:
    """The rows of the first sheet that holds any; its first row names the columns."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = (book.get_sheet_by_name(name).to_python(skip_empty_area=True) for name in book.sheet_names)
        cells: Sequence[Sequence[object]] = next((rows for rows in sheets if rows), [[]])
    except (CalamineError, OSError, ValueError) as error:
        raise BadUpload(
            f"{shown} is damaged, or locked by a password.",
            remedy=f"Save it again, or as CSV next to the pictures. {EXAMPLE}",
        ) from error
    columns = [_sheet_cell(cell).strip() for cell in cells[0]]
    rows = [dict(zip(columns, map(_sheet_cell, row), strict=False)) for row in cells[1:]]
    return [row for row in rows if any(row.values())]


def _sheet_cell(value: object) -> str:
    """A cell as a person sees it: 3.0 is 3, a box that is ticked is 1."""
    if isinstance(value, bool | float) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _json_rows(text: str, shown: str) -> list[dict[str, str]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        said = _loaded(line)
        if not isinstance(said, dict):
            raise BadUpload(f"Line {number} of {shown} is not a JSON object.", remedy=_LINE_EXAMPLE)
        cells = {key: _cell(value) for key, value in said.items()}
        rows.append({key: value for key, value in cells.items() if value is not None})
    return rows


def _loaded(text: str) -> Any:
    """What JSON says; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _cell(value: object) -> str | None:
    """A value as text; of a list, all of them; None: it is neither."""
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return LIST.join(map(str, value)) + LIST * (len(value) < 2)  # also a list of one is a list
    return None


def _coco(text: str, name: str) -> Table | None:
    said = _loaded(text)
    if not isinstance(said, dict) or not {"images", "annotations"} <= set(said):
        return None
    parts = [said.get(key) for key in ("images", "annotations", "categories")]
    try:
        files, names, labels = _coco_parts(*parts)
    except (KeyError, TypeError, AttributeError) as error:
        shown = shown_name(name.rpartition("/")[2])
        raise BadUpload(
            f"{shown} looks like COCO, but something in it is missing: {error}.", remedy=_COCO_EXAMPLE
        ) from error
    rows = tuple(
        {FILE_NAME: file, CATEGORIES: LIST.join([*(names[one] for one in labels[image]), ""])}
        for image, file in files.items()
    )
    return Table(name, (FILE_NAME, CATEGORIES), rows, is_coco=True)


def _coco_parts(
    images: Any, annotations: Any, categories: Any
) -> tuple[dict[object, str], dict[object, str], dict[object, list[object]]]:
    """Files by number, names by number, and the numbers of the names of each file, without repeats."""
    files = {one["id"]: str(one["file_name"]) for one in images}
    names = {one["id"]: str(one["name"]) for one in categories}
    found: dict[object, dict[object, None]] = defaultdict(dict)
    for one in annotations:
        kinds: Sequence[object] = one["category_ids"] if "category_ids" in one else [one["category_id"]]
        found[one["image_id"]].update(dict.fromkeys(kind for kind in kinds if names[kind]))
    return files, names, {image: list(found.get(image, {})) for image in files}
