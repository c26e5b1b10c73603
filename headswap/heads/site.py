"""Where the classifier head of a network is, and how that is known.

Records only; importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AnswerKind = Literal["logits", "probabilities", "log-probabilities", "independent probabilities"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A layer that could be taken for the head and is not, with the reason."""

    path: str
    kind: str
    shape: tuple[int, ...]  # of its weight
    reason: str


Layout = Literal["NCHW", "NHWC", "NTC"]  # of what a block gives: maps, maps with channels last, tokens


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A block whose output a wide head reads: mean and spread of each channel over all positions."""

    path: str  # of the block, in the network that was widened
    layout: Layout
    channels: int
    mean: bool = True  # False: the last features are this mean already

    @property
    def width(self) -> int:
        """How many features it gives."""
        return self.channels * (2 if self.mean else 1)


@dataclass(frozen=True, kw_only=True)
class HeadSite:
    """Every path to be replaced, and the evidence.

    `paths`, `kinds` and `in_features` are parallel: one entry per head that the network
    uses when it predicts. `aux_*` are heads that only speak while it is trained.
    A path ends in a parameter's name when the head is a bare `nn.Parameter`.
    """

    paths: tuple[str, ...]
    kinds: tuple[str, ...]  # class name of each module ("Linear", "Conv2d", "Parameter", ...)
    in_features: tuple[int, ...]
    num_classes: int
    input_size: tuple[int, int, int]  # (channels, height, width) it was found with
    aux_paths: tuple[str, ...] = ()
    aux_kinds: tuple[str, ...] = ()
    aux_in_features: tuple[int, ...] = ()
    out_features: tuple[
        int, ...
    ] = ()  # parallel to `paths`; differs where a network answers several questions
    tail_paths: tuple[str, ...] = ()  # norm, scale or bias after the head that is resized with it
    outputs: tuple[str, ...] = ("",)  # where the answers lie in what the network gives; "": the answer itself
    aux_outputs: tuple[str, ...] = ()  # where auxiliary answers lie in what it gives in training mode
    answer_kind: AnswerKind = "logits"  # what the numbers are: some networks end in a softmax of their own
    evidence: tuple[str, ...] = ()  # sentences for people, in the order of the search
    candidates: tuple[Candidate, ...] = ()
    metadata: str = ""  # what the library says of its head
    metadata_agrees: bool | None = None  # None: the library says nothing
    new_head: bool = False  # the network had no head of its own when it was pretrained
    # blocks that a wide head reads in addition to the last features; (): a plain head
    taps: tuple[Tap, ...] = ()

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Heads and auxiliary heads."""
        return self.paths + self.aux_paths

    @property
    def last_features(self) -> slice:
        """Which of the features side by side are the last ones, that a plain head reads."""
        return slice(sum(tap.width for tap in self.taps), sum(self.in_features))

    @property
    def words(self) -> str:
        """Names what the head reads: a key for features on disk and for what was measured with them."""
        return ",".join((*self.paths, *(f"{tap.path}:{tap.width}" for tap in self.taps)))
