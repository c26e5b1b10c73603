"""A figure in numbers: bars or curves, with their intervals. Drawn by `headswap.plots.draw`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headswap.field_types import keys_on_disk

Tone = Literal["right", "wrong", "plain"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a figure."""

    __pydantic_config__ = keys_on_disk(text="words")

    text: str
    value: float  # in units of the figure's `top`
    said: str  # the number as people read it
    tone: Tone = "plain"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a figure."""

    __pydantic_config__ = keys_on_disk(text="words")

    text: str
    points: tuple[tuple[float, float], ...]
    tone: Tone = "plain"
    low: tuple[float, ...] = ()  # parallel to `points`; a whisker at each
    high: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Bars or curves, never both."""

    __pydantic_config__ = keys_on_disk(text="words")

    text: str  # says the same to someone who cannot see it
    top: float = 1.0  # where the axis ends
    bars: tuple[Bar, ...] = ()
    curves: tuple[Curve, ...] = ()
    across: str = ""  # what the axis to the right counts
    is_share: bool = True  # whether values are shares of 1
