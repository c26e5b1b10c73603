"""Predict from a bundle: the same pixels in, the same answers out, anywhere.

Flow:  bundle --load_bundle--> Bundle --predict(image)--> Prediction
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.format import (
    REFERENCE,
    BundleCard,
    load_weights,
    opened,
    read_card,
    read_dataset,
    read_report,
    weights_of,
)
from headswap.bundle.prediction import Prediction
from headswap.bundle.reference import Floats32, ReferenceFeatures, read_reference
from headswap.data.decode import ImageLimits, check_file_size, read_image
from headswap.data.manifest import Manifest, joined
from headswap.data.transforms import prepare, to_float, wanted_px
from headswap.errors import BadSetting, UnopenedFile, UnreadableImage
from headswap.evaluation.metrics import Floats, calibrated
from headswap.evaluation.multi_label import label_probabilities
from headswap.evaluation.report import Report
from headswap.network import Network

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained network, ready to answer."""

    card: BundleCard  # what it was made of and how
    report: Report  # how good it was found to be
    network: Network  # with its head, ready to be asked
    reference: ReferenceFeatures | None = None  # of its training images; None: it was trained without
    limits: ImageLimits = field(default_factory=ImageLimits)  # of an image that is asked about
    dataset: Manifest | None = None  # which images it was trained and tested on; None: not known
    # Features are caught by hooks on the network, which fire in every thread: one thread runs it at a time.
    lock: Lock = field(default_factory=Lock, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Without the lock, which does not leave its process."""
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, lock=Lock())

    @property
    def file_names(self) -> dict[str, str]:
        """The files of the images it was trained and tested on by their sha256; empty: not known."""
        return self.dataset.file_names if self.dataset else {}

    @property
    def classes(self) -> tuple[str, ...]:
        """What it tells apart, in the order of its logits."""
        return self.card.classes

    def predict(self, image: str | Path | bytes | Image) -> Prediction:
        """Say what one image shows.

        Args:
            image: a path, the bytes of a file, or a Pillow image.

        Raises:
            UnreadableImage: it is not an image that can be read.
        """
        return next(self.predict_many([image]))

    def predict_many(
        self, images: Iterable[str | Path | bytes | Image], *, batch_size: int = 16
    ) -> Iterator[Prediction]:
        """The same for many images, a batch at a time.

        Args:
            images: as for `predict`; read when their turn comes.
            batch_size: images in one forward pass, 1 or more.

        Raises:
            UnreadableImage: at the first that cannot be read.
        """
        for _, said in self.predict_each(images, batch_size=batch_size):
            if isinstance(said, UnreadableImage):
                raise said
            yield said

    def predict_each(
        self, images: Iterable[str | Path | bytes | Image], *, batch_size: int = 16
    ) -> Iterator[tuple[str | Path | bytes | Image, Prediction | UnreadableImage]]:
        """Each image with its answer, or with why it cannot be read; a batch at a time, in their order.

        Args:
            images: as for `predict`; read when their turn comes.
            batch_size: images in one forward pass, 1 or more.
        """
        for chunk in _chunks(images, batch_size):
            prepared = [self._try_to_prepare(image) for image in chunk]
            pairs = list(zip(chunk, prepared, strict=True))
            files = [_name(image) for image, one in pairs if not isinstance(one, UnreadableImage)]
            readable = [one for one in prepared if not isinstance(one, UnreadableImage)]
            answers = iter(self.predict_prepared(files, np.stack(readable)) if readable else ())
            for image, one in pairs:
                yield image, one if isinstance(one, UnreadableImage) else next(answers)

    def _try_to_prepare(self, image: str | Path | bytes | Image) -> NDArray[np.uint8] | UnreadableImage:
        try:
            return self.prepare(image)
        except UnreadableImage as problem:
            return problem

    def predict_prepared(self, files: Sequence[str], images: NDArray[np.uint8]) -> list[Prediction]:
        """The answers for (N, H, W, C) uint8, named after their files."""
        features, logits = self.features_and_logits(images)
        rows = probabilities_of(self.card, logits)
        more = self._what_else(features, len(images))
        return [
            replace(self._prediction(file, row), ood_score=ood_score, nearest=near, old_head=old)
            for file, row, (ood_score, near, old) in zip(files, rows, more, strict=True)
        ]

    def prepare(self, image: str | Path | bytes | Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """An image as this network's input, (H, W, C) uint8."""
        spec = self.card.input
        name = Path(_name(image)).name
        if isinstance(image, str | Path):
            image = _read(Path(image), self.limits)
        if isinstance(image, bytes):
            image = read_image(image, name=name, wanted_px=wanted_px(spec), limits=self.limits)
        return prepare(image.convert("RGB"), spec)

    def logits(self, images: np.ndarray[Any, np.dtype[np.uint8]]) -> Floats:
        """(N, H, W, C) uint8 to (N, classes) logits, in single precision."""
        import torch

        from headswap.heads.loss import logits_of

        batch = torch.from_numpy(to_float(images, self.card.input))
        inputs = [batch, batch.flip(-1)] if self.card.flip else [batch]
        with self.lock, torch.inference_mode():
            rows = [logits_of(self.network.module(one), self.card.site) for one in inputs]
        return torch.stack(rows).mean(dim=0).double().numpy()

    def features_and_logits(
        self, images: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> tuple[Floats32 | None, Floats]:
        """Features and logits from one run; no features when nothing is remembered to compare them with."""
        if self.reference is None:
            return None, self.logits(images)
        from headswap.features.engines import Engine
        from headswap.features.extractor import Extractor

        with self.lock:
            extractor = Extractor(self.network, self.card.site, Engine("cpu", "float32"), flip=self.card.flip)
            features, logits = extractor.features_and_logits(images)
        return features.numpy(), logits.double().numpy()

    def _what_else(
        self, features: Floats32 | None, count: int
    ) -> list[tuple[float | None, tuple[str, ...], dict[str, float] | None]]:
        """The OOD score of each image, its nearest training images, the old head's names."""
        if self.reference is None or features is None:
            return [(None, (), None)] * count
        last_features = features[:, self.card.site.last_features]
        ood_score, near = self.reference.compare(last_features)
        old = self.reference.old.top(last_features) if self.reference.old else (None,) * count
        return list(zip(ood_score, near, old, strict=True))

    def _prediction(self, file: str, row: Floats) -> Prediction:
        order = np.argsort(-row, kind="stable")
        best_first = {self.classes[number]: float(row[number]) for number in order}
        if self.card.is_multi_label:
            said = row >= np.array(self.card.thresholds)
            labels = tuple(self.classes[number] for number in order if said[number])
            return Prediction(file=file, label=joined(labels), labels=labels, probabilities=best_first)
        return Prediction(file=file, label=self.classes[order[0]], probabilities=best_first)


def probabilities_of(card: BundleCard, logits: Floats) -> Floats:
    """(N, classes) logits of its network to the probabilities that a bundle says, float64."""
    if card.is_multi_label:
        return label_probabilities(logits, card.temperature, card.even_share, offset=card.logit_offset)
    return calibrated(logits, card.temperature, card.even_share)


def load_bundle(bundle: str | Path, *, allow_code: bool = False) -> Bundle:
    """Load a bundle, folder or zip, after checking its seal.

    Args:
        bundle: the folder or zip that `train` wrote.
        allow_code: let a bundle that was trained on "package.module:factory" import that module.

    Raises:
        BundleDamaged: there is no bundle there, or it is not what was saved.
    """
    from headswap.heads.resize import take_size
    from headswap.heads.swap import swap_head
    from headswap.heads.wide import widen
    from headswap.zoos.bounded import check_extent
    from headswap.zoos.catalogue import build_network
    from headswap.zoos.own import names_code
    from headswap.zoos.zoo import ZooSettings

    with opened(Path(bundle)) as folder:
        card = read_card(folder)
        if names_code(card.model.partition("/")[2]) and not allow_code:
            raise BadSetting(
                f"This bundle was taught on Python code of yours, {card.model.partition('/')[2]}.",
                remedy="If you trust it, allow it: --allow-code in the shell, allow_code=True in Python.",
            )
        settings = ZooSettings(allow_code=allow_code)
        check_extent(card.model, card.variant, weights_of(folder), settings)
        network = build_network(card.model, variant=card.variant, settings=settings)
        if card.input.size != network.input.size:
            take_size(network.module, card.input.size)
        record = swap_head(network, len(card.classes), input_size=card.input.size, head=card.head_path)
        if card.site.taps:
            network, _ = widen(network, record.site, card.site.taps, len(card.classes))
        load_weights(folder, network)
        network.module.eval()
        reference = read_reference(folder / REFERENCE)
        return Bundle(card, read_report(folder), network, reference, dataset=read_dataset(folder))


def _chunks(
    images: Iterable[str | Path | bytes | Image], size: int
) -> Iterator[list[str | Path | bytes | Image]]:
    chunk: list[str | Path | bytes | Image] = []
    for image in images:
        chunk.append(image)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _name(image: str | Path | bytes | Image) -> str:
    if isinstance(image, str | Path):
        return str(image)
    return str(getattr(image, "filename", "")) or "picture"


def _read(path: Path, limits: ImageLimits) -> bytes:
    try:
        check_file_size(path.stat().st_size, path.name, limits)
        return path.read_bytes()
    except OSError as error:
        raise UnopenedFile(
            f"{path} cannot be read: {error.strerror}.", remedy="Give the path of a picture."
        ) from error
