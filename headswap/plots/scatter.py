"""Accuracy against speed, as an inline SVG: each network a dot with the range its true figure lies in.

Colours are the page's own where there is a page, and plain ones in a file. Up and left is
better, which the drawing says; a dot's words are read out by a screen reader.

Knows no networks and no files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from headswap.plots.svg import shape, written

_INK, _SOFT, _LINE = "var(--hs-ink, #1b1a17)", "var(--hs-ink-2, #4f4b44)", "var(--hs-line, #e2ddd1)"
_ACCENT, _GROUND = "var(--hs-accent, #1d46c9)", "var(--hs-surface, #ffffff)"
_LETTER = 7.2  # px of one letter of a name, about
_LINE_HEIGHT = 16


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One network."""

    name: str
    ms: float  # one prediction; above 0
    accuracy: float  # or another figure, in [0, 1]
    low: float  # where the true share probably lies
    high: float


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the height of a dot is."""

    title: str  # at the axis
    subject: str  # begins the words for a screen reader
    is_percent: bool = True

    def written(self, share: float) -> str:
        return f"{100 * share:.0f} %" if self.is_percent else f"{share:.2f}"

    def tick(self, share: float) -> str:
        if not self.is_percent:
            return f"{share:.3g}"
        return "100 %" if share > 0.999 else f"{100 * share:.3g}"


ACCURACY = Scale(title="right answers", subject="Accuracy")


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

    left, right, top, bottom = 56, 30, 34, 58

    def x(self, ms: float) -> float:
        """Equal steps are equal factors: twice as slow is as far at either end."""
        part = math.log(ms / self.least_ms) / math.log(self.most_ms / self.least_ms)
        return self.left + (self.width - self.left - self.right) * part

    def y(self, share: float) -> float:
        high, low = self.top, self.height - self.bottom
        return low - (low - high) * (share - self.least) / (1 - self.least)

    def holds(self, box: _Box) -> bool:
        """Whether a box lies inside the axes, give or take the margin at the right."""
        across = box.x - box.half_width >= self.left and box.x + box.half_width <= self.width - 4
        return across and self.top <= box.y <= self.height - self.bottom - 4


def scatter(dots: Sequence[Dot], scale: Scale = ACCURACY, *, narrow: bool = False) -> str:
    """One drawing, 728 px wide or, for a phone, 320; nothing to draw is an empty text."""
    drawn = _drawing(dots, scale, narrow=narrow)
    return "" if drawn is None else written(drawn)


def svg_file(dots: Sequence[Dot], title: str, scale: Scale = ACCURACY) -> str:
    """The same as a file of its own, on paper."""
    drawn = _drawing(dots, scale, narrow=False)
    svg = ""
    if drawn is not None:
        drawn.insert(0, shape("rect", {"width": 728, "height": 360, "fill": "#ffffff"}))
        drawn.insert(1, shape("title", {}, title))
        svg = written(drawn)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'


def _drawing(dots: Sequence[Dot], scale: Scale, *, narrow: bool) -> Element | None:
    dots = sorted((dot for dot in dots if dot.ms > 0), key=lambda dot: (dot.ms, dot.name))
    if not dots:
        return None
    least = min(0.9, math.floor(10 * min(dot.low for dot in dots)) / 10)
    speeds = [dot.ms for dot in dots]
    width, height, kind = (320, 320, "narrow") if narrow else (728, 360, "wide")
    frame = _Frame(width, height, kind, _below(min(speeds)), _above(max(speeds)), least)
    summary = "; ".join(f"{dot.name} {scale.written(dot.accuracy)} in {_time(dot.ms)}" for dot in dots)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": f"chart {frame.kind}",
        "viewBox": f"0 0 {width} {height}",
        "role": "img",
        "font-family": "system-ui, sans-serif",
        "font-size": "13",
        "fill": _SOFT,
        "aria-label": f"{scale.subject} against time for one prediction: {summary}.",
    }
    whiskers, points = [_whisker(frame, dot) for dot in dots], [_point(frame, dot) for dot in dots]
    return shape("svg", attributes, inside=(*_axes(frame, scale), *whiskers, *points, *_names(frame, dots)))


def _axes(frame: _Frame, scale: Scale) -> list[Element]:
    right, low = frame.width - frame.right, frame.height - frame.bottom
    steps = 4 if frame.least <= 0.6 else 2
    shares = [frame.least + (1 - frame.least) * number / steps for number in range(steps + 1)]
    drawn = []
    for share in shares:
        y, label = frame.y(share), scale.tick(share)
        drawn.append(shape("path", {"d": f"M{frame.left} {y:.1f}H{right}", "stroke": _LINE}))
        drawn.append(_label(frame.left - 10, f"{y + 4.5:.1f}", label, anchor="end"))
    drawn += [_label(f"{frame.x(ms):.1f}", low + 22, _time(ms), anchor="middle") for ms in _ticks(frame)]
    return [
        *drawn,
        _label(frame.left, 18, scale.title),
        _label(right, low + 44, "time for one prediction", anchor="end"),
        _label(frame.left, low + 44, "← faster"),
    ]


def _label(x: str | int, y: str | int, text: str, *, anchor: str = "") -> Element:
    return shape("text", {"x": x, "y": y} | ({"text-anchor": anchor} if anchor else {}), text)


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


def _whisker(frame: _Frame, dot: Dot) -> Element:
    x, high, low = frame.x(dot.ms), frame.y(min(1.0, dot.high)), frame.y(max(frame.least, dot.low))
    stroke = f"M{x:.1f} {high:.1f}V{low:.1f}M{x - 5:.1f} {high:.1f}h10M{x - 5:.1f} {low:.1f}h10"
    attributes = {"stroke": _ACCENT, "stroke-width": "1.5", "fill": "none", "opacity": ".55"}
    return shape("path", {"d": stroke} | attributes)


def _point(frame: _Frame, dot: Dot) -> Element:
    at = {"cx": f"{frame.x(dot.ms):.1f}", "cy": f"{frame.y(dot.accuracy):.1f}"}
    return shape("circle", at | {"r": "5.5", "fill": _ACCENT, "stroke": _GROUND, "stroke-width": "2"})


def _names(frame: _Frame, dots: Sequence[Dot]) -> list[Element]:
    """Each name next to its dot, where it covers neither a dot nor another name."""
    taken = [_Box(frame.x(dot.ms), frame.y(dot.accuracy), 9, 9) for dot in dots]
    drawn = []
    for number, dot in enumerate(dots):
        name = dot.name if len(dot.name) <= 28 else dot.name[:27] + "…"
        half = _LETTER * len(name) / 2
        x, y = frame.x(dot.ms), frame.y(dot.accuracy)
        boxes = [
            _Box(x + side * (half + 12), y + away, half, _LINE_HEIGHT / 2)
            for away in (0, *(sign * step * _LINE_HEIGHT for step in range(1, 9) for sign in (-1, 1)))
            for side in (1, -1, 0)
            if away or side
        ]
        others = [box for other, box in enumerate(taken) if other != number]
        free = [box for box in boxes if frame.holds(box) and not any(map(box.covers, others))]
        inside = free or [box for box in boxes if frame.holds(box)] or boxes
        taken.append(inside[0])
        attributes = {
            "x": f"{inside[0].x:.1f}", "y": f"{inside[0].y + 4.5:.1f}", "text-anchor": "middle",
            "paint-order": "stroke", "stroke": _GROUND, "stroke-width": "4",
            "style": f"fill:{_INK};font-weight:600",
        }  # fmt: skip
        drawn.append(shape("text", attributes, name))
    return drawn


def _below(ms: float) -> float:
    return max(f for f in _rounds() if f <= ms * 0.9)


def _above(ms: float) -> float:
    return min(f for f in _rounds() if f >= ms * 1.1)


def _rounds() -> list[float]:
    return [step * 10.0**power for power in range(-4, 8) for step in (1, 2, 5)]


def _time(ms: float) -> str:
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"
