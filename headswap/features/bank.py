"""The features of every image, computed once and kept on disk by content.

Flow:  Manifest images + Extractor --fill_bank--> FeatureBank (N, D)

Shards of 256 images lie under a key made of the backbone's weights, the head's place, the
preprocessing and the engine; inside, each row belongs to the sha256 of an image. A run
that was killed recomputes one shard at most; another run over the same images none.
Images may come while they are decoded (`BankBuilder`), or be fetched here (`fill_bank`). What is fetched
from files (`StoredImages`) a GPU may decode: that is part of the engine, so it is never mixed with the other.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.data.ingest import most_prefetched
from headswap.errors import TeachingFailed
from headswap.events import Listener, Note, Progress, silent
from headswap.features.autotune import autotune
from headswap.features.devices import images_at_once
from headswap.features.engines import MAX_DECODER_ERROR, Decoder, engine_named, exact, needs_every_core
from headswap.features.extractor import Extractor
from headswap.features.gpu_decoding import decodes_here, encoded_image, is_prepared_on_gpu
from headswap.features.memmap import matrix
from headswap.features.shelf import FolderShelf
from headswap.features.stored_images import Prepare, StoredImages, ahead, decoded_ahead
from headswap.storage.files import make_folder, write_bytes
from headswap.threads import processors

SHARD = 256  # images
_GIVEN_UP = "given-up"  # in the folder of an engine that was not near enough to the exact one
_FORMAT = "1"  # of a shard; another number is another folder
_INSPECTED = 8  # images: most of them are for the GPU, or Pillow decodes all


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features in the order that the images were asked for."""

    features: Tensor  # (N, D) float32
    engine: str  # what computed them
    computed: int  # images that went through the backbone now; the others were on disk


class FeaturesVanished(TeachingFailed):
    """Some features are not on the disk any more, or are damaged there."""


