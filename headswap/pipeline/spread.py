"""The images of an experiment, read and seen by many machines: the tasks, and what asks for them.

Flow:  placed files --chunks of 256--> read_and_see, on any machine --> records; features on the shelf

Each machine reads its images itself, so none travels; what comes back are records, and what lasts is on the
shelf before a chunk is told as done. All run one engine, on one thread, in whole batches: the features are
those of this machine, bit for bit (docs/decisions/0042-a-cluster.md).
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.cluster.crew import ClusterRefused, Crew, Parcel, in_order, task
from headswap.cluster.marks import check_marks, marked
from headswap.cluster.nodes import cannot_open, opened_here
from headswap.data.ingest import FileRecords, read_some
from headswap.data.layout import PlacedFile
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile
from headswap.data.remote import plain_source
from headswap.data.store import bytes_of, reread
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import reopened
from headswap.errors import BadSetting, UnopenedFile, UnreadableImage
from headswap.network import CropMode
from headswap.pipeline.loading import NetworkOrigin, load_as_asked
from headswap.storage.files import from_plain, to_plain
from headswap.threads import torch_threads
from headswap.training.config import HeadChoice
from headswap.zoos.zoo import ZooSettings

if TYPE_CHECKING:
    from headswap.features.bank import BankBuilder

CHUNK = 256  # files: a shard, and what a machine that dies has lost at most
GPU_SHARE = 1 / 4  # of one GPU, for each task that runs the backbone on it: four read images for it


@dataclass(frozen=True, kw_only=True)
class SeenBy:
    """The backbone that all machines run: what makes its features, to the bit."""

    run: str  # another run looks again what is on the shelf
    model: str
    weights: str | None
    px: int | None
    crop_mode: CropMode | None
    head_path: str | None
    head: HeadChoice
    expected: int  # images in all: a wide head reads fewer blocks where they are many
    flip: bool
    engine: str
    batch_size: int
    folder: str  # of the features

    @property
    def is_on_gpu(self) -> bool:
        """Whether its engine is on a GPU that machines of a cluster can have."""
        return "-cuda-" in self.engine


@dataclass(frozen=True, kw_only=True)
class FileChunk:
    """Some files, and who sees them."""

    source: str  # a folder, a zip, or an address
    store: str | None  # where images of a zip and frames of films are kept, and what lies elsewhere
    placed: tuple[PlacedFile, ...]
    backbone: SeenBy | None  # None: they are read only
    marks: tuple[str, ...]  # in the folders that are written into


@dataclass(frozen=True, kw_only=True)
class ImageChunk:
    """Some images that were read before, and who sees them."""

    manifest: Manifest  # of these images alone
    backbone: SeenBy
    marks: tuple[str, ...]  # in the folder of its features


@dataclass(frozen=True, kw_only=True)
class FileAnswer:
    """What one file is."""

    images: tuple[ImageRecord, ...] = ()
    left_out: tuple[SkippedFile, ...] = ()
    is_unopened: bool = False  # by that machine: what is in it, another one may tell


@dataclass(frozen=True, kw_only=True)
class ChunkAnswer:
    """What the files of a chunk are, in their order."""

    machine: str
    files: tuple[FileAnswer, ...]


def read_elsewhere(
    crew: Crew, source: Path, store: Path | None, placed: Sequence[PlacedFile], backbone: SeenBy | None
) -> Generator[FileRecords, None, None]:
    """The records of files, in their order; features by a backbone are on the shelf when they come.

    Raises:
        ClusterRefused: a machine cannot open a file that this one can, or its folders are other ones.
    """
    with marked(backbone.folder if backbone else None, store) as marks:
        chunks = _chunks_of(source, store, placed, backbone, marks)
        parcels, gpu_share = map(_parcel_of, chunks), _gpu_share(backbone)
        with closing(crew.each(read_and_see, parcels, gpu_share=gpu_share)) as answers:
            for chunk, parcel in zip(chunks, in_order(answers), strict=True):
                answer: ChunkAnswer = from_plain(ChunkAnswer, parcel.facts)
                for file, one in zip(chunk.placed, answer.files, strict=True):
                    if one.is_unopened:
                        yield (_left_out_here(chunk, file, one, answer.machine),)
                    else:
                        yield *one.images, *one.left_out


def _chunks_of(
    source: Path,
    store: Path | None,
    placed: Sequence[PlacedFile],
    backbone: SeenBy | None,
    marks: tuple[str, ...],
) -> list[FileChunk]:
    return [
        FileChunk(
            source=plain_source(source),
            store=str(store.resolve()) if store else None,
            placed=tuple(placed[start : start + CHUNK]),
            backbone=backbone,
            marks=marks,
        )
        for start in range(0, len(placed), CHUNK)
    ]


def _parcel_of(chunk: FileChunk) -> Parcel:
    first, last = chunk.placed[0].file, chunk.placed[-1].file
    return Parcel(facts=to_plain(chunk), about=f"One of the files from {first} to {last}")


def _left_out_here(chunk: FileChunk, file: PlacedFile, answer: FileAnswer, machine: str) -> SkippedFile:
    """A file that a machine could not open, as this machine leaves it out.

    Raises:
        ClusterRefused: this machine can open it.
    """
    store = Path(chunk.store) if chunk.store else None
    try:
        with reopened(Path(chunk.source), (file,), store=store) as upload:
            upload.read(file)
    except UnreadableImage as error:
        return SkippedFile(file=file.file, reason=error.problem)
    raise cannot_open(machine, answer.left_out[0].reason)


@task
def read_and_see(parcel: Parcel) -> Parcel:
    """Read the files of a chunk, put their features onto the shelf, and say what they are."""
    chunk: FileChunk = from_plain(FileChunk, parcel.facts)
    check_marks(chunk.marks)
    bank = _bank(chunk.backbone) if chunk.backbone else None
    spec = bank.extractor.network.input if bank else None
    store = Path(chunk.store) if chunk.store else None
    files: list[FileAnswer] = []
    unopened: set[str] = set()
    with torch_threads(1), ExitStack() as stack:
        try:
            upload = stack.enter_context(reopened(Path(chunk.source), chunk.placed, store=store))
        except OSError as error:  # of a folder or zip as a whole, which the machine that asks has opened
            raise cannot_open(
                socket.gethostname(), f"{chunk.source} cannot be opened: {error.strerror}"
            ) from error
        read = read_some(
            replace(upload, read=_noting(upload.read, unopened)),
            store=store,
            prepare=(lambda image: prepare(image, spec)) if spec else None,
            wanted_px=wanted_px(spec) if spec else None,
        )
        for records, prepared in read:
            images = tuple(one for one in records if isinstance(one, ImageRecord))
            left_out = tuple(one for one in records if isinstance(one, SkippedFile))
            is_unopened = any(one.file in unopened for one in left_out)
            files.append(FileAnswer(images=images, left_out=left_out, is_unopened=is_unopened))
            if bank is not None:
                for image, pixels in zip(images, prepared, strict=True):
                    bank.add(image.sha256, pixels)
        if bank is not None:
            bank.flush()
    check_marks(chunk.marks)  # again: it may have been unmounted meanwhile
    return Parcel(facts=to_plain(ChunkAnswer(machine=socket.gethostname(), files=tuple(files))))


def _noting(read: Callable[[PlacedFile], bytes], unopened: set[str]) -> Callable[[PlacedFile], bytes]:
    """The same, and the names of files that cannot be opened are noted."""

    def noted(file: PlacedFile) -> bytes:
        try:
            return read(file)
        except UnopenedFile:
            unopened.add(file.file)
            raise

    return noted


def see_elsewhere(
    crew: Crew, manifest: Manifest, images: Sequence[ImageRecord], backbone: SeenBy
) -> Generator[int, None, None]:
    """How many of some images of a manifest have been seen, as chunks end; features are on the shelf.

    Raises:
        UnreadableImage: an image has gone, or is not what it was.
        ClusterRefused: a machine cannot open an image that this one can, or its folder is another one.
    """
    parts, seen = parts_of(manifest, images), 0
    with marked(backbone.folder) as marks:
        parcels = (
            Parcel(
                facts=to_plain(ImageChunk(manifest=part, backbone=backbone, marks=marks)),
                about=f"One of the images from {part.images[0].file} to {part.images[-1].file}",
            )
            for part in parts
        )
        with closing(crew.each(see, parcels, gpu_share=_gpu_share(backbone))) as answers:
            for number, answer in answers:
                check_opened(answer, parts[number])
                seen += len(parts[number].images)
                yield seen


def _gpu_share(backbone: SeenBy | None) -> float:
    """What a task takes of a GPU: nothing, unless that is where the backbone runs."""
    return GPU_SHARE if backbone is not None and backbone.is_on_gpu else 0.0


def parts_of(manifest: Manifest, images: Sequence[ImageRecord]) -> list[Manifest]:
    """Some images of a manifest, a chunk in each, as they travel: without what is only shown."""
    bare = [replace(image, thumbnail="") for image in images]
    chunks = [tuple(bare[start : start + CHUNK]) for start in range(0, len(bare), CHUNK)]
    return [Manifest(name=manifest.name, root=manifest.root, classes=(), images=chunk) for chunk in chunks]


@task
def see(parcel: Parcel) -> Parcel:
    """Put the features of some images onto the shelf."""
    chunk: ImageChunk = from_plain(ImageChunk, parcel.facts)
    check_marks(chunk.marks)
    bank = _bank(chunk.backbone)
    spec, answer = bank.extractor.network.input, Parcel()
    with torch_threads(1):
        try:
            for image in chunk.manifest.images:
                if bank.lacks(image.sha256):
                    bank.add(image.sha256, prepare(reread(chunk.manifest, image, wanted_px(spec)), spec))
        except UnopenedFile as error:
            answer = unopened_here(error)
        bank.flush()
    check_marks(chunk.marks)
    return answer


def unopened_here(error: UnopenedFile) -> Parcel:
    """The answer of a task that could not open an image of its part; for `check_opened`."""
    return Parcel(facts={"unopened": named_here(error).problem})


def named_here(error: UnopenedFile) -> UnopenedFile:
    """The same, with the name of this machine: another one may be able to open the file."""
    return UnopenedFile(f"On {socket.gethostname()}, {error.problem}", remedy=error.remedy)


def check_opened(answer: Parcel, part: Manifest) -> None:
    """Whether the images of a part could be opened where they were asked for.

    Raises:
        UnreadableImage: one cannot be opened here either: it has gone.
        ClusterRefused: that machine alone cannot.
    """
    if "unopened" in answer.facts:
        raise unopened_there(answer.facts["unopened"], part)


def unopened_there(problem: str, part: Manifest) -> ClusterRefused:
    """What is said when a machine could not open an image of a part.

    Args:
        problem: as that machine says it, with its name.
        part: the images that it was asked for.

    Raises:
        UnreadableImage: one cannot be opened here either: it has gone.
    """
    for image in part.images:
        bytes_of(part, image)
    return opened_here(problem)


def new_run() -> str:
    """A name for `SeenBy.run`."""
    return uuid.uuid4().hex


@lru_cache(maxsize=1)  # one network is in the memory of a process
def _bank(backbone: SeenBy) -> BankBuilder:
    """The backbone of this process, with what is on the shelf already."""
    from headswap.features.autotune import TRANSLATIONS
    from headswap.features.bank import BankBuilder
    from headswap.features.engines import engine_named
    from headswap.features.extractor import Extractor
    from headswap.heads.detect import locate_head
    from headswap.training.head_choice import source_of

    engine = engine_named(backbone.engine)
    if engine is None:
        raise BadSetting(
            f"{socket.gethostname()} cannot run {backbone.engine}, which the machine that asks does.",
            remedy="Install the same packages on every machine, and use machines of one kind.",
        )
    origin = NetworkOrigin(
        model=backbone.model, weights=backbone.weights, px=backbone.px, crop_mode=backbone.crop_mode
    )
    network = load_as_asked(origin, settings=ZooSettings(allow_code=True))
    located = locate_head(network, head=backbone.head_path)
    source = source_of(network, located, backbone.head, backbone.expected)
    folder = Path(backbone.folder)
    extractor = Extractor(source.network, source.site, engine, folder / TRANSLATIONS, flip=backbone.flip)
    return BankBuilder(
        extractor,
        folder=folder,
        expected=0,
        batch_size=backbone.batch_size,
        one_of_many=True,
    )
