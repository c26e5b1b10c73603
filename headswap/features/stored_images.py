"""Images that are fetched by their numbers: prepared in threads, or read there and decoded on the GPU.

Flow:  StoredImages + numbers --ahead--> prepared by Pillow, in their order
       StoredImages + numbers --decoded_ahead--> a batch at a time by the GPU, and by Pillow what that cannot

Knows nothing of what is done with them; what takes them says how many are fetched ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headswap.features.gpu_decoding import EncodedImage, encoded_image, prepared_on_gpu
from headswap.network import InputSpec
from headswap.threads import processors

Prepare = Callable[[int], NDArray[np.uint8]]  # number of an image -> (H, W, C) uint8
Fetched = tuple[int, EncodedImage | NDArray[np.uint8]]  # number of an image, for the GPU or prepared
Compare = Callable[[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.uint8]]], bool]  # decoded there and here
_COMPARED = 4  # images
_AHEAD = 4  # files for each thread: they may be large, and wait in memory
_BATCH_BYTES = 2**27  # of files and prepared images, that go to the GPU together
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class StoredImages:
    """Images that can be fetched, in several threads."""

    prepared: Prepare  # as the network wants them, by Pillow
    encoded: Callable[[int], bytes] | None = None  # the file; None: they lie in none
    are_in_memory: bool = False  # some are, prepared: to decode all of them again would be slower


def ahead(
    read: Callable[[int], T], numbers: Sequence[int], most: Callable[[], int]
) -> Generator[tuple[int, T], None, None]:
    """Read images in threads, so many ahead of anyone who takes them; in their order."""
    waiting: deque[Future[T]] = deque()
    coming = iter(numbers)
    with ThreadPoolExecutor(processors(), thread_name_prefix="prepare") as pool:
        try:
            for number in numbers:
                # Fewer than wait already, when the engine has fallen back.
                room = max(0, most() - len(waiting))
                waiting.extend(pool.submit(read, one) for one in islice(coming, room))
                yield number, waiting.popleft().result()
        finally:  # cancelled or failed: do not prepare the rest
            for future in waiting:
                future.cancel()


def decoded_ahead(
    images: StoredImages, numbers: Sequence[int], spec: InputSpec, *, at_once: int, is_right: Compare
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read files in threads, and let the GPU decode a batch of them; Pillow decodes what that cannot.

    Args:
        images: with files.
        numbers: whose images are wanted.
        spec: of the network.
        at_once: how many the GPU decodes, at most.
        is_right: asked once, with the first few as the GPU and as Pillow decodes them; if not, nothing comes.
    """
    encoded, is_checked = images.encoded, False

    def read(number: int) -> EncodedImage | NDArray[np.uint8]:
        sent = encoded_image(encoded(number), spec) if encoded is not None else None
        return sent or images.prepared(number)

    with closing(ahead(read, numbers, lambda: _AHEAD * processors())) as coming:
        for batch in _batches(coming, at_once):
            ready = prepared_on_gpu([one for _, one in batch], spec)
            if not is_checked and any(isinstance(one, EncodedImage) for _, one in batch):
                is_checked = True
                there = {
                    number: image
                    for (number, one), image in zip(batch, ready, strict=True)
                    if isinstance(one, EncodedImage) and image is not None
                }
                few = list(there)[:_COMPARED]
                if not is_right(
                    [there[number] for number in few], [images.prepared(number) for number in few]
                ):
                    return
            for (number, _), image in zip(batch, ready, strict=True):
                yield number, images.prepared(number) if image is None else image


def _batches(coming: Iterator[Fetched], at_once: int) -> Iterator[list[Fetched]]:
    """So many at once, or fewer where they are large."""
    batch: list[Fetched] = []
    size_bytes = 0
    for number, image in coming:
        batch.append((number, image))
        size_bytes += image.data.nbytes if isinstance(image, EncodedImage) else image.nbytes
        if len(batch) == at_once or size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