class BankBuilder:
    """A bank while it is filled: images come one by one, and go through the backbone a batch at a time.

    A run that was killed has lost the last shard at most.
    """

    def __init__(
        self,
        extractor: Extractor,
        *,
        folder: Path,
        expected: int,
        batch_size: int = 16,
        one_of_many: bool = False,
    ) -> None:
        """Read what is known.

        Args:
            extractor: frozen; if it is not autotuned, the second batch may do so.
            folder: where shards are kept.
            expected: images that will come, at most.
            batch_size: images that the backbone sees at once on a processor; a GPU takes more.
            one_of_many: other processes fill the same shelf. What shards state of themselves is believed, for
                one of them checks all at the end; and a batch that is less than whole is filled up, for on
                one thread the last digits may depend on its size.
        """
        self.extractor, self.computed = extractor, 0
        self._folder, self._expected, self._batch_size = folder, expected, batch_size
        self._shelf, self._is_believed = FolderShelf(folder), one_of_many
        self._one_of_many = one_of_many
        self._key = extractor.key
        self._batch: dict[str, NDArray[np.uint8]] = {}
        self._shard: dict[str, Tensor] = {}
        self._begin()

    def _begin(self) -> None:
        """Read the features that are kept for the extractor's engine, or for the one that replaced it."""
        extractor = self.extractor
        self._asked = self._shard_folder
        given_up = self._asked / _GIVEN_UP
        if given_up.exists():  # remembered, or each run would find it out and compute again
            extractor.given_up = (*extractor.given_up, extractor.engine.name)
            extractor.change(engine_named(given_up.read_text(encoding="utf-8")) or exact(extractor.engine))
        self._known = self._on_disk()
        self.at_once = images_at_once(extractor.engine.device, self._batch_size)

    def choose_decoder(self, sha256s: Sequence[str], images: StoredImages) -> None:
        """Let a GPU decode, where that is free to choose and most images are for it.

        It is not where someone has named an engine, where Pillow's pixels of these images were seen before or
        are at hand, or where there are no files.
        """
        engine, spec = self.extractor.engine, self.extractor.network.input
        if images.encoded is None:
            if engine.decoder != "pillow":
                self._decode_by("pillow")
            return
        is_untouched = not (self._batch or self._shard or self.computed) and self._known.isdisjoint(sha256s)
        is_free = self.extractor.takes_nvjpeg and is_untouched and not images.are_in_memory
        if is_free and engine.device == "cuda" and is_prepared_on_gpu(spec) and decodes_here():
            few = range(0, len(sha256s), max(1, len(sha256s) // _INSPECTED))
            for_gpu = [encoded_image(images.encoded(number), spec) is not None for number in few]
            if 2 * sum(for_gpu) > len(for_gpu):
                self._decode_by("nvjpeg")

    def check_decoder(
        self, decoded: Sequence[NDArray[np.uint8]], by_pillow: Sequence[NDArray[np.uint8]]
    ) -> bool:
        """Whether the GPU's decoder may go on; if not, it is given up.

        Args:
            decoded: some of the first images, (H, W, C) uint8; none: it could decode none of them.
            by_pillow: the same images.
        """
        extractor = self.extractor
        if decoded and extractor.decoder_error(np.stack(decoded), np.stack(by_pillow)) <= MAX_DECODER_ERROR:
            return True
        extractor.give_up_decoder()
        self._known, self._shard, self._batch = self._on_disk(), {}, {}
        return False

    def _decode_by(self, decoder: Decoder) -> None:
        self.extractor.change(replace(self.extractor.engine, decoder=decoder))
        self._begin()

    @property
    def decoder(self) -> Decoder:
        """Whose pixels are taken."""
        return self.extractor.engine.decoder

    def lacks(self, sha256: str) -> bool:
        """Whether an image has not been given yet."""
        return sha256 not in self._known and sha256 not in self._batch

    def add(self, sha256: str, image: NDArray[np.uint8], *, decoder: Decoder = "pillow") -> None:
        """Take one image, (H, W, C) uint8; one that is known is not computed again.

        Pixels of another decoder than the engine's are not taken: `fill_bank` fetches the image.
        """
        if decoder == self.decoder and self.lacks(sha256):
            self._batch[sha256] = image
        if len(self._batch) >= self.at_once:
            self.catch_up()

    def learn(self, sha256s: Sequence[str], features: Tensor) -> None:
        """Take (M, D) features that the same backbone, in the same engine, has given elsewhere."""
        new = {sha: row for sha, row in zip(sha256s, features, strict=True) if self.lacks(sha)}
        self._known.update(new)
        self._shard.update(new)

    def kept(self) -> Iterator[tuple[str, Tensor]]:
        """What lies on the disk: the sha256 of each image with its (D,) features."""
        yield from self._shelf.read(self._key_now, self.extractor.width)

    def refresh_index(self) -> None:
        """Learn what others have put onto the disk meanwhile; it counts as computed now."""
        found = self._on_disk() - self._known
        self._known |= found
        self.computed += len(found)

    def flush(self) -> None:
        """Put all that was added onto the disk."""
        self.catch_up()
        self._keep()

    def catch_up(self) -> None:
        """Let the backbone see what it has not seen yet, though it be less than a batch."""
        if not self._batch:
            return
        images = np.stack(list(self._batch.values()))
        folder, begin = self._shard_folder, time.perf_counter()
        spare = self.at_once - len(images) if self._one_of_many else 0
        whole = np.concatenate([images, images[-1:].repeat(spare, axis=0)]) if spare else images
        rows = dict(zip(self._batch, self.extractor.features(whole)[: len(images)], strict=True))
        pace_s = (time.perf_counter() - begin) / len(images)
        if (
            self._shard_folder != folder
        ):  # the engine was given up: what it computed before is of another folder
            self._known = self._on_disk()
            self.at_once = images_at_once(self.extractor.engine.device, self._batch_size)
        self._known.update(rows)
        self._shard.update(rows)
        self._batch = {}
        first, self.computed = self.computed == 0, self.computed + len(rows)
        if not (
            first or self.extractor.autotuned
        ):  # the first batch starts the engine, and says nothing of its pace
            self._autotune(images, pace_s)
        if len(self._shard) >= SHARD:
            self._keep()

    def bank(self, sha256s: Sequence[str]) -> FeatureBank:
        """The features of images that were all added, in the order asked for.

        Raises:
            FeaturesVanished: some have vanished from the disk since.
        """
        self.flush()
        positions: dict[str, list[int]] = {}
        for number, sha in enumerate(sha256s):
            positions.setdefault(sha, []).append(number)
        bank = matrix(len(sha256s), self.extractor.width)
        for sha, row in self._shelf.read(self._key_now, self.extractor.width, positions.keys()):
            for number in positions.pop(sha, ()):
                bank[number] = row
        self._known -= positions.keys()
        if positions:
            raise FeaturesVanished(
                f"Features of {len(positions)} pictures have vanished from the disk while they were needed.",
                remedy="Leave the folder alone while a network is taught, and teach again.",
            )
        return FeatureBank(bank, self.extractor.engine.name, self.computed)

    @property
    def needs_every_core(self) -> bool:
        """Whether images should not be decoded while the backbone works."""
        return needs_every_core(self.extractor.engine)

    @property
    def _key_now(self) -> str:
        """One for each backbone, head, preprocessing and engine."""
        facts = f"{_FORMAT}\n{self._key}\n{self.extractor.engine.name}"
        return hashlib.sha256(facts.encode()).hexdigest()[:24]

    @property
    def _shard_folder(self) -> Path:
        return self._folder / self._key_now

    def _on_disk(self) -> set[str]:
        if self._is_believed:
            return self._shelf.have(self._key_now)
        return {sha for sha, _ in self._shelf.read(self._key_now, self.extractor.width)}

    def _autotune(self, images: NDArray[np.uint8], pace_s: float) -> None:
        before = self.extractor.engine
        autotune(self.extractor, images, self._folder, left_s=pace_s * (self._expected - self.computed))
        if self.extractor.engine != before:  # features of two engines are never mixed
            if not self.extractor.engine.is_exact:
                self._asked = self._shard_folder
            self._known = self._on_disk()
            self._shard = {}

    def _keep(self) -> None:
        names = list(self._shard)
        for start in range(0, len(names), SHARD):  # many come at once where they were learned
            some = names[start : start + SHARD]
            self._shelf.put(self._key_now, some, torch.stack([self._shard[name] for name in some]))
        self._shard = {}
        if self._shard_folder != self._asked:  # the engine has fallen back
            make_folder(self._asked)
            write_bytes(self._asked / _GIVEN_UP, self.extractor.engine.name.encode())


def fill_bank(
    extractor: Extractor | BankBuilder,
    sha256s: Sequence[str],
    images: StoredImages | Prepare,
    *,
    folder: Path,
    batch_size: int = 16,
    listener: Listener = silent,
) -> FeatureBank:
    """Give the features of images, from disk where they are known.

    Args:
        extractor: the frozen backbone, or a builder to which some of the images were added already.
        sha256s: N content hashes, one per image; equal images are computed once.
        images: give image number i as network input, (H, W, C) uint8; called in several threads.
        folder: where shards are kept.
        batch_size: images that the backbone sees at once on a processor; a GPU takes more.
        listener: hears Progress("features"), and a Note when a GPU was given up.
    """
    if isinstance(extractor, BankBuilder):
        builder = extractor
    else:
        builder = BankBuilder(extractor, folder=folder, expected=len(sha256s), batch_size=batch_size)
    builder.catch_up()
    stored = images if isinstance(images, StoredImages) else StoredImages(prepared=images)
    builder.choose_decoder(sha256s, stored)
    _fill(builder, sha256s, stored, listener)
    try:
        bank = builder.bank(sha256s)
    except FeaturesVanished:  # a shard was damaged, or taken away, since its names were read
        _fill(builder, sha256s, stored, listener)
        bank = builder.bank(sha256s)
    for name in builder.extractor.given_up:
        if "-cpu-" not in name:
            listener(Note(f"{name} did not give the features of the exact network: {bank.engine} gave them."))
    return bank


def _fill(builder: BankBuilder, sha256s: Sequence[str], images: StoredImages, listener: Listener) -> None:
    """Let the backbone see what the bank lacks."""
    total = len(sha256s)
    missing = [number for number, sha in enumerate(sha256s) if builder.lacks(sha)]
    done = total - len(missing)
    listener(Progress("features", done, total))
    while missing:  # once more when the engine has changed after the first batches
        decoder = builder.decoder
        for number, image in _fetched(images, missing, builder):
            builder.add(sha256s[number], image, decoder=decoder)
            done += 1
            listener(Progress("features", min(done, total), total))
        builder.catch_up()
        missing = [number for number in range(total) if builder.lacks(sha256s[number])]


def _fetched(
    images: StoredImages, numbers: Sequence[int], builder: BankBuilder
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Prepared images in their order, by the engine's decoder."""
    if builder.decoder == "pillow":
        threads = processors()
        return ahead(
            images.prepared, numbers, lambda: most_prefetched(threads, alone=builder.needs_every_core)
        )
    return decoded_ahead(
        images,
        numbers,
        builder.extractor.network.input,
        at_once=builder.at_once,
        is_right=builder.check_decoder,
    )
