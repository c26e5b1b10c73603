"""How images are prepared for the network: cut or whole, flipped too or not. Cross-validation chooses.

Flow:  usual features + TrainingTask --choose_preprocessing--> ChosenPreprocessing: features,
           input and words of the best

The usual way resizes the shorter side and cuts the middle out, so of an oblong image the ends
are never seen. Squashing shows all of it in other proportions. Which is better depends on the
images and on nothing else that is known beforehand: squashing gained 7 and 19 points on two
sets of seven and lost 5 on a third (docs/decisions/0007-views.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from headswap.events import Event, Listener, Note, Progress
from headswap.features.autotune import extractor_for
from headswap.features.bank import FeatureBank, fill_bank
from headswap.features.engines import engine_named
from headswap.heads.site import HeadSite
from headswap.network import CropMode, InputSpec, Network
from headswap.training.finetune.compare import OUT_OF_FOLD, FinetuneGain, compare, leaves_room, score_held_out

if TYPE_CHECKING:
    from headswap.training.task import TrainingTask

Solve = Callable[[Tensor], Tensor | None]  # (N, D) features of all images -> (P, C) out-of-fold logits
_MORE_PASSES = 2  # over all images, in addition to the usual one
_MEASURED = 16  # images
_TEXTS: dict[CropMode, str] = {
    "crop": "The middle of each picture is cut out",
    "squash": "Whole pictures are shown, squashed into the frame",
    "border": "Whole pictures are shown, with a border",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenPreprocessing:
    """The preprocessing that was chosen."""

    spec: InputSpec
    flip: bool
    bank: FeatureBank
    text: str  # what was chosen and why, for people


def choose_preprocessing(
    task: TrainingTask,
    network: Network,
    site: HeadSite,
    usual: FeatureBank,
    *,
    labels: Tensor,
    solve: Solve,
    listener: Listener,
) -> ChosenPreprocessing:
    """Try other ways of preparing the images, and keep the one that the training part speaks for.

    Another crop mode, and flipped images in addition, must each lower the loss by more than its standard
    error. Where next to nothing is wrong, nothing is tried.

    Args:
        task: images, folders, time.
        network: as its makers showed it images.
        site: of its head.
        usual: features of that preprocessing.
        labels: (P,) of the training images.
        solve: cross-validates a head on the training rows of some features.
        listener: hears Progress("views").
    """
    other_views = _OtherViews(task, network, site, usual, listener)
    before = solve(usual.features)
    unchanged = ChosenPreprocessing(spec=network.input, flip=False, bank=usual, text="")
    if before is None or not leaves_room(before, labels) or not other_views.has_time():
        return unchanged
    own = network.input
    other = own.fitted("crop" if own.crop_mode == "squash" else "squash")
    spec, plain = own, usual.features
    seen = other_views.at(other)
    fits = _gain(before, solve(seen), labels)
    if fits is not None and fits.is_clear():
        spec, plain = other, seen
    mean = (plain + other_views.at(spec, flipped=True)) / 2
    flips = _gain(solve(plain), solve(mean), labels)
    flip = flips is not None and flips.is_clear()
    text = _choice_text(fits if spec is other else None, flips if flip else None, spec)
    if text:
        listener(Note(text))
    other_views.over()
    features = mean if flip else plain
    bank = FeatureBank(features=features, engine=usual.engine, computed=usual.computed)
    return ChosenPreprocessing(spec=spec, flip=flip, bank=bank, text=text)


class _OtherViews:
    """Runs the backbone over all images once more, prepared in another way."""

    def __init__(
        self, task: TrainingTask, network: Network, site: HeadSite, usual: FeatureBank, listener: Listener
    ) -> None:
        self.task, self.network, self.site, self.listener = task, network, site, listener
        self.engine, self.done, self.count = engine_named(usual.engine), 0, len(usual.features)

    def at(self, spec: InputSpec, *, flipped: bool = False) -> Tensor:
        """(N, D) features of all images."""
        task, network = self.task, self.network.seeing(spec)
        bank = fill_bank(
            extractor_for(network, self.site, task.features_folder, self.engine, flipped=flipped),
            [image.sha256 for image in task.manifest.images],
            task.stored(network),
            folder=task.features_folder,
            batch_size=task.config.batch_size,
            listener=self._tell,
        )
        self.done += self.count
        return bank.features

    def has_time(self) -> bool:
        """Whether a time budget leaves half of itself to what comes after."""
        task = self.task
        if not task.budget.is_limited:
            return True
        few = task.manifest.images[:_MEASURED]
        extractor = extractor_for(self.network, self.site, task.features_folder, self.engine)
        begin = time.perf_counter()
        extractor.features(np.stack([task.prepared(image, self.network) for image in few]))
        needed = _MORE_PASSES * self.count * (time.perf_counter() - begin) / len(few)
        return needed < task.budget.left_s / 2

    def over(self) -> None:
        self.listener(Progress("views", self.done, self.done, unit="looks"))

    def _tell(self, event: Event) -> None:
        if isinstance(event, Progress):
            total = 2 * self.count
            event = Progress("views", min(self.done + event.done, total), total, unit="looks")
        self.listener(event)


def _gain(before: Tensor | None, after: Tensor | None, labels: Tensor) -> FinetuneGain | None:
    if before is None or after is None:
        return None
    return compare(score_held_out(before, labels), score_held_out(after, labels))


def _choice_text(fits: FinetuneGain | None, flips: FinetuneGain | None, spec: InputSpec) -> str:
    """One sentence about what was changed; empty when nothing was."""
    if fits is not None:
        also = ", and mirrored too" if flips is not None else ""
        last = flips or fits
        figures = replace(last, right_before=fits.right_before, precision_before=fits.precision_before).text(
            OUT_OF_FOLD, ", in the usual way"
        )
        return f"{_TEXTS[spec.crop_mode]}{also}: {figures}."
    if flips is not None:
        figures = flips.text(OUT_OF_FOLD, ", without them")
        return f"Mirrored pictures are looked at too: {figures}."
    return ""
