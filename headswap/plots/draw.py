"""A figure as an inline SVG, for the page, for a phone, for a notebook and for paper alike.

Flow:  Figure --draw--> <svg>

Colours are the page's own where it has them, and stand on their own elsewhere. Lines and bars
differ by more than colour: what is wrong is a dashed line or an empty bar, and all are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

from headswap.plots.figure import Bar, Curve, Figure
from headswap.plots.svg import shape, written

_INK, _MUTE, _GRID = "var(--hs-ink, #1b1a17)", "var(--hs-ink-2, #57534b)", "var(--hs-line, #e2ded6)"
_ACCENT, _BAD, _PLAIN = "var(--hs-accent, #1d46c9)", "var(--hs-bad, #a32015)", "var(--hs-ink-2, #57534b)"
_COLOURS = {"right": _ACCENT, "wrong": _BAD, "plain": _PLAIN}


@dataclass(frozen=True)
class FigureLayout:
    """Where things lie, in the units of one drawing."""

    name: str
    width: int
    row: int  # height that one bar takes
    bars: tuple[int, int]  # where bars begin, and where one of the full length ends
    frame: tuple[int, int, int, int]  # left, right, top and bottom of what curves are drawn in
    names_above: bool  # the names of bars above them, those of curves below the frame


WIDE = FigureLayout("wide", 700, 46, (250, 560), (48, 536, 16, 236), names_above=False)
NARROW = FigureLayout("narrow", 320, 58, (4, 214), (40, 312, 12, 190), names_above=True)


def draw(figure: Figure, layout: FigureLayout = WIDE) -> str:
    """Draw bars or curves; the alternative text says the same in words."""
    return written(drawn(figure, layout))


def drawn(figure: Figure, layout: FigureLayout = WIDE) -> Element:
    """The same, to be put into something else."""
    if figure.curves:
        below = 30 + (22 * len(figure.curves) if layout.names_above else 0)
        height, inside = layout.frame[3] + below + 14, _curves(figure, layout)
    else:
        height, inside = 8 + layout.row * len(figure.bars), _bars(figure, layout)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": f"chart lesson {layout.name}",
        "viewBox": f"0 0 {layout.width} {height}",
        "role": "img",
        "aria-label": figure.text,
        "style": f"width:100%;max-width:{layout.width}px;height:auto",
        "font-family": "system-ui, sans-serif",
        "font-size": "14",
    }
    return shape("svg", attributes, inside=tuple(inside))


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = _INK, bold: bool = False
) -> Element:
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "style": f"fill:{fill}"}
    if bold:
        attributes |= {"style": f"fill:{fill};font-weight:600", "font-weight": "600"}
    return shape("text", attributes, text)


def _path(d: str, style: str) -> Element:
    return shape("path", {"d": d, "style": style})


def _bars(figure: Figure, layout: FigureLayout) -> list[Element]:
    left, _ = layout.bars
    parts = []
    if not layout.names_above:
        parts.append(_path(f"M{left} 4V{4 + layout.row * len(figure.bars)}", f"stroke:{_GRID}"))
    for row, bar in enumerate(figure.bars):
        parts += _bar(bar, figure.top, layout, 8 + row * layout.row)
    return parts


def _bar(bar: Bar, top: float, layout: FigureLayout, y: float) -> list[Element]:
    left, right = layout.bars
    colour = _COLOURS[bar.tone]
    width = max(0.0, min(1.0, bar.value / top)) * (right - left)
    fill = "none" if bar.tone == "wrong" else colour
    at = y + (22 if layout.names_above else 6)  # upper edge of the bar
    attributes: dict[str, str | int] = {
        "x": left, "y": f"{at:.1f}", "width": f"{max(width, 1.5):.1f}", "height": 22, "rx": 2,
        "style": f"fill:{fill};stroke:{colour};stroke-width:1.5",
    }  # fmt: skip
    drawn = [shape("rect", attributes)]
    if bar.low is not None and bar.high is not None:
        low, high = (left + min(1.0, end / top) * (right - left) for end in (bar.low, bar.high))
        whisker = f"M{low:.1f} {at + 11:.1f}H{high:.1f}" + "".join(
            f"M{x:.1f} {at + 6:.1f}v10" for x in (low, high)
        )
        drawn.append(_path(whisker, "fill:none;stroke:var(--hs-surface, #fff);stroke-width:5"))
        drawn.append(_path(whisker, f"fill:none;stroke:{_INK};stroke-width:2"))
        width = max(width, high - left)
    if layout.names_above:
        name = _text(left, y + 14, bar.text, fill=_MUTE)
    else:
        name = _text(left - 14, at + 16, bar.text, anchor="end")
    return [name, *drawn, _text(left + width + 12, at + 16, bar.said, bold=True)]


def _curves(figure: Figure, layout: FigureLayout) -> list[Element]:
    left, right, upper, lower = layout.frame
    ends = [x for curve in figure.curves for x, _ in curve.points]
    first, last = min(ends), max(ends)

    def scaled(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = (x - first) / (last - first) if last > first else 0.5
        return left + across * (right - left), lower - min(1.0, y / figure.top) * (lower - upper)

    parts = _axes(figure, layout, first, last)
    for curve in figure.curves:
        parts.append(_line(curve, [scaled(point) for point in curve.points]))
        whiskers = zip(curve.points, curve.low, curve.high, strict=True) if curve.low else ()
        for (x, _), low, high in whiskers:
            (at, bottom), (_, top) = scaled((x, low)), scaled((x, high))
            parts.append(_path(f"M{at:.1f} {bottom:.1f}V{top:.1f}", f"stroke:{_INK};stroke-width:1.5"))
    if layout.names_above:
        return [*parts, *_legend(figure, layout)]
    heights = _apart([scaled(curve.points[-1])[1] for curve in figure.curves], lower + 6)
    for curve, height in zip(figure.curves, heights, strict=True):
        parts.append(_text(right + 14, height + 5, curve.text, fill=_COLOURS[curve.tone], bold=True))
    return parts


def _axes(figure: Figure, layout: FigureLayout, first: float, last: float) -> list[Element]:
    left, right, upper, lower = layout.frame
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = lower - share * (lower - upper)
        label = f"{share * figure.top * 100:.0f} %" if figure.is_share else f"{share * figure.top:.3g}"
        parts.append(_path(f"M{left} {y:.1f}H{right}", f"stroke:{_GRID}"))
        parts.append(_text(left - 8, y + 5, label, anchor="end", fill=_MUTE))
    below = (
        (left, f"{first:g}", "middle"), (right, f"{last:g}", "end"),
        ((left + right) / 2, figure.across, "middle"),
    )  # fmt: skip
    return parts + [_text(x, lower + 26, text, anchor=anchor, fill=_MUTE) for x, text, anchor in below]


def _legend(figure: Figure, layout: FigureLayout) -> list[Element]:
    """The names of the curves one below the other, each with a piece of its line."""
    left, lower = layout.frame[0], layout.frame[3]
    parts = []
    for row, curve in enumerate(figure.curves):
        y = lower + 54 + 22 * row
        parts.append(_line(curve, [(4, y - 5), (left - 6, y - 5)]))
        parts.append(_text(left, y, curve.text, fill=_COLOURS[curve.tone], bold=True))
    return parts


def _line(curve: Curve, points: list[tuple[float, float]]) -> Element:
    coordinates = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = {"right": "", "wrong": ";stroke-dasharray:6 4", "plain": ";stroke-dasharray:2 3"}[curve.tone]
    style = f"fill:none;stroke:{_COLOURS[curve.tone]};stroke-width:2.5{dash}"
    return shape("polyline", {"points": coordinates, "style": style})


def _apart(heights: list[float], most: float, least: float = 20.0) -> list[float]:
    """The same heights, moved down where names would lie on one another; none below `most`."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + least)
    over = max(placed, default=0.0) - most
    return [height - max(0.0, over) for height in placed]
