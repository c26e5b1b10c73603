"""Read strangers' pictures, in a process of its own: an upload into a project, or one picture to try.

Flow:  upload + store --ReadUpload--> Imported: a Manifest, kept as dataset.json; pictures in the store
       one file --ReadImage--> the very pixels a bundle would see: upright, RGB, no metadata

Runs in a `ChildProcess`, confined, under a memory limit; loads Pillow and no torch. Which
files are being decoded is noted in `reading.txt`: if a decoder takes the process down,
`headswap.app.processes.reader` knows whose fault it was. A decoder that says nothing for `patience_s` is
ended the same way.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Literal

from headswap.app.processes.sandbox import AllowedPaths
from headswap.data.decode import ImageLimits, check_file_size, import_readers, read_image
from headswap.data.edit import join
from headswap.data.film import import_film_reader
from headswap.data.ingest import ReadPolicy, ingest
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.errors import TooMuch, UnreadableImage
from headswap.storage.files import discard, from_json, to_json
from headswap.storage.records import read_record, write_record
from headswap.threads import one_blas_thread, processors

NOTES = "reading.txt"
AT_REST_BYTES = 200_000_000  # Pillow and numpy, imported, and a manifest of thousands
THREAD_BYTES = 200_000_000  # a thread for each so many: it has a stack, and the bytes of one file


@dataclass(frozen=True, kw_only=True)
class ReaderLimits:
    """What a reader refuses, and what it may take; the server decides, not the question's author."""

    image: ImageLimits = field(default_factory=ImageLimits)
    most_images: int = 0  # in one upload; 0: any number
    memory_bytes: int = 0  # of the process; 0: no limit
    patience_s: float = 20.0  # for one picture
    scratch: str = ""  # the folder of single pictures on their way in and out; empty: none


