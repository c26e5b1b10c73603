"""What the new head reads: the last features, or every block of the network too. Cross-validation chooses.

Flow:  Network + Located --source_of--> FeatureSource: one pass gives the features of both heads
       features of all images --choose_head--> ChosenHead

The last features are the last columns of the wide ones, so both heads cost one pass. The wide one is taken
unless it is worse by more than twice the standard error, in the loss of the training images, each judged by a
head that never saw it, or in right answers: it is better on most sets, and a tie goes to it
(docs/decisions/0067-a-tie-goes-to-the-wide-head.md). With several labels for an image it must be clearly
better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from headswap.counted import counted
from headswap.errors import BadSetting
from headswap.evaluation.label_ranking import rank_labels
from headswap.heads.detect import Located
from headswap.heads.site import HeadSite, Tap
from headswap.heads.swap import SwapRecord
from headswap.heads.trainable import head_parameters
from headswap.heads.wide import MOST_FEATURES, NoBlocks, find_taps, widen
from headswap.network import Network
from headswap.training.config import HeadChoice, HeadKind
from headswap.training.finetune.compare import OUT_OF_FOLD, FinetuneGain, compare, score_held_out
from headswap.training.linear.heads import LinearHeads, can_hold
from headswap.training.linear.solver import MOST_IN_SPAN

MOST_NUMBERS = 2**28  # of wide features in all, 1 GB: with more images fewer blocks are read, or none


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureSource:
    """Where the features of a task come from, whichever head will read them."""

    located: Located  # the network's own head
    network: Network  # the network itself, or widened around it
    site: HeadSite  # where features are caught in it
    plain: Network  # the network itself

    @property
    def is_wide(self) -> bool:
        return bool(self.site.taps)

    @property
    def fits_linear_head(self) -> bool:
        """Whether some head that can be solved fits here; if not, it is trained by gradient."""
        own = self.located.site
        return self.is_wide or can_hold(self.plain.module, own, own.num_classes)

    def reads(self, kind: HeadKind) -> FeatureReading:
        """What a head of one kind reads, before any class is known."""
        if kind == "wide":
            return FeatureReading(network=self.network, site=self.site, columns=slice(None))
        columns = self.site.last_features if self.is_wide else slice(None)
        return FeatureReading(network=self.plain, site=self.located.site, columns=columns)

    def with_head(self, kind: HeadKind, record: SwapRecord) -> tuple[Network, HeadSite]:
        """The network with its new head, which replaces the old one or reads next to it."""
        if kind == "last":
            return self.plain, record.site
        with torch.no_grad():
            for value in head_parameters(self.plain, record.site):  # not used, and random otherwise
                value.zero_()
        return widen(self.plain, record.site, self.site.taps, record.site.num_classes)

    def seeing(self, network: Network) -> FeatureSource:
        """The same for images that are prepared in another way."""
        return FeatureSource(
            located=self.located,
            network=self.network.seeing(network.input),
            site=self.site,
            plain=self.plain.seeing(network.input),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureReading:
    """Which of the features a head reads, and in which network it stands."""

    network: Network
    site: HeadSite
    columns: slice  # of the features that the source gives


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenHead:
    """The head that was chosen."""

    kind: HeadKind
    heads: LinearHeads | None = None  # solved on the training images on the way; None: not yet
    text: str = ""  # what was compared and what came of it, for people
    guesses: int = 0  # images without a label that it was solved with
    guess_text: str = ""  # what came of these, for people; empty: there were none


def source_of(network: Network, located: Located, head: HeadChoice, images: int) -> FeatureSource:
    """Widen a network where its head may be wide; the network given is not changed.

    Args:
        network: loaded, with its own head.
        located: that head.
        head: what a person wants.
        images: how many there are, at most.

    Raises:
        NoBlocks: the head must be wide, and this network has no blocks that can be told apart.
        BadSetting: the head must be wide, and there are too many images even for two blocks.
    """
    plain = FeatureSource(located=located, network=network, site=located.site, plain=network)
    own = located.site
    if head == "last" or (head == "auto" and not can_hold(network.module, own, own.num_classes)):
        return plain
    try:
        taps = find_taps(network, own)
        room = most_features(images) - sum(own.in_features)
        if sum(tap.width for tap in taps) > room:
            taps = _within_budget(network, own, images)
    except (NoBlocks, BadSetting):
        if head == "wide":
            raise
        return plain
    wide, site = widen(network, own, taps)
    return FeatureSource(located=located, network=wide, site=site, plain=network)


def most_features(images: int) -> int:
    """How many features a wide head may read, last ones included: half as many for twice the images.

    The number of images is rounded up to a power of two, so that a few more or less, such as files that
    cannot be read, leave the head what it is.
    """
    return min(MOST_FEATURES, MOST_NUMBERS // (1 << max(0, images - 1).bit_length()))


def _within_budget(network: Network, site: HeadSite, images: int) -> tuple[Tap, ...]:
    """Fewer blocks of a network that has some, as many as the features of so many images leave room for."""
    try:
        return find_taps(network, site, most_features=most_features(images))
    except NoBlocks as error:
        raise BadSetting(
            f"Features for a wide head over {images} images would fill more than 1 GB.",
            remedy="Take fewer images, or the plain head: it needs a fraction of that.",
        ) from error


def choose_head(solve: Callable[[HeadKind], LinearHeads], labels: Tensor) -> ChosenHead:
    """Compare a plain and a wide head, image by image.

    Args:
        solve: solves a head of one kind on the training images.
        labels: (P,) of these; or (P, C) of 0 and 1, where they may have several.
    """
    last, wide = solve("last"), solve("wide")
    before, after = last.fold_logits, wide.fold_logits
    if before is None or after is None:
        return _uncompared(last, wide, labels)
    gain = _gain(before, after, labels)
    figures = f"{gain.text(OUT_OF_FOLD, ', with the last layer alone')}."
    if gain.is_clear():
        return ChosenHead(kind="wide", heads=wide, text=f"The new head reads every layer: {figures}")
    if _takes_wide(gain, labels):
        text = f"The new head reads every layer, best on most sets and not clearly worse here: {figures}"
        return ChosenHead(kind="wide", heads=wide, text=text)
    less = "not clearly better" if labels.ndim == 2 else "clearly less sure of the right class here"
    text = f"The new head reads the last layer. One that reads every layer is {less}: {figures}"
    return ChosenHead(kind="last", heads=last, text=text)


def choose_guesses(chosen: ChosenHead, guessed: ChosenHead, labels: Tensor) -> ChosenHead:
    """Compare a head with one that was also solved with guesses for images that have no label.

    The second is taken unless it is worse by more than twice its standard error: it is better on most sets,
    and on few images one standard error is crossed by chance (docs/decisions/0062-unlabeled-images.md).

    Args:
        chosen: solved on the training images that have a label.
        guessed: solved with so many others, of either kind.
        labels: (P,) of the training images.
    """
    others, were = counted(guessed.guesses, "picture"), "was" if guessed.guesses == 1 else "were"
    before, after = (one.heads.fold_logits if one.heads else None for one in (chosen, guessed))
    if before is None or after is None:
        text = f"The head also learned from its own guesses for {others} without a label: with so few "
        return replace(guessed, guess_text=f"{text}labels that is better on most sets.")
    gain = _gain(before, after, labels)
    figures = f"{gain.text(OUT_OF_FOLD, ', without them')}."
    if _is_worse(gain):
        text = f"{others} without a label did not help, and {were} left out: with guesses for them"
        return replace(chosen, guess_text=f"{text} {figures}")
    text = f"The head also learned from its own guesses for {others} without a label: with them {figures}"
    few = " On so few pictures that may be chance, and on most sets guesses help." if gain.right < 0 else ""
    return replace(guessed, guess_text=f"{text}{few}")


def mean_average_precision(logits: Tensor, labels: Tensor) -> float:
    """Over the labels that some image has, of (P, C) logits and (P, C) labels."""
    return rank_labels(logits.double().numpy(), labels.numpy()).value


def prefers_wide(last: Tensor, wide: Tensor, labels: Tensor) -> bool:
    """Whether the wide head is taken, by answers out of fold.

    Args:
        last, wide: (N, C) logits of both heads.
        labels: (N,); or (N, C) of 0 and 1: then mean average precision must rise too, and the loss of an
            image, over its labels together, must fall by more than its standard error.
    """
    return _takes_wide(_gain(last, wide, labels), labels)


def _takes_wide(gain: FinetuneGain, labels: Tensor) -> bool:
    return gain.is_clear() if labels.ndim == 2 else not _is_worse(gain)


def _is_worse(gain: FinetuneGain) -> bool:
    """By more than twice the standard error."""
    return gain.loss < -2 * gain.loss_error or gain.right < -2 * max(1.0, gain.right_error)


def _uncompared(last: LinearHeads, wide: LinearHeads, labels: Tensor) -> ChosenHead:
    """The head where images are too few for folds."""
    if labels.ndim == 2:  # it was not measured whether the wide one is better there
        return ChosenHead(kind="last", heads=last)
    text = "The new head reads every layer: with so few practice pictures that is better on most sets."
    return ChosenHead(kind="wide", heads=wide, text=text)


def check_solvable(*, fits: bool, is_multi_label: bool) -> None:
    """Refuse several labels per image where no linear head fits.

    Raises:
        BadSetting: such a head would be trained by gradient, which is for one class per image.
    """
    if is_multi_label and not fits:
        raise BadSetting(
            "These pictures have several labels each, and the head of this network is more than one linear "
            "layer.",
            remedy="Choose another network, such as the usual one.",
        )


def is_too_many(images: int, *, is_multi_label: bool) -> bool:
    """Whether solving a wide head would take minutes: each label's own, on more images than fit a span."""
    return is_multi_label and images > MOST_IN_SPAN


def _gain(last: Tensor, wide: Tensor, labels: Tensor) -> FinetuneGain:
    return compare(score_held_out(last, labels), score_held_out(wide, labels))
