"""Many images answered by a crew: the task, and what asks for it.

Flow:  bundle + sources --chunks of 256--> answer_chunk, on any machine --> (name, Prediction | why not)

The answers come in the order of the images. Each process loads the bundle once and reads its images itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.bundle.prediction import Prediction
from headswap.cluster.crew import Crew, Parcel, in_order, task
from headswap.cluster.nodes import cannot_open, sees_otherwise, what_lies_at
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.upload import store_for
from headswap.errors import UnopenedFile, UnreadableImage
from headswap.events import Listener, Progress, silent
from headswap.pipeline.many import FoundImage, answers_of, found_in, sources_of
from headswap.pipeline.spread import CHUNK, check_opened, parts_of, read_elsewhere, unopened_here
from headswap.storage.files import from_plain, to_plain
from headswap.threads import torch_threads

if TYPE_CHECKING:
    from headswap.bundle.evaluate import AnsweredPart, BundleEvaluation
    from headswap.bundle.predictor import Bundle


@dataclass(frozen=True, kw_only=True)
class BundleVersion:
    """Which bundle a machine loads: another one under the same name is loaded again."""

    path: str
    lies: str  # what the machine that asks sees there
    allow_code: bool


@dataclass(frozen=True, kw_only=True)
class AskedChunk:
    """Some images, and the bundle that is asked."""

    bundle: BundleVersion
    images: tuple[FoundImage, ...]


@dataclass(frozen=True, kw_only=True)
class MeasuredChunk:
    """Some labelled images that were read before, and the bundle that is measured on them."""

    bundle: BundleVersion
    manifest: Manifest  # of these images alone


@dataclass(frozen=True, kw_only=True)
class ImageAnswer:
    """What a bundle says of one image, or why it cannot be read."""

    name: str
    said: Prediction | None = None
    problem: str = ""
    remedy: str = ""
    is_unopened: bool = False  # by that machine: another one may be able to open it


@dataclass(frozen=True, kw_only=True)
class AnsweredChunk:
    """One for each image."""

    machine: str
    answers: tuple[ImageAnswer, ...]


def answers_elsewhere(
    crew: Crew,
    bundle: Path,
    sources: Iterable[str | Path],
    *,
    allow_code: bool,
    workspace: Path | None = None,
    listener: Listener = silent,
) -> Iterator[tuple[str, Prediction | UnreadableImage]]:
    """What `headswap.pipeline.many.answers_of` gives, without the images themselves.

    Raises:
        BundleDamaged: there is no whole bundle there.
        BadUpload: a zip that cannot be opened.
        ClusterRefused: a machine cannot open a file that this one can.
    """
    named = [replace(one, path=str(Path(one.path).resolve())) for one in found_in(sources, workspace)]
    chunks = [tuple(named[start : start + CHUNK]) for start in range(0, len(named), CHUNK)]
    version = _version_of(bundle, allow_code)
    parcels = (
        _parcel(AskedChunk(bundle=version, images=chunk), chunk[0].name, chunk[-1].name) for chunk in chunks
    )
    done = 0
    with closing(crew.each(answer_chunk, parcels)) as answers:
        for images, parcel in zip(chunks, in_order(answers), strict=True):
            chunk: AnsweredChunk = from_plain(AnsweredChunk, parcel.facts)
            for image, one in zip(images, chunk.answers, strict=True):
                if one.is_unopened and _can_open(image):
                    raise cannot_open(chunk.machine, one.problem)
                done += 1
                listener(Progress("predict", done, len(named)))
                yield one.name, _opened(one)


@task
def answer_chunk(parcel: Parcel) -> Parcel:
    """Answer the images of a chunk."""
    chunk: AskedChunk = from_plain(AskedChunk, parcel.facts)
    with torch_threads(1):
        bundle = _loaded(chunk.bundle)
        try:
            answers = [_packed(name, said) for name, _, said in answers_of(bundle, chunk.images)]
        except OSError as error:  # of a zip as a whole, which the machine that asks has opened
            problem = f"{error.filename} cannot be opened: {error.strerror}"
            raise cannot_open(socket.gethostname(), problem) from error
    return Parcel(facts=to_plain(AnsweredChunk(machine=socket.gethostname(), answers=tuple(answers))))


def _packed(name: str, said: Prediction | UnreadableImage) -> ImageAnswer:
    if not isinstance(said, UnreadableImage):
        return ImageAnswer(name=name, said=said)
    is_unopened = isinstance(said, UnopenedFile)
    return ImageAnswer(name=name, problem=said.problem, remedy=said.remedy, is_unopened=is_unopened)


def _can_open(image: FoundImage) -> bool:
    """Whether this machine can open a file, whatever is in it."""
    with ExitStack() as open_zips:
        try:
            for source in sources_of([image], open_zips):
                _ = source.read_bytes() if isinstance(source, Path) else source()
        except (UnreadableImage, OSError):
            return False
    return True


def measured_elsewhere(
    crew: Crew, bundle: Path, manifest: Manifest, images: Sequence[ImageRecord], *, allow_code: bool
) -> Iterator[AnsweredPart]:
    """Features and logits of some images of a manifest, a chunk at a time, in their order."""
    version, parts = _version_of(bundle, allow_code), parts_of(manifest, images)
    parcels = (
        _parcel(MeasuredChunk(bundle=version, manifest=part), part.images[0].file, part.images[-1].file)
        for part in parts
    )
    with closing(crew.each(measure_chunk, parcels)) as answers:
        for part, parcel in zip(parts, in_order(answers), strict=True):
            check_opened(parcel, part)
            yield parcel.arrays.get("features"), parcel.arrays["logits"]


def evaluate_elsewhere(
    crew: Crew, path: Path, data: Path, *, allow_code: bool, workspace: Path, listener: Listener = silent
) -> BundleEvaluation:
    """What `headswap.bundle.evaluate.evaluate_bundle` finds, read and answered by a crew."""
    from headswap.bundle.evaluate import evaluate_bundle
    from headswap.bundle.predictor import load_bundle

    store = store_for(data, workspace)
    return evaluate_bundle(
        load_bundle(path, allow_code=allow_code),
        data,
        workspace=workspace,
        elsewhere=lambda source, placed: read_elsewhere(crew, source, store, placed, None),
        answered=lambda manifest, images: measured_elsewhere(
            crew, path, manifest, images, allow_code=allow_code
        ),
        listener=listener,
    )


@task
def measure_chunk(parcel: Parcel) -> Parcel:
    """What the bundle says of the images of a chunk, in numbers."""
    from headswap.bundle.evaluate import answer_again

    chunk: MeasuredChunk = from_plain(MeasuredChunk, parcel.facts)
    with torch_threads(1):
        bundle = _loaded(chunk.bundle)
        try:
            features, logits = answer_again(bundle, chunk.manifest)
        except UnopenedFile as error:
            return unopened_here(error)
    return Parcel(arrays={"logits": logits} if features is None else {"logits": logits, "features": features})


def _parcel(chunk: AskedChunk | MeasuredChunk, first: str, last: str) -> Parcel:
    return Parcel(facts=to_plain(chunk), about=f"One of the images from {first} to {last}")


def _version_of(bundle: Path, allow_code: bool) -> BundleVersion:
    path = bundle.resolve()
    return BundleVersion(path=str(path), lies=what_lies_at(path), allow_code=allow_code)


def _opened(answer: ImageAnswer) -> Prediction | UnreadableImage:
    return answer.said or UnreadableImage(answer.problem, remedy=answer.remedy)


@lru_cache(maxsize=1)
def _loaded(version: BundleVersion) -> Bundle:
    """The bundle of this process.

    Raises:
        ClusterRefused: another one lies here: a machine may join when the others were checked.
    """
    from headswap.bundle.predictor import load_bundle

    if what_lies_at(Path(version.path)) != version.lies:
        raise sees_otherwise(socket.gethostname(), Path(version.path))
    return load_bundle(version.path, allow_code=version.allow_code)
