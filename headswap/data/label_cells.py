"""Which columns of a table hold the labels, and how several of them stand in one.

Flow:  Table + its columns --label_columns--> LabelColumns;  a row --LabelColumns.of--> its labels

Three ways are known: a column with one label, a column with several in each cell, and a column for each label
with 0 or 1 in it. What stands between the labels of a cell is told by looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headswap.data.decode import shown_name
from headswap.data.table_files import LIST, Row, Table
from headswap.errors import BadUpload

_ONE = ("label", "class", "class_name", "category", "target", "name", "species", "breed", "y")
_SEVERAL = ("labels", "tags", "classes", "categories", "targets", "names", "attributes", "genres", "genre")
_YES, _NO = ("1", "1.0", "true", "yes", "x"), ("0", "0.0", "false", "no", "", "-1")
_FEWEST_COLUMNS = 2  # of 0 and 1
_REMEDY = (
    'Call it "label", or leave the others out. Several labels stand in one cell, as "mug;cup", or in columns '
    "of 0 and 1, one for each."
)
_SAID = {LIST: "a list", " ": "a space"}


@dataclass(frozen=True, kw_only=True)
class LabelColumns:
    """How the labels of a row are read."""

    columns: tuple[str, ...]  # one, or one for each label
    separator: str | None = None  # between the labels of a cell; None: there is one in each
    is_yes_or_no: bool = False  # a column for each label
    is_multi: bool = False  # whether an image has several labels, or may have none

    def of(self, row: Row) -> tuple[str, ...]:
        """The labels of a row, none of them empty, each once."""
        if self.is_yes_or_no:
            return tuple(name for name in self.columns if row[name].strip().casefold() in _YES)
        cell = row[self.columns[0]]
        parts = [cell] if self.separator is None else cell.split(self.separator)
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

    @property
    def text(self) -> str:
        """For people."""
        shown = [f'"{shown_name(name)}"' for name in self.columns[:4]]
        more = f" and {len(self.columns) - 4} more" if len(self.columns) > 4 else ""
        listed = (
            ", ".join(shown[:-1]) + " and " * (len(shown) > 1 and not more) + ", " * bool(more) + shown[-1]
        )
        if self.is_yes_or_no:
            return f"{listed}{more}, with 0 or 1 in each"
        if self.separator is None or not self.is_multi:
            return listed
        between = _SAID.get(self.separator, f"“{self.separator}”")
        return f"{listed}, several in a cell ({between})"


def label_columns(table: Table, columns: Sequence[str]) -> LabelColumns:
    """Tell them.

    Args:
        table: at least one row.
        columns: those that may be it.

    Raises:
        BadUpload: it cannot be told; the sentence gives an example.
    """
    for wanted in (*_ONE, *_SEVERAL):
        for column in columns:
            if column.casefold() == wanted:
                return _cells(table, column)
    yes_or_no = [name for name in columns if _is_yes_or_no(table, name)]
    if len(yes_or_no) >= _FEWEST_COLUMNS:
        found = LabelColumns(columns=tuple(yes_or_no), is_yes_or_no=True)
        return _judged(table, found, may_be_empty=True)
    repeated = [name for name in columns if 1 < len({row[name] for row in table.rows}) <= len(table.rows) / 2]
    if len(repeated) == 1:
        return _cells(table, repeated[0])
    if len(columns) == 1:
        return _cells(table, columns[0])
    listed = ", ".join(f'"{shown_name(name)}"' for name in (repeated or columns)[:8])
    raise BadUpload(
        f"Which column of {table.shown} is the class cannot be told: {listed or 'there is none'}.",
        remedy=_REMEDY,
    )


def _cells(table: Table, column: str) -> LabelColumns:
    separator = _separator([row[column] for row in table.rows], is_plural=column.casefold() in _SEVERAL)
    found = LabelColumns(columns=(column,), separator=separator)
    return _judged(table, found, may_be_empty=separator == LIST)


def _judged(table: Table, found: LabelColumns, *, may_be_empty: bool) -> LabelColumns:
    """Whether images have several labels: some have more than one, or, where a row may say so, none."""
    counts = [len(found.of(row)) for row in table.rows]
    is_multi = max(counts) > 1 or (may_be_empty and min(counts) == 0)
    return LabelColumns(
        columns=found.columns,
        separator=found.separator,
        is_yes_or_no=found.is_yes_or_no,
        is_multi=is_multi,
    )


def _separator(cells: Sequence[str], *, is_plural: bool) -> str | None:
    """What stands between several labels of a cell; None: there is one in each.

    A comma or a space may be part of a name ("Bear, brown"): there it separates only where the pieces come
    again in other cells, so that there are fewer of them than of whole cells.
    """
    for separator in (LIST, "|", ";"):
        if any(separator in cell for cell in cells):
            return separator
    whole = {cell.strip() for cell in cells if cell.strip()}
    for separator in (",", " ") if is_plural else (",",):
        pieces = {part.strip() for cell in whole for part in cell.split(separator) if part.strip()}
        if any(separator in cell for cell in whole) and len(pieces) < len(whole):
            return separator
    return None


def _is_yes_or_no(table: Table, column: str) -> bool:
    said = {row[column].strip().casefold() for row in table.rows}
    return said <= {*_YES, *_NO} and not said <= {*_NO}
