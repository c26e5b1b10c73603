"""Whether enough classes can be read, and if not, why most of the files were left out."""

from __future__ import annotations

import re
from collections import Counter

from headswap.data.decode import shown_name
from headswap.data.layout import is_image_name
from headswap.data.manifest import SkippedFile
from headswap.errors import TooFewImages


def check_enough(name: str, classes: tuple[str, ...], left_out: list[SkippedFile], min_classes: int) -> None:
    """Refuse when too few classes can be read, with the main reason.

    Raises:
        TooFewImages: fewer classes with readable images than `min_classes`.
    """
    if len(classes) >= min_classes and (classes or not min_classes):
        return
    why = f" ({_mostly_because(left_out)})" if left_out else ""
    seen = f"Only pictures of {classes[0]} can" if classes else f"No picture of {name} can"
    raise TooFewImages(
        f"{seen} be read{why}.",
        remedy="Give pictures of at least two classes as JPEG or PNG.",
    )


def _mostly_because(left_out: list[SkippedFile]) -> str:
    """How many files were left out, and why most of the images among them were; notes count last."""
    if len(left_out) == 1:
        return f"1 file left out: {left_out[0].reason}"
    like_images = [left for left in left_out if is_image_name(left.file)] or left_out
    kinds = Counter(_without_name(left) for left in like_images)
    main = max(like_images, key=lambda left: kinds[_without_name(left)])
    return f"{len(left_out)} files left out, most for this reason: {main.reason}"


def _without_name(left: SkippedFile) -> str:
    """A reason without the name and the figures of its file: the same words for the same trouble."""
    name = shown_name(left.file.rsplit("/", 1)[-1])
    return re.sub(r"\d+", "0", left.reason.replace(name, ""))
