"""Accuracy against speed, as an inline SVG: each network a dot with the range its true figure lies in.

Colours are the page's own where there is a page, and plain ones in a file. Up and left is
better, which the drawing says; a dot's words are read out by a screen reader.

Pure text: knows no networks and no files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_INK, _SOFT, _LINE = "var(--hs-ink, #1b1a17)", "var(--hs-ink-2, #4f4b44)", "var(--hs-line, #e2ddd1)"
_ACCENT, _GROUND = "var(--hs-accent, #1d46c9)", "var(--hs-surface, #ffffff)"
_LETTER = 7.2  # px of one letter of a name, about
_LINE_HEIGHT = 16


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One network."""

    name: str
    ms: float  # one prediction; above 0
    accuracy: float  # in [0, 1]
    low: float  # where the true share probably lies
    high: float


@dataclass(frozen=True)
class _Box:
    """A place that is taken, by its middle."""

    x: float
    y: float
    half_width: float
    half_height: float

    def covers(self, other: _Box) -> bool:
        return (
            abs(self.x - other.x) < self.half_width + other.half_width
            and abs(self.y - other.y) < self.half_height + other.half_height
        )


@dataclass(frozen=True)
class _Frame:
    width: int
    height: int
    kind: str  # class of the style sheet
    least_ms: float
    most_ms: float
    least: float  # share at the foot

    left, right, top, foot = 56, 30, 34, 58

    def x(self, ms: float) -> float:
        """Equal steps are equal factors: twice as slow is as far at either end."""
        part = math.log(ms / self.least_ms) / math.log(self.most_ms / self.least_ms)
        return self.left + (self.width - self.left - self.right) * part

    def y(self, share: float) -> float:
        high, low = self.top, self.height - self.foot
        return low - (low - high) * (share - self.least) / (1 - self.least)

    def holds(self, box: _Box) -> bool:
        """Whether a box lies inside the axes, give or take the margin at the right."""
        across = box.x - box.half_width >= self.left and box.x + box.half_width <= self.width - 4
        return across and self.top <= box.y <= self.height - self.foot - 4


def scatter(dots: Sequence[Dot], *, narrow: bool = False) -> str:
    """One drawing, 728 px wide or, for a phone, 320; nothing to draw is an empty text."""
    dots = sorted((dot for dot in dots if dot.ms > 0), key=lambda dot: (dot.ms, dot.name))
    if not dots:
        return ""
    least = min(0.9, math.floor(10 * min(dot.low for dot in dots)) / 10)
    speeds = [dot.ms for dot in dots]
    width, height, kind = (320, 320, "narrow") if narrow else (728, 360, "wide")
    frame = _Frame(width, height, kind, _below(min(speeds)), _above(max(speeds)), least)
    words = "; ".join(f"{dot.name} {_percent(dot.accuracy)} in {_time(dot.ms)}" for dot in dots)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart {frame.kind}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13" fill="{_SOFT}" '
        f'aria-label="Accuracy against time for one prediction: {escape(words, quote=True)}.">'
        f"{_axes(frame)}{''.join(_whisker(frame, dot) for dot in dots)}"
        f"{''.join(_point(frame, dot) for dot in dots)}{_names(frame, dots)}</svg>"
    )


def svg_file(dots: Sequence[Dot], title: str) -> str:
    """The same as a file of its own, on paper."""
    drawn = scatter(dots)
    ground = f'<rect width="728" height="360" fill="#ffffff"/><title>{escape(title)}</title>'
    at = drawn.find(">") + 1
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawn[:at]}{ground}{drawn[at:]}\n'


def _axes(frame: _Frame) -> str:
    right, low = frame.width - frame.right, frame.height - frame.foot
    steps = 4 if frame.least <= 0.6 else 2
    shares = [frame.least + (1 - frame.least) * number / steps for number in range(steps + 1)]
    across = "".join(
        f'<path d="M{frame.left} {frame.y(share):.1f}H{right}" stroke="{_LINE}"/>'
        f'<text x="{frame.left - 10}" y="{frame.y(share) + 4.5:.1f}" text-anchor="end">'
        f"{'100 %' if share > 0.999 else f'{100 * share:.3g}'}</text>"
        for share in shares
    )
    ticks = "".join(
        f'<text x="{frame.x(ms):.1f}" y="{low + 22}" text-anchor="middle">{_time(ms)}</text>'
        for ms in _ticks(frame)
    )
    return (
        f'{across}{ticks}<text x="{frame.left}" y="18">right answers</text>'
        f'<text x="{right}" y="{low + 44}" text-anchor="end">time for one prediction</text>'
        f'<text x="{frame.left}" y="{low + 44}">← faster</text>'
    )


def _ticks(frame: _Frame) -> list[float]:
    found = [
        step * 10.0**power
        for power in range(-2, 6)
        for step in (1, 2, 5)
        if frame.least_ms <= step * 10.0**power <= frame.most_ms
    ]
    return (
        found if len(found) <= (4 if frame.kind == "narrow" else 8) else found[:: math.ceil(len(found) / 4)]
    )


def _whisker(frame: _Frame, dot: Dot) -> str:
    x, high, low = frame.x(dot.ms), frame.y(min(1.0, dot.high)), frame.y(max(frame.least, dot.low))
    return (
        f'<path d="M{x:.1f} {high:.1f}V{low:.1f}M{x - 5:.1f} {high:.1f}h10M{x - 5:.1f} {low:.1f}h10" '
        f'stroke="{_ACCENT}" stroke-width="1.5" fill="none" opacity=".55"/>'
    )


def _point(frame: _Frame, dot: Dot) -> str:
    at = f'cx="{frame.x(dot.ms):.1f}" cy="{frame.y(dot.accuracy):.1f}"'
    return f'<circle {at} r="5.5" fill="{_ACCENT}" stroke="{_GROUND}" stroke-width="2"/>'


def _names(frame: _Frame, dots: Sequence[Dot]) -> str:
    """Each name beside its dot, where it covers neither a dot nor another name."""
    taken = [_Box(frame.x(dot.ms), frame.y(dot.accuracy), 9, 9) for dot in dots]
    drawn = ""
    for number, dot in enumerate(dots):
        name = dot.name if len(dot.name) <= 28 else dot.name[:27] + "…"
        half = _LETTER * len(name) / 2
        x, y = frame.x(dot.ms), frame.y(dot.accuracy)
        places = [
            _Box(x + side * (half + 12), y + away, half, _LINE_HEIGHT / 2)
            for away in (0, *(sign * step * _LINE_HEIGHT for step in range(1, 9) for sign in (-1, 1)))
            for side in (1, -1, 0)
            if away or side
        ]
        others = [box for other, box in enumerate(taken) if other != number]
        free = [box for box in places if frame.holds(box) and not any(map(box.covers, others))]
        inside = free or [box for box in places if frame.holds(box)] or places
        taken.append(inside[0])
        drawn += (
            f'<text x="{inside[0].x:.1f}" y="{inside[0].y + 4.5:.1f}" text-anchor="middle" '
            f'paint-order="stroke" stroke="{_GROUND}" stroke-width="4" '
            f'style="fill:{_INK};font-weight:600">{escape(name)}</text>'
        )
    return drawn


def _below(ms: float) -> float:
    return max(f for f in _rounds() if f <= ms * 0.9)


def _above(ms: float) -> float:
    return min(f for f in _rounds() if f >= ms * 1.1)


def _rounds() -> list[float]:
    return [step * 10.0**power for power in range(-4, 8) for step in (1, 2, 5)]


def _time(ms: float) -> str:
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
