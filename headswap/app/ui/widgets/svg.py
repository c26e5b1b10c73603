"""The few strokes that the drawings share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import htpy as h

from headswap.app.ui.widgets.text import number, short

MOST_NAMES = 5  # of a new head; more are counted


@dataclass(frozen=True, kw_only=True)
class Lettering:
    """How a line of text looks."""

    size: int = 13
    weight: int = 400
    anchor: str = "start"
    tone: str = "ink"  # a class of the style sheet; mut: said aside
    struck: bool = False


PLAIN = Lettering()


def line_of_text(x: float, y: float, text: str, lettering: Lettering = PLAIN) -> h.Renderable:
    """One line of text."""
    return h.text(
        class_=lettering.tone,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        font_size=lettering.size,
        font_weight=lettering.weight,
        text_anchor=lettering.anchor,
        text_decoration="line-through" if lettering.struck else None,
    )[text]


def box(x: int, y: int, width: int, height: int, *, new: bool) -> h.Renderable:
    """The frame of a head: dashed for the old one, solid and tinted for the new."""
    return h.rect(class_="newbox" if new else "oldbox", x=x, y=y, width=width, height=height, rx=10)


def barcode(x: float, y: float, *, lines: int, pitch: float, upright: bool) -> h.Renderable:
    """Features as a row of strokes of fixed, uneven length: a picture turned into numbers."""
    strokes = []
    for i in range(lines):
        wave = 0.5 + 0.5 * math.sin(i * i * 1.7 + i)  # the same drawing every time
        length = 5 + 17 * wave
        at = y + pitch * i
        stroke = f"M{at:.1f} {x}v-{length:.1f}" if upright else f"M{x} {at:.1f}h{length:.1f}"
        strokes.append(h.path(d=stroke, opacity=f"{0.45 + 0.55 * wave:.2f}"))
    return h.g(stroke="var(--hs-ink)", stroke_width=2)[strokes]


def landscape(x: int, y: int, side: int, image: str) -> h.Renderable:
    """The picture that goes in: one of the person's own, or a drawn placeholder."""
    frame = h.rect(
        x=x, y=y, width=side, height=side, rx=8, fill="var(--hs-plate)", stroke="var(--hs-line-strong)"
    )
    if image:
        inner = side - 16
        return h.fragment[frame, h.image(href=image, x=x + 8, y=y + 8, width=inner, height=inner)]
    a, b, low = x + side * 0.14, x + side * 0.86, y + side * 0.78
    hills = (
        f"M{a:.1f} {low:.1f} L{x + side * 0.4:.1f} {y + side * 0.42:.1f} L{x + side * 0.57:.1f} "
        f"{y + side * 0.62:.1f} L{x + side * 0.68:.1f} {y + side * 0.52:.1f} L{b:.1f} {low:.1f}Z"
    )
    return h.fragment[
        frame,
        h.path(d=hills, fill="none", stroke="#67625a", stroke_width="1.6", stroke_linejoin="round"),
        h.circle(
            cx=f"{x + side * 0.68:.1f}", cy=f"{y + side * 0.3:.1f}", r=f"{side * 0.07:.1f}", fill="none",
            stroke="#67625a", stroke_width="1.6",
        ),
    ]  # fmt: skip


def names_down(
    classes: tuple[str, ...], x: float, top: float, bottom: float
) -> tuple[list[float], h.Renderable]:
    """The dots and names of the new head, spread between two heights; returns the heights of the dots too."""
    shown = classes[:MOST_NAMES]
    lines = [short(name) for name in shown]
    if len(classes) > MOST_NAMES:
        lines[-1] = f"… {number(len(classes))} names"
    if not classes:
        lines = ["your names"]
    step = min(30.0, (bottom - top) / max(1, len(lines) - 1))
    first = (top + bottom) / 2 - step * (len(lines) - 1) / 2
    heights = [first + step * i for i in range(len(lines))]
    attributes = {
        "r": "6.5", "fill": "var(--hs-accent)" if classes else "none", "stroke": "var(--hs-accent)",
        "stroke-width": "1.5",
    }  # fmt: skip
    drawn = [
        (
            h.circle({"cx": f"{x}", "cy": f"{y:.1f}"} | attributes),
            line_of_text(x + 18, y + 5, text, Lettering(size=16, weight=600)),
        )
        for y, text in zip(heights, lines, strict=True)
    ]
    return heights, h.fragment[drawn]
