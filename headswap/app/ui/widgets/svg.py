"""The few strokes that the drawings share. Words given to `line_of_text` are harmless already."""

from __future__ import annotations

import math

from headswap.app.ui.widgets.text import number, short

MOST_NAMES = 5  # of a new head; more are counted


def line_of_text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    weight: int = 400,
    anchor: str = "start",
    mute: bool = False,
    struck: bool = False,
    tone: str = "",
) -> str:
    """One line of text; `mute` for what is said aside, `tone` for a class of the style sheet."""
    style = tone or ("mut" if mute else "ink")
    through = ' text-decoration="line-through"' if struck else ""
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}"{through}>{words}</text>'
    )


def box(x: float, y: float, width: float, height: float, *, new: bool) -> str:
    """The frame of a head: dashed for the old one, solid and tinted for the new."""
    kind = "newbox" if new else "oldbox"
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>'


def barcode(x: float, y: float, *, lines: int, pitch: float, upright: bool) -> str:
    """Features as a row of strokes of fixed, uneven length: a picture turned into numbers."""
    strokes = ""
    for i in range(lines):
        wave = 0.5 + 0.5 * math.sin(i * i * 1.7 + i)  # the same drawing every time
        length = 5 + 17 * wave
        at = y + pitch * i
        stroke = f"M{at:.1f} {x}v-{length:.1f}" if upright else f"M{x} {at:.1f}h{length:.1f}"
        strokes += f'<path d="{stroke}" opacity="{0.45 + 0.55 * wave:.2f}"/>'
    return f'<g stroke="var(--hs-ink)" stroke-width="2">{strokes}</g>'


def landscape(x: float, y: float, side: float, picture: str) -> str:
    """The picture that goes in: one of the person's own, or a drawn placeholder."""
    frame = (
        f'<rect x="{x}" y="{y}" width="{side}" height="{side}" rx="8" fill="var(--hs-plate)" '
        'stroke="var(--hs-line-strong)"/>'
    )
    if picture:
        inner = side - 16
        return frame + f'<image href="{picture}" x="{x + 8}" y="{y + 8}" width="{inner}" height="{inner}"/>'
    a, b, low = x + side * 0.14, x + side * 0.86, y + side * 0.78
    return frame + (
        f'<path d="M{a:.1f} {low:.1f} L{x + side * 0.4:.1f} {y + side * 0.42:.1f} L{x + side * 0.57:.1f} '
        f'{y + side * 0.62:.1f} L{x + side * 0.68:.1f} {y + side * 0.52:.1f} L{b:.1f} {low:.1f}Z" '
        'fill="none" '
        f'stroke="#67625a" stroke-width="1.6" stroke-linejoin="round"/>'
        f'<circle cx="{x + side * 0.68:.1f}" cy="{y + side * 0.3:.1f}" r="{side * 0.07:.1f}" fill="none" '
        'stroke="#67625a" stroke-width="1.6"/>'
    )


def names_down(classes: tuple[str, ...], x: float, top: float, bottom: float) -> tuple[list[float], str]:
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
    fill = "var(--hs-accent)" if classes else "none"
    drawn = "".join(
        f'<circle cx="{x}" cy="{y:.1f}" r="6.5" fill="{fill}" stroke="var(--hs-accent)" stroke-width="1.5"/>'
        + line_of_text(x + 18, y + 5, words, size=16, weight=600)
        for y, words in zip(heights, lines, strict=True)
    )
    return heights, drawn
