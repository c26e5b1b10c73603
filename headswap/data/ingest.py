"""Take images in: every file of an upload read and decoded exactly once.

Flow:  source --open_upload--> files --decode in threads--> Manifest (+ prepared inputs, + store)

What needs the pixels happens while they are at hand: size, fingerprint, brightness, the input of the
network (`prepare`), the copy for the store. Only a bounded number of images is in flight, large ones
wait until there is memory for them, and the prepared inputs stop at `keep_bytes`, so memory does not grow
with the upload.

Knows files and images: no torch, no networks, no splits.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from headswap.data import decode
from headswap.data.checks import check
from headswap.data.decode import Decoded, ImageLimits
from headswap.data.enough import check_enough
from headswap.data.film import MEMORY_BYTES as FILM_BYTES
from headswap.data.film import frames_of, is_film
from headswap.data.fingerprint import fingerprint_of
from headswap.data.layout import PlacedFile, is_image_name
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile
from headswap.data.memory_budget import MemoryBudget
from headswap.data.placing import Upload
from headswap.data.split import with_groups
from headswap.data.store import LOSSY, STORE_PX, keep
from headswap.data.upload import open_upload
from headswap.errors import BadUpload, TooMuch, UnreadableImage
from headswap.events import Listener, Progress, silent
from headswap.threads import processors

if TYPE_CHECKING:
    from PIL.Image import Image


# What a reader of strangers' images is careful about; `headswap.app.processes.importing` watches over it.
def _ignored(file: str) -> None:
    """No one watches."""


@dataclass(frozen=True, kw_only=True)
class ReadPolicy:
    """The defaults are those of the shell and of Python: the images are the person's own."""

    limits: ImageLimits = field(default_factory=ImageLimits)
    most_images: int = 0  # more is refused; 0: any number
    packed: bool = True  # tar and Parquet are opened, and addresses
    skip: frozenset[str] = frozenset()  # files that ended a reader: left out unread, by name
    begin: Callable[[str], None] = _ignored  # hears which file is decoded next; from several threads
    end: Callable[[str], None] = _ignored  # hears that it went well, or was refused


Prepare = Callable[["Image"], NDArray[np.uint8]]
FileRecords = tuple[ImageRecord | SkippedFile, ...]  # of one file; a film gives many
# Reads files of a source elsewhere, from some on: the records of each, in order. None: they are read here.
Elsewhere = Callable[[Path, Sequence[PlacedFile]], Generator[FileRecords, None, None] | None]
HERE_FIRST = 32  # files that are read here whatever comes after: two batches, which settle an engine
KEEP_BYTES = 512 * 2**20


class Sink(Protocol):
    """Takes prepared images one by one, in the order of the files, in the thread that called `ingest`."""

    def expect(self, total: int) -> None:
        """So many files will be looked at."""
        ...

    def add(self, sha256: str, image: NDArray[np.uint8]) -> None:
        """One image, as `prepare` gave it."""
        ...

    @property
    def needs_every_core(self) -> bool:
        """Whether it is hindered by images that are decoded while it works."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class IngestedImages:
    """The images of an upload, and what was computed while they were decoded."""

    manifest: Manifest
    prepared: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # sha256 -> (H, W, C); or some
    unlabeled: Manifest | None = None  # others, of no class and no part; None: there are none


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What to do with each file."""

    upload: Upload
    store: Path | None
    prepare: Prepare | None
    decode_px: int | None
    room: _Room
    sink: Sink | None
    policy: ReadPolicy
    decoding: MemoryBudget  # memory for images that are being decoded
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class _Taken:
    image: ImageRecord
    prepared: NDArray[np.uint8] | None


