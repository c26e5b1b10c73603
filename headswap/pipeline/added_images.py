"""Images that join a bundle: read, prepared for its network, and run through its backbone once.

Flow:  folder or zip --AddedReader.read--> IngestedImages --AddedReader.features--> (M, D) of its images
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.predictor import Bundle
from headswap.data.ingest import IngestedImages, ingest
from headswap.data.layout import class_name
from headswap.data.manifest import ImageRecord, SkippedFile
from headswap.data.split import with_groups
from headswap.data.store import bytes_of, reread
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import open_upload, store_for
from headswap.errors import BadUpload
from headswap.events import Listener, Note, Progress, silent
from headswap.features.autotune import extractor_for
from headswap.features.engines import Decoder, nearest_engine
from headswap.features.gpu_decoding import encoded_image, prepared_on_gpu

_BATCH = 16  # images
_MOST_SHOWN = 8  # images on which a new head is proved


@dataclass(eq=False)
class AddedReader:
    """Reads what is added to a bundle, source by source."""

    bundle: Bundle
    sources: Sequence[Path]
    workspace: Path  # where a zip is unpacked, and translations for engines are kept
    engine: str  # that made the features which are known
    listener: Listener = silent
    left_out: list[SkippedFile] = field(default_factory=list)
    _shown: list[NDArray[np.uint8]] = field(default_factory=list, init=False)

    @property
    def shown(self) -> NDArray[np.uint8] | None:
        """A few of the images as the network sees them, (M, H, W, C) uint8; None: there are none."""
        return np.stack(self._shown) if self._shown else None

    def read(self, source: Path) -> IngestedImages:
        """Every image of a source, with its class.

        Raises:
            BadUpload: there is nothing there, or nothing usable in it.
        """
        spec, one_class = self.bundle.card.input, _is_one_class(source, store_for(source, self.workspace))
        intake = ingest(
            source,
            store=store_for(source, self.workspace),
            prepare=lambda image: prepare(image, spec),
            wanted_px=wanted_px(spec),
            min_classes=0 if one_class else 1,
            listener=self.listener,
        )
        manifest = intake.manifest
        if one_class:
            name = class_name(source.resolve().name if source.is_dir() else source.stem)
            images = tuple(
                replace(image, class_name=name, file=f"{name}/{image.file}") for image in manifest.images
            )
            manifest = with_groups(replace(manifest, classes=(name,), images=images))
            if not images:
                reason = manifest.left_out[0].reason if manifest.left_out else ""
                raise BadUpload(f"No picture of {name} can be read.", remedy=reason)
        return replace(intake, manifest=manifest)

    def features(self, intake: IngestedImages, images: Sequence[ImageRecord]) -> NDArray[np.float32]:
        """(M, D) features of some images of a source, by the backbone of the bundle."""
        card = self.bundle.card
        network = self.bundle.network.seeing(card.input)
        engine = nearest_engine(self.engine)
        if engine.name != self.engine:
            self.listener(
                Note(f"This machine has no engine {self.engine}: {engine.name} sees the new pictures.")
            )
        extractor = extractor_for(network, card.site, self.workspace / "features", engine, flip=card.flip)
        parts = [np.empty((0, extractor.width), np.float32)]
        for start in range(0, len(images), _BATCH):
            batch = np.stack(self._decoded(intake, images[start : start + _BATCH], engine.decoder))
            parts.append(extractor.features(batch).numpy())
            self._shown += list(batch[: max(0, _MOST_SHOWN - len(self._shown))])
            self.listener(Progress("features", start + len(batch), len(images)))
        return np.concatenate(parts)

    def _decoded(
        self, intake: IngestedImages, images: Sequence[ImageRecord], decoder: Decoder
    ) -> list[NDArray[np.uint8]]:
        """Some images as the network wants them, by what decoded those that are known."""
        if decoder == "pillow":
            return [self._prepared(intake, image) for image in images]
        spec = self.bundle.card.input
        files = [encoded_image(bytes_of(intake.manifest, image), spec) for image in images]
        known = [file or self._prepared(intake, image) for file, image in zip(files, images, strict=True)]
        ready = prepared_on_gpu(known, spec)
        return [
            self._prepared(intake, image) if one is None else one
            for one, image in zip(ready, images, strict=True)
        ]

    def _prepared(self, intake: IngestedImages, image: ImageRecord) -> NDArray[np.uint8]:
        ready = intake.prepared.get(image.sha256)
        if ready is not None:
            return ready
        spec = self.bundle.card.input
        return prepare(reread(intake.manifest, image, wanted_px=wanted_px(spec)), spec)


def _is_one_class(source: Path, store: Path | None) -> bool:
    """Whether the images lie loose, so that the folder itself is the class."""
    try:
        with open_upload(source, min_classes=1, store=store):
            return False
    except BadUpload:
        with open_upload(source, min_classes=0, store=store) as upload:
            if all("/" not in placed.file for placed in upload.placed):
                return True
        raise
