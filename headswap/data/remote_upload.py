"""An address, or shards of many images -> an `Upload` whose files are copied into a store as they are read.

Flow:  s3://bucket/folder, shards --address_of--> an address --fetched--> Upload (placed files), or a zip
       the same, in another process --fetched_again--> Upload

The listing comes first, then the labels; images come when they are read, a few ahead. A tar cannot say what
it holds before all of it has been read, so tars are copied at once, image by image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from headswap.data.layout import FolderLayout, PlacedFile, is_litter
from headswap.data.manifest import SkippedFile
from headswap.data.parquet_shards import ShardRows, index_table
from headswap.data.placing import Upload, arranged, check_classes
from headswap.data.remote import Ahead, Fetcher, RemoteFile, RemoteFolder, opened, url_of
from headswap.data.shards import TABLE, ShardIndex, class_list_in, is_shard, placed_in, shards_among
from headswap.data.tar_shards import unpack_tar
from headswap.errors import BadUpload, UnopenedFile
from headswap.storage.files import make_folder
from headswap.storage.records import is_record_whole, read_record, write_record

_SHARDS_AT_ONCE = 4
_ZIP = ".zip"


def address_of(source: Path) -> str | None:
    """Where a source lies, if it is to be copied before it is used; None: a plain folder or zip."""
    url = url_of(source)
    if url is not None:
        return url
    is_packed = is_shard(source.name) if source.is_file() else bool(source.is_dir() and _shards_below(source))
    return f"file://{source.resolve().as_posix()}" if is_packed else None


def _shards_below(folder: Path) -> tuple[str, ...]:
    """The shards of a folder that consists of them."""
    if not any(is_shard(name) for _, _, files in os.walk(folder) for name in files):
        return ()
    found = [Path(here, name) for here, _, files in os.walk(folder) for name in files]
    return shards_among([path.relative_to(folder).as_posix() for path in found])


@contextmanager
def fetched(address: str, store: Path | None, min_classes: int) -> Iterator[tuple[Upload, Path | None]]:
    """Open an address and place its files.

    Args:
        address: as `address_of` gives it.
        store: where copies go.
        min_classes: fewer is refused; 0: no one has sorted the files.

    Yields:
        The upload, and the copy of a zip, if it is one; its files are then to be placed.

    Raises:
        BadSetting: a package is missing.
        BadUpload, TooFewImages.
    """
    if store is None:
        raise BadUpload(
            f"{address} is not on this machine.", remedy="Name a folder that its pictures may be kept in."
        )
    remote = opened(address)
    fetcher = Fetcher(remote, store)
    name = PurePosixPath(remote.path).name or remote.path
    bare = Upload(
        name=name.partition(".")[0] or name, source=Path(address), in_place=True, is_fetched=True,
        placed=(), left_out=(), findings=(), read=lambda one: b"",
    )  # fmt: skip
    first = remote.files[0]
    if len(remote.files) == 1 and first.name.lower().endswith(_ZIP):
        yield bare, fetcher.fetch_large(first.name, first.copy)
        return
    shards = shards_among([one.name for one in remote.files])
    layout = (
        _of_shards(remote, fetcher, shards, min_classes)
        if shards
        else _of_files(remote, fetcher, min_classes)
    )
    check_classes(name, layout, min_classes)
    with _reading(fetcher, layout.placed) as read:
        yield (
            replace(
                bare, placed=layout.placed, left_out=layout.left_out, findings=layout.findings, read=read
            ),
            None,
        )


@contextmanager
def fetched_again(address: str, store: Path | None, placed: Sequence[PlacedFile]) -> Iterator[Upload]:
    """Some files that `fetched` has placed, maybe in another process; nothing is listed again."""
    if store is None:
        raise BadUpload(
            f"{address} is not on this machine.", remedy="Name a folder that its pictures may be kept in."
        )
    remote = opened(address, files=_names_of(placed))
    with _reading(Fetcher(remote, store), placed) as read:
        yield Upload(
            name=address,
            source=Path(address),
            in_place=True,
            is_fetched=True,
            placed=tuple(placed),
            left_out=(),
            findings=(),
            read=read,
        )


def _of_files(remote: RemoteFolder, fetcher: Fetcher, min_classes: int) -> FolderLayout:
    """Images as files of their own."""
    known = {one.name: one for one in remote.files if not is_litter(one.name)}

    def read(placed: PlacedFile) -> bytes:
        one = known[placed.file]
        return fetcher.fetch(one.name, one.copy, one.size).read_bytes()

    layout = arranged(tuple(known), read, min_classes)
    placed = tuple(replace(one, copy=known[one.file].copy) for one in layout.placed)
    return replace(layout, placed=placed)


def _of_shards(
    remote: RemoteFolder, fetcher: Fetcher, shards: Sequence[str], min_classes: int
) -> FolderLayout:
    """Images in shards."""
    known = {one.name: one for one in remote.files}
    with ThreadPoolExecutor(_SHARDS_AT_ONCE, thread_name_prefix="shard") as pool:
        indexes = list(pool.map(lambda name: _index_of(known[name], fetcher), shards))
    listed = class_list_in(tuple(known))
    class_list: list[str] = []
    if listed:
        text = fetcher.fetch(listed, known[listed].copy, known[listed].size).read_text(encoding="utf-8")
        class_list = [line.strip() for line in text.splitlines() if line.strip()]
    layout = placed_in(list(zip(shards, indexes, strict=True)), class_list, is_labelled=min_classes > 0)
    rest = [
        SkippedFile(file=one, reason=f"{one} is no shard.") for one in known if _is_lost(one, shards, listed)
    ]
    return replace(layout, left_out=(*layout.left_out, *rest))


def _index_of(shard: RemoteFile, fetcher: Fetcher) -> ShardIndex:
    """What a shard holds, remembered next to the copies. A tar is read again where a copy is missing."""
    path, is_table = fetcher.store / f"{shard.copy}.json", shard.name.lower().endswith(TABLE)
    if path.is_file() and is_record_whole(ShardIndex, path):
        known: ShardIndex = read_record(ShardIndex, path)
        if is_table or all((fetcher.store / one.copy).is_file() for one in known.images):
            return known
    make_folder(path.parent)
    read = index_table if is_table else unpack_tar
    found = read(shard, fetcher)
    write_record(path, found)
    return found


def _is_lost(name: str, shards: Sequence[str], class_list: str | None) -> bool:
    """Whether a file next to shards is told as left out: not a note, nor what describes them."""
    notes = (".md", ".txt", ".json", ".yaml", ".yml")
    return not (name in shards or name == class_list or is_litter(name) or name.lower().endswith(notes))


@contextmanager
def _reading(fetcher: Fetcher, placed: Sequence[PlacedFile]) -> Iterator[Callable[[PlacedFile], bytes]]:
    """What gives the bytes of a placed file, the next ones on their way meanwhile."""
    rows = ShardRows(fetcher)
    known = {one.file: one for one in placed}
    sizes = {one.name: one for one in fetcher.remote.files}

    def fetch(file: str) -> None:
        one = known[file]
        shard = _shard_of(file)
        if shard is None:
            fetcher.fetch(file, one.copy, sizes[file].size if file in sizes else 0)
        elif shard.lower().endswith(TABLE):
            rows.fetch(shard, int(file.rpartition("/")[2]), one.copy)

    with closing(Ahead(fetch, tuple(known))) as ahead:

        def read(one: PlacedFile) -> bytes:
            if not (fetcher.store / one.copy).is_file():
                ahead.wait(one.file)
            return _bytes_of(fetcher.store / one.copy, one.file)

        yield read


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnopenedFile(
            f"{name} is no longer in the folder of copies.", remedy="Start again: it is then fetched again."
        ) from error


def _shard_of(file: str) -> str | None:
    """The shard that a placed file is in; None: it is a file of its own."""
    steps = file.split("/")
    return next(("/".join(steps[:end]) for end in range(1, len(steps)) if is_shard(steps[end - 1])), None)


def _names_of(placed: Sequence[PlacedFile]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_shard_of(one.file) or one.file for one in placed))
