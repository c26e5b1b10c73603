"""A Parquet file with a column of images -> its labels at once, its images when someone asks for one.

Flow:  shard --index_table--> ShardIndex, from the column of labels alone
       a row --ShardRows.fetch--> copies of its row group's images, in the store

Knows how Hugging Face's `datasets` writes images and classes. pyarrow is imported when one comes.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from headswap.data.decode import shown_name
from headswap.data.manifest import SkippedFile
from headswap.data.remote import Fetcher, RemoteFile, explained, patiently
from headswap.data.shards import LABELS, TABLE, ShardImage, ShardIndex, half, labels_of
from headswap.errors import BadSetting, BadUpload
from headswap.storage.files import make_folder, write_bytes
from headswap.storage.locations import install_command

_IMAGES = ("image", "img", "picture", "photo", "jpg", "png", "bytes", "content", "image_bytes")
_ROWS = 64  # images of a row group in memory

Answer = TypeVar("Answer")


def index_table(shard: RemoteFile, fetcher: Fetcher) -> ShardIndex:
    """The labels of a Parquet file, and where its images will be.

    Raises:
        BadSetting: pyarrow is missing.
        BadUpload: it is damaged, half there, or holds no images.
    """
    column, names, values = _asked(shard.name, fetcher, partial(_labels_in, shard=shard.name))
    found, left_out = [], []
    for row, value in enumerate(values):
        name = f"{row:07d}"
        if column and value is None:
            left_out.append(SkippedFile(file=f"{shard.name}/{name}", reason=f"Row {row} has no {column}."))
            continue
        known, is_one = labels_of(value, names) if column else (None, True)
        copy = f"{shard.copy.removesuffix(TABLE)}/{name}"
        found.append(ShardImage(name=name, copy=copy, labels=known, is_one=is_one))
    return ShardIndex(images=tuple(found), left_out=tuple(left_out))


def _labels_in(table: Any, shard: str) -> tuple[str | None, tuple[str, ...], list[Any]]:
    """The column of labels, the names of its classes, and its value of each row."""
    schema = table.schema_arrow
    _image_column(schema, shard)
    column = next((name for name in LABELS if name in schema.names), None)
    if column is None:
        return None, (), [None] * table.metadata.num_rows
    return column, _class_names(schema, column), table.read(columns=[column])[column].to_pylist()


def _asked(name: str, fetcher: Fetcher, ask: Callable[[Any], Answer]) -> Answer:
    """What a Parquet file gives, once it is opened; asked again when its server fails.

    Raises:
        BadSetting: pyarrow is missing.
        BadUpload: it is damaged, or no one answers.
    """
    if not find_spec("pyarrow"):
        raise BadSetting(
            "Parquet files need pyarrow, which is not installed.",
            remedy=f"Run `{install_command('remote')}`.",
        )
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    def answer() -> Answer:
        with fetcher.open(name) as file:
            return ask(pq.ParquetFile(file))

    with explained(fetcher.remote.url):
        try:
            return patiently(answer)
        except (ArrowInvalid, UnicodeDecodeError) as error:
            raise half(name) from error
        except OSError as error:
            if type(error) is OSError and error.errno is None:  # how Arrow says that it cannot unpack a page
                raise half(name) from error
            raise


def _image_column(schema: Any, shard: str) -> str:
    """The column that holds images: bytes, or a record with bytes."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    usable = [
        field.name
        for field in schema
        if holds_bytes(field.type)
        or (pa.types.is_struct(field.type) and any(one.name == "bytes" for one in field.type))
    ]
    chosen = next((name for name in _IMAGES if name in usable), next(iter(usable), None))
    if chosen is None:
        raise BadUpload(
            f"{shown_name(shard)} has no column of images; its columns are {', '.join(schema.names)}.",
            remedy="Write the bytes of the pictures into a column named image, and the class into label.",
        )
    return str(chosen)


def _class_names(schema: Any, column: str | None) -> tuple[str, ...]:
    """Of a column of numbers, as Hugging Face's `datasets` writes them into the file."""
    try:
        facts = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        return tuple(map(str, facts.get("names") or facts["feature"]["names"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return ()


class ShardRows:
    """Fetches images of Parquet files, a row group at a time."""

    def __init__(self, fetcher: Fetcher) -> None:
        """Copies go where the fetcher's go."""
        self._fetcher, self._lock = fetcher, Lock()
        self._starts: dict[str, list[int]] = {}

    def fetch(self, shard: str, row: int, copy: str) -> None:
        """See to it that the copy of one row's image is there; those of the rows around it come with it.

        Args:
            shard: the file, as the remote folder names it.
            row: its number.
            copy: where below the store it belongs.

        Raises:
            BadUpload: the shard cannot be read any more.
        """
        from filelock import FileLock

        path = self._fetcher.store / copy
        if path.is_file():
            return
        starts = self._row_groups(shard)
        group = bisect_right(starts, row) - 1
        lock = make_folder(path.parent) / f".{group}.lock"
        with FileLock(lock):  # other threads and processes want the rows around it
            if path.is_file():
                return
            copy_group = partial(
                _copy_group, group=group, first=starts[group], folder=path.parent, shard=shard
            )
            _asked(shard, self._fetcher, copy_group)

    def _row_groups(self, shard: str) -> list[int]:
        """The first row of each row group; read once."""
        with self._lock:
            if shard not in self._starts:
                sizes = _asked(shard, self._fetcher, _group_sizes)
                self._starts[shard] = list(accumulate(sizes[:-1], initial=0))
            return self._starts[shard]


def _group_sizes(table: Any) -> list[int]:
    """The rows in each row group."""
    facts = table.metadata
    return [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]


def _copy_group(table: Any, group: int, first: int, folder: Path, shard: str) -> None:
    column = _image_column(table.schema_arrow, shard)
    row = first
    for batch in table.iter_batches(batch_size=_ROWS, row_groups=[group], columns=[column]):
        for value in batch.column(0).to_pylist():
            data = value.get("bytes") if isinstance(value, dict) else value
            target = folder / f"{row:07d}"
            if not target.is_file():
                write_bytes(target, data or b"")
            row += 1
