"""A figure as an inline SVG, for the page, for a notebook and for paper alike.

Flow:  Figure --draw--> <svg>;  Result --as_html--> sentences and drawing

Colours are the page's own where it has them, and stand on their own elsewhere. Lines and bars
differ by more than colour: what is wrong is a dashed line or an empty bar, and all are named.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise

from headswap.lessons.lesson import Bar, Curve, Figure, Result

_INK, _MUTE, _GRID = "var(--hs-ink, #1b1a17)", "var(--hs-ink-2, #57534b)", "var(--hs-line, #e2ded6)"
_ACCENT, _BAD, _PLAIN = "var(--hs-accent, #1d46c9)", "var(--hs-bad, #a32015)", "var(--hs-ink-2, #57534b)"
_COLOURS = {"right": _ACCENT, "wrong": _BAD, "plain": _PLAIN}
_WIDTH, _ROW = 700, 46
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 520, 16, 236  # of the frame that curves are drawn in


def draw(figure: Figure) -> str:
    """Draw bars or curves; the alternative text says the same in words."""
    if figure.curves:
        height, inside = 280, _curves(figure)
    else:
        height, inside = 8 + _ROW * len(figure.bars), _bars(figure)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart lesson" viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{escape(figure.words)}" '
        f'style="width:100%;max-width:{_WIDTH}px;height:auto" font-family="system-ui, sans-serif" '
        f'font-size="14">{inside}</svg>'
    )


def as_html(result: Result) -> str:
    """What a run gave: what happened, the drawing, and where the numbers come from."""
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in result.sentences)
    texts = "".join(f'<pre style="white-space:pre-wrap">{escape(text)}</pre>' for text in result.texts)
    origin = f"{result.pictures} pictures of {result.data}, {result.model}, {result.seconds:.1f} s"
    return f"<div>{sentences}{draw(result.figure)}{texts}<p><small>{escape(origin)}</small></p></div>"


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", fill: str = _INK, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{fill}"{weight}>'
        f"{escape(words)}</text>"
    )


def _bars(figure: Figure) -> str:
    left, right = 292, 560
    parts = [f'<path d="M{left} 4V{4 + _ROW * len(figure.bars)}" style="stroke:{_GRID}"/>']
    for row, bar in enumerate(figure.bars):
        parts.append(_bar(bar, figure.top, left, right, 8 + row * _ROW))
    return "".join(parts)


def _bar(bar: Bar, top: float, left: int, right: int, y: float) -> str:
    colour = _COLOURS[bar.tone]
    width = max(0.0, min(1.0, bar.value / top)) * (right - left)
    fill = "none" if bar.tone == "wrong" else colour
    drawn = (
        f'<rect x="{left}" y="{y + 6:.1f}" width="{max(width, 1.5):.1f}" height="22" '
        f'style="fill:{fill};stroke:{colour};stroke-width:1.5"/>'
    )
    if bar.low is not None and bar.high is not None:
        low, high = (left + min(1.0, end / top) * (right - left) for end in (bar.low, bar.high))
        drawn += f'<path d="M{low:.1f} {y + 17:.1f}H{high:.1f}" style="stroke:{_INK};stroke-width:2"/>'
        drawn += "".join(
            f'<path d="M{x:.1f} {y + 12:.1f}v10" style="stroke:{_INK};stroke-width:2"/>' for x in (low, high)
        )
        width = max(width, high - left)
    return (
        _text(left - 12, y + 22, bar.words, anchor="end")
        + drawn
        + _text(left + width + 12, y + 22, bar.said, bold=True)
    )


def _curves(figure: Figure) -> str:
    ends = [x for curve in figure.curves for x, _ in curve.points]
    first, last = min(ends), max(ends)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = (x - first) / (last - first) if last > first else 0.5
        return _LEFT + across * (_RIGHT - _LEFT), _BOTTOM - min(1.0, y / figure.top) * (_BOTTOM - _TOP)

    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _BOTTOM - share * (_BOTTOM - _TOP)
        label = f"{share * figure.top * 100:.0f} %" if figure.is_share else f"{share * figure.top:.3g}"
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" style="stroke:{_GRID}"/>')
        parts.append(_text(_LEFT - 8, y + 5, label, anchor="end", fill=_MUTE))
    parts.append(_text(_LEFT, _BOTTOM + 26, f"{first:g}", anchor="middle", fill=_MUTE))
    parts.append(_text(_RIGHT, _BOTTOM + 26, f"{last:g}", anchor="middle", fill=_MUTE))
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 26, figure.across, anchor="middle", fill=_MUTE))
    heights = _apart([place(curve.points[-1])[1] for curve in figure.curves])
    for curve, height in zip(figure.curves, heights, strict=True):
        points = [place(point) for point in curve.points]
        parts.append(_line(curve, points))
        whiskers = zip(curve.points, curve.low, curve.high, strict=True) if curve.low else ()
        for (x, _), low, high in whiskers:
            (at, bottom), (_, top) = place((x, low)), place((x, high))
            parts.append(
                f'<path d="M{at:.1f} {bottom:.1f}V{top:.1f}" style="stroke:{_INK};stroke-width:1.5"/>'
            )
        parts.append(_text(_RIGHT + 14, height + 5, curve.words, fill=_COLOURS[curve.tone], bold=True))
    return "".join(parts)


def _line(curve: Curve, points: list[tuple[float, float]]) -> str:
    where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = {"right": "", "wrong": ";stroke-dasharray:5 5", "plain": ";stroke-dasharray:2 3"}[curve.tone]
    style = f"fill:none;stroke:{_COLOURS[curve.tone]};stroke-width:2.5{dash}"
    return f'<polyline points="{where}" style="{style}"/>'


def _apart(heights: list[float], least: float = 20.0) -> list[float]:
    """The same heights, moved down where names would lie on one another."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + least)
    over = max(placed, default=0.0) - (_BOTTOM + 6)
    return [height - max(0.0, over) for height in placed]