@dataclass(frozen=True)
class ReadUpload:
    """Take this upload in."""

    source: str  # a folder or zip
    store: str  # folder for the pictures, by hash
    dataset: str  # the dataset.json to write
    name: str  # what the data set is called
    before: str = ""  # the dataset.json that this one adds to; empty: none
    is_sorted: bool = True  # its folders are classes; False: no one has sorted it, it is to be tried
    limits: ReaderLimits = field(default_factory=ReaderLimits)
    one_by_one: bool = False  # after a death: so that the next one names its cause
    skip: tuple[str, ...] = ()  # files that ended earlier readers
    kind: Literal["import"] = "import"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an upload became."""

    manifest: Manifest
    came: int  # pictures that could be read
    added: int  # of them, those that were not there already


@dataclass(frozen=True)
class ReadImage:
    """Read this one picture."""

    file: str
    name: str  # what to call it in a sentence
    folder: str  # where the copy goes
    wanted_px: int | None = None  # the shorter side that will be needed; see `headswap.data.decode`
    limits: ReaderLimits = field(default_factory=ReaderLimits)
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class ReadCameraImage:
    """Read this picture of a camera; nothing is written anywhere."""

    image_base64: str
    wanted_px: int | None = None
    limits: ReaderLimits = field(default_factory=ReaderLimits)
    kind: Literal["frame"] = "frame"


Question = ReadUpload | ReadImage | ReadCameraImage


def allowed_paths(question: Question) -> AllowedPaths:
    """What a question is about: an upload and its data set, or the scratch folder of all single pictures."""
    import_readers()
    import_film_reader()
    with one_blas_thread():  # finds the pools, which it cannot later
        pass
    if not isinstance(question, ReadUpload):
        return AllowedPaths(write=(Path(question.limits.scratch),) if question.limits.scratch else ())
    store, new = Path(question.store), Path(question.dataset).parent
    store.mkdir(parents=True, exist_ok=True)  # what is not there cannot be opened to this process
    before = (Path(question.before).parent,) if question.before else ()
    return AllowedPaths(read=(Path(question.source), *before), write=(store, new))


def answer(question: Question) -> object:
    """Answer one question; called in the child process."""
    match question:
        case ReadUpload():
            return _take_in(question)
        case ReadImage():
            return _read_one(question)
        case ReadCameraImage():
            return _read_frame(question)


def _take_in(question: ReadUpload) -> Imported:
    limits, dataset = question.limits, Path(question.dataset)
    before: Manifest | None = read_record(Manifest, Path(question.before)) if question.before else None
    with _watched(dataset.parent / NOTES, limits.patience_s) as watch:
        came = ingest(
            Path(question.source),
            store=Path(question.store),
            threads=1 if question.one_by_one else _threads(limits),
            min_classes=1 if question.is_sorted else 0,  # the second class may come later
            policy=ReadPolicy(
                limits=limits.image,
                most_images=limits.most_images,
                packed=False,  # no one bounds what a stranger's tar grows to
                skip=frozenset(question.skip),
                begin=watch.begin,
                end=watch.end,
            ),
        ).manifest
    came = replace(came, name=question.name)
    manifest = join(before, came) if before else split(came) if question.is_sorted else came
    if 0 < limits.most_images < len(manifest.images):
        raise TooMuch(
            f"Together these are {len(manifest.images):,} pictures; {limits.most_images:,} are allowed here.",
            remedy="Add fewer, or leave some of the others out first.",
        )
    write_record(dataset, manifest)
    added = len(manifest.images) - (len(before.images) if before else 0)
    return Imported(manifest=manifest, came=len(came.images), added=added)


def _read_one(question: ReadImage) -> str:
    with _watched(None, question.limits.patience_s) as watch:
        watch.begin(question.name)
        file = Path(question.file)
        check_file_size(file.stat().st_size, question.name, question.limits.image)
        data = file.read_bytes()
        image = read_image(
            data, name=question.name, wanted_px=question.wanted_px, limits=question.limits.image
        )
        copy = Path(question.folder) / f"{hashlib.sha256(data).hexdigest()}.bmp"
        image.save(copy, "BMP")  # no pixel is lost, and nothing has to be packed
        return copy.name


def _read_frame(question: ReadCameraImage) -> str:
    with _watched(None, question.limits.patience_s) as watch:
        watch.begin("camera")
        image = read_image(
            _bytes_of(question.image_base64),
            name="The camera's picture",
            wanted_px=question.wanted_px,
            limits=question.limits.image,
        )
        clean = BytesIO()
        image.save(clean, "PNG", compress_level=1)
        return b64encode(clean.getvalue()).decode()


def _bytes_of(base64: str) -> bytes:
    try:
        return b64decode(base64)
    except ValueError as error:
        raise UnreadableImage("The camera gave no picture.", remedy="Try again.") from error


def _threads(limits: ReaderLimits) -> int | None:
    """For decoding; which pictures have room together is weighed one by one (`data.policy.Room`)."""
    if not limits.memory_bytes:
        return None
    return max(1, min(processors(), (limits.memory_bytes - AT_REST_BYTES) // THREAD_BYTES))


class _Watch:
    """Notes what is being decoded, and ends the process when a decoder does not come back."""

    def __init__(self, notes: int | None, patience_s: float) -> None:
        self._notes, self._patience_s = notes, patience_s
        self._lock = threading.Lock()
        self._open = 0

    def begin(self, file: str) -> None:
        self._note("+", file, 1)

    def end(self, file: str) -> None:
        self._note("-", file, -1)

    def _note(self, mark: str, file: str, change: int) -> None:
        with self._lock:
            self._open += change
            if not self._open:  # before it is noted: a process that is ended has someone to name
                faulthandler.cancel_dump_traceback_later()
            if self._notes is not None:
                os.write(self._notes, f"{mark}{to_json(file)}\n".encode())
            if self._open:  # not a Python thread: a decoder that keeps the interpreter to itself is ended too
                faulthandler.dump_traceback_later(self._patience_s, exit=True, file=2)


@contextmanager
def _watched(notes: Path | None, patience_s: float) -> Iterator[_Watch]:
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600) if notes else None
    try:
        yield _Watch(descriptor, patience_s)
    except MemoryError as error:
        raise UnreadableImage(
            "This needs more memory than a picture may take.", remedy="Make it smaller, or leave it out."
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
        if descriptor is not None and notes is not None:
            os.close(descriptor)
            discard(notes)


def being_read(notes: Path) -> tuple[str, ...]:
    """The files that a dead reader had begun and not ended."""
    if not notes.is_file():
        return ()
    begun: dict[str, None] = {}
    for line in notes.read_text(encoding="utf-8").splitlines():
        if line.startswith("+"):
            begun[from_json(str, line[1:])] = None
        elif line.startswith("-"):
            begun.pop(from_json(str, line[1:]), None)
    return tuple(begun)