class _Room:
    """Counts down the memory for prepared inputs."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    @property
    def open(self) -> bool:
        return self._left > 0

    def take(self, size_bytes: int) -> bool:
        self._left -= size_bytes
        return self._left >= 0


def ingest(  # noqa: PLR0913
    source: Path,
    *,
    store: Path | None = None,
    prepare: Prepare | None = None,
    wanted_px: int | None = None,
    keep_bytes: int = KEEP_BYTES,
    sink: Sink | None = None,
    elsewhere: Elsewhere | None = None,
    threads: int | None = None,
    min_classes: int = 2,
    policy: ReadPolicy | None = None,
    listener: Listener = silent,
) -> IngestedImages:
    """Read a folder of class folders, a zip of one, or a table's images. A film gives many, of one group.

    Args:
        source: the folder, zip or table, or an address that `headswap.data.remote` opens.
        store: a folder to keep the images in, named by the sha256 of their original bytes:
            upright, RGB, without metadata, shorter side at most 640 px. Needed for a zip, for films and for
            what lies elsewhere, which is copied as it is. None: a folder is read in place.
        prepare: turns an image into a network's input while it is at hand.
        wanted_px: the shorter side that `prepare` needs (`transforms.wanted_px`); None: all there is.
        keep_bytes: memory for prepared inputs; images beyond it are read again later.
        sink: is handed every prepared image as it comes.
        elsewhere: is asked to read the files after the first `HERE_FIRST`; what it reads reaches no sink.
        threads: for decoding; None: as many as the processors this process may use.
        min_classes: fewer is refused (1 to evaluate). 0: no one has sorted the images; they are of no class,
            and neither put into groups nor checked.
        policy: limits, and who watches over the decoding; None: the person's own images.
        listener: hears `Progress` of step "pictures".

    Raises:
        TooMuch: more images than `policy` allows.
        BadUpload: nothing usable there, or not safe.
        TooFewImages: fewer classes with readable images than `min_classes`.
    """
    policy = policy or ReadPolicy()
    with open_upload(source, min_classes=min_classes, store=store, packed=policy.packed) as upload:
        _check_upload(upload, source, store, policy)
        if store is not None:
            store.mkdir(parents=True, exist_ok=True)
        room = _Room(keep_bytes)
        plan = _Plan(
            upload=upload, store=store, prepare=prepare, room=room, sink=sink,
            policy=policy, decoding=MemoryBudget(policy.limits.memory_bytes), elsewhere=elsewhere,
            decode_px=_decode_px(upload, store, prepare, wanted_px),
        )  # fmt: skip
        images, left_out, prepared = _collect(plan, threads or processors(), listener)
    left_out.sort(key=lambda left: not is_image_name(left.file))  # notes next to the images come last
    classes = tuple(sorted({name for image in images for name in image.names}))
    check_enough(upload.name, classes, left_out, min_classes)
    manifest = Manifest(
        name=upload.name,
        root=str((store or upload.source).resolve()),
        classes=classes,
        images=tuple(images),
        left_out=tuple(left_out),
        findings=upload.findings,
    )
    manifest = check(with_groups(manifest)) if min_classes else manifest
    return IngestedImages(manifest=manifest, prepared=prepared)


def _decode_px(
    upload: Upload, store: Path | None, prepare: Prepare | None, wanted_px: int | None
) -> int | None:
    """The shorter side that is wanted of a decoded image, in px; None: all there is."""
    if store is not None and not upload.is_fetched:
        return STORE_PX // 2  # a JPEG then keeps a shorter side of 640 or more
    return decode.LEAST_PX if prepare is None else wanted_px


def _collect(
    plan: _Plan, threads: int, listener: Listener
) -> tuple[list[ImageRecord], list[SkippedFile], dict[str, NDArray[np.uint8]]]:
    """Every file once: images, what is left out, and prepared inputs while there is room for them."""
    images: list[ImageRecord] = []
    left_out = list(plan.upload.left_out)
    prepared: dict[str, NDArray[np.uint8]] = {}
    total = len(plan.upload.placed)
    if plan.sink is not None:
        plan.sink.expect(total)
    with closing(_results(plan, threads)) as results:  # who is cancelled stops all that was begun
        for done, result in enumerate(results, start=1):
            for one in result:
                if isinstance(one, SkippedFile):
                    left_out.append(one)
                    continue
                images.append(one.image)
                if one.prepared is not None:
                    if plan.sink is not None:
                        plan.sink.add(one.image.sha256, one.prepared)
                    if plan.room.take(one.prepared.nbytes):
                        prepared[one.image.sha256] = one.prepared
            _check_count(plan.upload, len(images), plan.policy)
            listener(Progress("pictures", done, total))
    return images, left_out, prepared


def _results(plan: _Plan, threads: int) -> Generator[tuple[_Taken | SkippedFile, ...], None, None]:
    """What came of each file, in their order."""
    placed = plan.upload.placed
    if plan.elsewhere is None:
        yield from _in_order(plan, placed, threads)
        return
    yield from _in_order(plan, placed[:HERE_FIRST], threads)
    rest = placed[HERE_FIRST:]
    if (read := plan.elsewhere(plan.upload.source, rest)) is None:
        yield from _in_order(plan, rest, threads)
        return
    with closing(read):
        for records in read:
            yield tuple(
                one if isinstance(one, SkippedFile) else _Taken(image=one, prepared=None) for one in records
            )


def read_some(
    upload: Upload, *, store: Path | None, prepare: Prepare | None, wanted_px: int | None
) -> Iterator[tuple[FileRecords, tuple[NDArray[np.uint8], ...]]]:
    """Of each file of an upload what `ingest` finds: its records, and its images as `prepare` gives them.

    Args: as for `ingest`. Here they are read one after another, in this thread.
    """
    policy = ReadPolicy()
    plan = _Plan(
        upload=upload, store=store, prepare=prepare, room=_Room(1), sink=None, policy=policy,
        decode_px=_decode_px(upload, store, prepare, wanted_px),
        decoding=MemoryBudget(policy.limits.memory_bytes),
    )  # fmt: skip
    for placed in upload.placed:
        found = _take(plan, placed)
        taken = [one for one in found if isinstance(one, _Taken)]
        records = tuple(one.image if isinstance(one, _Taken) else one for one in found)
        yield records, tuple(one.prepared for one in taken if one.prepared is not None)


def _in_order(
    plan: _Plan, some: Sequence[PlacedFile], threads: int
) -> Iterator[tuple[_Taken | SkippedFile, ...]]:
    """Decode in threads with a bounded look-ahead; results come in the order of the files."""
    sink = plan.sink
    waiting: deque[Future[tuple[_Taken | SkippedFile, ...]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for placed in some:
                waiting.append(pool.submit(_take, plan, placed))
                while len(waiting) > most_prefetched(
                    threads, alone=sink is not None and sink.needs_every_core
                ):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # cancelled or failed: do not decode the rest
            for future in waiting:
                future.cancel()


def _take(plan: _Plan, placed: PlacedFile) -> tuple[_Taken | SkippedFile, ...]:
    """One file: read, decode, fingerprint, prepare, keep. Of a film, each of its frames."""
    name = placed.file.rsplit("/", 1)[-1]
    if placed.file in plan.policy.skip:
        return _left(placed, f"{decode.shown_name(name)} stopped the program that reads pictures.")
    plan.policy.begin(placed.file)
    try:
        data = plan.upload.read(placed)
        if is_film(name):
            with plan.decoding.hold(FILM_BYTES):
                return _take_film(plan, placed, data, name)
        opened = decode.open_image(data, name=name, wanted_px=plan.decode_px, limits=plan.policy.limits)
        with plan.decoding.hold(opened.memory_bytes):
            return (_image_record(plan, placed, hashlib.sha256(data).hexdigest(), opened.decode()),)
    except UnreadableImage as error:
        return _left(placed, error.problem)
    except MemoryError:  # a reader of strangers' images has a limit
        return _left(placed, f"{decode.shown_name(name)} needs more memory than there is.")
    finally:
        plan.policy.end(placed.file)


def _left(placed: PlacedFile, reason: str) -> tuple[SkippedFile]:
    return (SkippedFile(file=placed.file, reason=reason),)


def _take_film(plan: _Plan, placed: PlacedFile, data: bytes, name: str) -> tuple[_Taken | SkippedFile, ...]:
    """The frames of a film, named by their time in it."""
    if plan.store is None:
        return _left(placed, f"{decode.shown_name(name)} is a film, and nowhere is named to keep its frames.")

    def alive() -> None:  # who watches counts from the last frame, not from the first
        plan.policy.end(placed.file)
        plan.policy.begin(placed.file)

    film = hashlib.sha256(data).hexdigest()
    taken: list[_Taken] = []
    for frame in frames_of(data, name=name, shorter_px=STORE_PX, alive=alive):
        alive()
        at = PlacedFile(
            file=f"{placed.file} {frame.at_s:05.1f}s.jpg",
            class_name=placed.class_name,
            given_part=placed.given_part,
            labels=placed.labels,
        )
        sha256 = hashlib.sha256(f"{film} {frame.at_s:.3f}".encode()).hexdigest()
        width, height = frame.image.size
        decoded = Decoded(image=frame.image, kind="JPEG", width=width, height=height)
        taken.append(_image_record(plan, at, sha256, decoded, film=film))
    return tuple(taken)


def _image_record(
    plan: _Plan, placed: PlacedFile, sha256: str, decoded: Decoded, *, film: str = ""
) -> _Taken:
    """A decoded image: its fingerprint, its copy in the store, its input for the network."""
    image = decoded.image
    fingerprint = fingerprint_of(image)
    kept = placed.copy or placed.file
    if plan.store is not None and not placed.copy:
        kept, image = keep(image, sha256, plan.store, lossy=decoded.kind in LOSSY)
    wanted = plan.sink is not None or plan.room.open
    prepared = plan.prepare(image) if plan.prepare is not None and wanted else None
    record = ImageRecord(
        file=placed.file,
        source=kept,
        class_name=placed.class_name,
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        fingerprint=fingerprint.bits,
        brightness=fingerprint.brightness,
        border=fingerprint.border,
        thumbnail=fingerprint.thumbnail,
        film=film,
        given_part=placed.given_part,
        labels=placed.labels,
    )
    return _Taken(image=record, prepared=prepared)


def most_prefetched(threads: int, *, alone: bool) -> int:
    """How many images may be in preparation or wait while the backbone works.

    Args:
        threads: that prepare them.
        alone: the backbone is slowed down by work at the same time more than by waiting afterwards.
    """
    return threads * (2 if alone else 32)


def _check_upload(upload: Upload, source: Path, store: Path | None, policy: ReadPolicy) -> None:
    _check_count(upload, len(upload.placed), policy)
    if store is None and not upload.in_place:
        raise BadUpload(f"{source.name} is a zip.", remedy="Name a folder that its pictures may be kept in.")


def _check_count(upload: Upload, images: int, policy: ReadPolicy) -> None:
    if 0 < policy.most_images < images:
        raise TooMuch(
            f"{decode.shown_name(upload.name)} holds {images:,} pictures; "
            f"{policy.most_images:,} are allowed here.",
            remedy="Choose fewer pictures of each class.",
        )
