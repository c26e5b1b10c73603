"""Measure a bundle on any labelled pictures.

Flow:  bundle + labelled folder --evaluate_bundle--> Measured
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headswap.artefacts.predictor import Bundle
from headswap.data.intake import Intake, take_in
from headswap.data.kept import reread
from headswap.data.layout import class_key
from headswap.data.manifest import LeftOut, Picture
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import TooFewPictures
from headswap.evaluation.metrics import wilson_interval
from headswap.events import Listener, Progress, silent

_BATCH = 32  # pictures


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How a bundle did on some pictures."""

    right: int
    images: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson
    left_out: tuple[LeftOut, ...]


def evaluate_bundle(bundle: Bundle, data: Path, *, workspace: Path, listener: Listener = silent) -> Measured:
    """Let a bundle answer for every picture of a labelled folder or zip.

    Pictures of classes that the bundle was never taught are left out, by name.

    Raises:
        BadUpload, TooFewPictures.
    """
    spec = bundle.card.input
    intake = take_in(
        data,
        store=workspace / "unpacked" if data.is_file() else None,
        prepare=lambda image: prepare(image, spec),
        wanted_px=wanted_px(spec),
        min_classes=1,
        listener=listener,
    )
    known = {class_key(name): number for number, name in enumerate(bundle.classes)}
    pictures = [picture for picture in intake.manifest.pictures if class_key(picture.class_name) in known]
    strange = [
        LeftOut(
            file=picture.file, reason=f"“{picture.class_name}” is not a class that this bundle was taught."
        )
        for picture in intake.manifest.pictures
        if class_key(picture.class_name) not in known
    ]
    if not pictures:
        raise TooFewPictures(
            f"No picture in {data} belongs to a class of this bundle.",
            remedy=f"Its classes are {', '.join(bundle.classes)}; name the folders so.",
        )
    right = 0
    for start in range(0, len(pictures), _BATCH):
        chunk = pictures[start : start + _BATCH]
        said = bundle.logits(np.stack([_prepared(bundle, intake, picture) for picture in chunk])).argmax(
            axis=1
        )
        right += sum(
            known[class_key(picture.class_name)] == int(label)
            for picture, label in zip(chunk, said, strict=True)
        )
        listener(Progress("evaluate", start + len(chunk), len(pictures)))
    return Measured(
        right=right,
        images=len(pictures),
        accuracy=right / len(pictures),
        interval=wilson_interval(right, len(pictures)),
        left_out=(*intake.manifest.left_out, *strange),
    )


def _prepared(bundle: Bundle, intake: Intake, picture: Picture) -> np.ndarray:
    ready = intake.prepared.get(picture.sha256)
    if ready is not None:
        return ready
    spec = bundle.card.input
    return prepare(reread(intake.manifest, picture, wanted_px=wanted_px(spec)), spec)
