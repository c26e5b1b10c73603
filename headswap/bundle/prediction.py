"""What a bundle says of one image: records; importing this file loads no torch."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass

from headswap.field_types import keys_on_disk


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The answer for one image."""

    __pydantic_config__ = keys_on_disk(ood_score="unlike")

    file: str  # of the image, as it was given
    label: str  # of several: all of them as one name, see `labels`
    # Every class, most likely first; calibrated; sums to 1, or, of several labels, to anything.
    probabilities: dict[str, float]
    ood_score: float | None = (
        None  # distance to the training images over the threshold; > 1: out of distribution
    )
    old_head: dict[str, float] | None = None  # the pretrained head's five best names for the same image
    labels: tuple[str, ...] | None = (
        None  # all that it has, surest first, where it may have several; None: one
    )
    nearest: tuple[str, ...] = ()  # the training images (sha256) whose features are closest, closest first

    @property
    def sure(self) -> float:
        """Confidence in the label, in [0, 1]; of several, in the answer that is least sure."""
        if self.labels is not None:
            return min(max(one, 1.0 - one) for one in self.probabilities.values())
        return self.probabilities[self.label]

    @property
    def is_ood(self) -> bool:
        """Whether the image is unlike everything that the network was trained on."""
        return self.ood_score is not None and self.ood_score > 1.0


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Where a network looked when it gave an image its label."""

    label: str  # the class that is explained
    width: int  # px, of the image as the network saw it
    height: int
    png_base64: str  # that image with what counted lit up

    @property
    def png(self) -> bytes:
        return b64decode(self.png_base64)
