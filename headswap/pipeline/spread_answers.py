"""Many images answered by a crew: the task, and what asks for it.

Flow:  bundle + places --chunks of 256--> answer_chunk, on any machine --> (name, Prediction | why not)

The answers come in the order of the images. Each process loads the bundle once and reads its images itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.bundle.prediction import Prediction
from headswap.cluster.crew import Crew, Parcel, in_order, task
from headswap.errors import UnreadableImage
from headswap.events import Listener, Progress, silent
from headswap.pipeline.many import FoundImage, answers_of, found_in
from headswap.pipeline.spread import CHUNK
from headswap.storage.files import from_plain, to_plain
from headswap.threads import torch_threads

if TYPE_CHECKING:
    from headswap.bundle.predictor import Bundle


@dataclass(frozen=True, kw_only=True)
class AskedChunk:
    """Some images, and the bundle that is asked."""

    bundle: str
    changed_ns: int  # when it was last changed: another one under the same name is loaded anew
    allow_code: bool
    images: tuple[FoundImage, ...]


@dataclass(frozen=True, kw_only=True)
class ImageAnswer:
    """What a bundle says of one image, or why it cannot be read."""

    name: str
    said: Prediction | None = None
    problem: str = ""
    remedy: str = ""
    is_lost: bool = False  # damaged inside its zip


@dataclass(frozen=True, kw_only=True)
class AnsweredChunk:
    """One for each image."""

    answers: tuple[ImageAnswer, ...]


def answers_elsewhere(
    crew: Crew, bundle: Path, places: Iterable[str | Path], *, allow_code: bool, listener: Listener = silent
) -> Iterator[tuple[str, Prediction | UnreadableImage]]:
    """What `headswap.pipeline.many.answers` gives, without the images themselves.

    Raises:
        BundleDamaged: there is no whole bundle there.
        BadUpload: a zip that cannot be opened.
    """
    found = list(found_in(places))
    named = [
        FoundImage(name=one.name, path=str(Path(one.path).resolve()), member=one.member) for one in found
    ]
    chunks = [tuple(named[start : start + CHUNK]) for start in range(0, len(named), CHUNK)]
    place = bundle.resolve()
    changed_ns = place.stat().st_mtime_ns if place.exists() else 0
    parcels = (
        Parcel(
            facts=to_plain(
                AskedChunk(bundle=str(place), changed_ns=changed_ns, allow_code=allow_code, images=chunk)
            ),
            about=f"One of the images from {chunk[0].name} to {chunk[-1].name}",
        )
        for chunk in chunks
    )
    lost: list[ImageAnswer] = []
    done = 0
    with closing(crew.each(answer_chunk, parcels)) as answers:
        for parcel in in_order(answers):
            chunk: AnsweredChunk = from_plain(AnsweredChunk, parcel.facts)
            for one in chunk.answers:
                done += 1
                listener(Progress("predict", done, len(named)))
                if one.is_lost:
                    lost.append(one)
                else:
                    yield one.name, _opened(one)
    yield from ((one.name, _opened(one)) for one in lost)


@task
def answer_chunk(parcel: Parcel) -> Parcel:
    """Answer the images of a chunk."""
    chunk: AskedChunk = from_plain(AskedChunk, parcel.facts)
    answers = []
    with torch_threads(1):
        bundle = _loaded(chunk.bundle, chunk.changed_ns, chunk.allow_code)
        for name, image, said in answers_of(bundle, chunk.images):
            if isinstance(said, UnreadableImage):
                answers.append(
                    ImageAnswer(name=name, problem=said.problem, remedy=said.remedy, is_lost=image == b"")
                )
            else:
                answers.append(ImageAnswer(name=name, said=said))
    return Parcel(facts=to_plain(AnsweredChunk(answers=tuple(answers))))


def _opened(answer: ImageAnswer) -> Prediction | UnreadableImage:
    return answer.said or UnreadableImage(answer.problem, remedy=answer.remedy)


@lru_cache(maxsize=1)
def _loaded(bundle: str, _changed_ns: int, allow_code: bool) -> Bundle:
    """The bundle of this process."""
    from headswap.bundle.predictor import load_bundle

    return load_bundle(bundle, allow_code=allow_code)
