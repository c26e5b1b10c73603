"""What a person should be asked about images that no one has sorted: rows of a data set. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlikeGroup:
    """Images that may be labelled with one press, the most typical or surest first."""

    rows: tuple[int, ...]
    label: int | None = None  # what the head says they are; None: nothing is known of them


@dataclass(frozen=True)
class LabelAdvice:
    """What to ask next."""

    questions: tuple[int, ...]  # rows, the most telling first
    groups: tuple[AlikeGroup, ...]  # those that the head names, then others, the tightest first
