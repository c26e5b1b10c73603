"""A small drawing for each word of the glossary, 96 by 40, in the colour of the text around it.

Elements only; the sentence next to it says the same, so that screen readers miss nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import htpy as h

Strokes = tuple[h.Element, ...]


def _box(x: int, y: int, width: int, height: int, *, full: bool = False) -> Strokes:
    attributes = {"fill": "currentColor"} if full else {"fill": "none", "stroke": "currentColor"}
    return (h.rect(attributes, x=x, y=y, width=width, height=height, rx=2),)


def _line(path: str, *, dashed: bool = False) -> Strokes:
    return (h.path(d=path, fill="none", stroke="currentColor", stroke_dasharray="3 2" if dashed else None),)


def _text(x: int, y: int, text: str) -> Strokes:
    return (h.text(x=x, y=y, font_size=10, text_anchor="middle", fill="currentColor")[text],)


def _dots(*points: tuple[int, int]) -> Strokes:
    return tuple(h.circle(cx=x, cy=y, r=3, fill="currentColor") for x, y in points)


def _ring(x: int, y: int, radius: int) -> Strokes:
    return (h.circle(cx=x, cy=y, r=radius, fill="none", stroke="currentColor"),)


def _joined(drawings: Iterable[Strokes]) -> Strokes:
    return tuple(chain.from_iterable(drawings))


def _network(*full: int) -> Strokes:
    """Four blocks and a head, number 4; which of them are full."""
    blocks = _joined(_box(4 + 17 * at, 4 + 3 * at, 13, 32 - 6 * at, full=at in full) for at in range(4))
    return blocks + _box(74, 12, 8, 16, full=4 in full) + _line("M82 20h10")


def _bars(*heights: int, full: int = -1) -> Strokes:
    return _joined(_box(8 + 17 * at, 36 - h, 11, h, full=at == full) for at, h in enumerate(heights))


def _row(count: int, *full: int) -> Strokes:
    return _joined(_box(3 + 18 * at, 12, 15, 15, full=at in full) for at in range(count))


_AXES = _line("M8 4v30h84")
_CLIMB = "M8 32C26 12 44 10 90 8"
_SCREEN = _box(30, 6, 36, 28)
_DRAWINGS: dict[str, Strokes] = {
    "body": _network(0, 1, 2, 3),
    "head": _network(4),
    "helping head": _network(0, 1, 2, 3, 4) + _line("M44 34v4h10") + _box(54, 33, 8, 6),
    "features": _box(2, 8, 24, 24) + _line("M30 20h8") + _text(68, 24, "2 0 7 1 …"),
    "weights": _box(10, 4, 76, 32) + _text(48, 18, "0.3 −1.2") + _text(48, 30, "2.7 0.05"),
    "width": _network(0, 1, 2, 3) + _line("M70 4v32"),
    "score": _bars(10, 30, 14, 6, 8, full=1),
    "norm layer": _line("M4 30 12 8 20 34 28 4 36 28") + _line("M40 20h10") + _line("M54 22l8-6 8 8 8-8 8 6"),
    "training mode": _box(26, 10, 44, 20) + _dots((60, 20)),
    "practice": _row(5, 0, 1, 2, 3),
    "exam": _row(5, 4) + _line("M84 12V8a3 3 0 0 0-6 0v4"),
    "folds": _row(5, 2) + _line("M3 34h87", dashed=True),
    "changed copy": _line("M8 32 22 8 30 32Z") + _line("M40 20h10") + _line("M62 32 70 8 84 32Z"),
    "glasses": _ring(34, 20, 11) + _ring(62, 20, 11) + _line("M45 20h6M23 18l-12-4M73 18l12-4"),
    "picture size": _box(6, 6, 28, 28) + _line("M40 20h10") + _box(60, 13, 14, 14)
    + _line("M60 33h14m-14-2v4m14-4v4"),
    "what may move": _network(3, 4) + _line("M53 2v36", dashed=True),
    "swapped colours": _dots((26, 12), (70, 28)) + _ring(26, 28, 3) + _ring(70, 12, 3)
    + _line("M34 12l28 16M34 28l28-16"),
    "new camera, new light": _box(6, 6, 36, 28) + _box(54, 6, 36, 28, full=True),
    "label with help": _row(5, 1) + _text(65, 24, "?") + _line("M10 33h20"),
    "saved weights": _box(34, 4, 28, 32) + _line("M40 4v10h16V4M40 24h16"),
    "record": _box(30, 3, 36, 34) + _line("M36 11h24M36 18h24M36 25h16"),
    "fingerprint": _box(6, 6, 24, 28) + _line("M36 20h10") + _text(72, 24, "3f9a…"),
    "wide head": _joined(_box(4 + 18 * x, 4, 12, 18) for x in range(4))
    + _line("M10 22L78 34M28 22l50 12M46 22l32 12M64 22l14 12")
    + _box(76, 30, 16, 8, full=True),
    "pass": _row(5) + _line("M6 34h80l-5-4m5 4-5 4"),
    "batch": _row(5, 0, 1) + _line("M1 8h38v23H1Z", dashed=True),
    "loss": _AXES + _line("M10 6C22 28 40 32 90 33"),
    "slope": _line("M6 6C20 40 60 40 90 10") + _dots((24, 24)) + _line("M28 28l10 5m-5-1 5 1-2-4"),
    "step size": _line("M6 30h84M14 26q13-18 26 0M40 26q13-18 26 0") + _dots((14, 30), (40, 30), (66, 30)),
    "steps that get smaller towards the picture": _bars(4, 8, 14, 22, 32, full=4),
    "settings": _line("M8 10h80M8 20h80M8 30h80") + _dots((30, 10), (66, 20), (44, 30)),
    "number for chance": _box(32, 6, 28, 28) + _dots((40, 14), (52, 26), (46, 20)),
    "cluster": _box(38, 2, 20, 12, full=True) + _line("M44 14L22 26M48 14v12M52 14L74 26")
    + _box(12, 26, 20, 12) + _box(38, 26, 20, 12) + _box(64, 26, 20, 12),
    "time budget": _ring(48, 20, 15) + _line("M48 10v10l8 5"),
    "from nothing": _network() + _text(40, 24, "?"),
    "learn by heart": _row(5, 0, 2, 3) + _line("M3 34h87"),
    "gap": _AXES + _line("M8 30C20 8 40 8 88 7M8 32C24 22 44 22 88 22") + _line("M84 8v13", dashed=True),
    "whisker": _box(20, 14, 40, 14, full=True) + _line("M50 21h24M74 16v10M50 16v10"),
    "sure": _box(6, 14, 84, 12) + _box(6, 14, 74, 12, full=True),
    "range": _line("M6 26h84M6 22v8M90 22v8") + _box(44, 16, 34, 20) + _dots((61, 26)),
    "always the same": _row(5, 0, 1, 2, 3, 4) + _text(48, 38, "= = = = ="),
    "more than chance": _row(5, 0, 3) + _line("M10 6l-4 4m4-4 4 4M64 10l-4-4m4 4 4-4"),
    "doubt": _box(8, 6, 30, 28) + _line("M48 20h8") + _text(76, 24, "? ?"),
    "unlike": _dots((14, 14), (22, 26), (30, 16), (38, 24)) + _ring(26, 20, 18) + _dots((80, 20)),
    "found": _row(5, 0, 1, 2) + _line("M1 8h91v23H1Z", dashed=True),
    "right when said": _row(5, 0, 1) + _line("M1 8h56v23H1Z", dashed=True),
    "average precision": _AXES + _line("M8 8h46c20 2 30 12 34 24"),
    "said from": _line("M6 24h84") + _line("M56 8v28", dashed=True) + _dots((68, 24), (82, 24)),
    "grid": _joined(_box(30 + 12 * x, 3 + 12 * y, 10, 10, full=x == y) for x in range(3) for y in range(3)),
    "where it looked": _SCREEN + _ring(54, 16, 6) + _dots((54, 16)),
    "fewer pictures": _AXES + _line(_CLIMB) + _dots((26, 17), (50, 10), (88, 8)),
}  # fmt: skip


def drawing_of(word: str) -> h.Renderable:
    """The drawing of a word of the glossary; hidden from screen readers, for whom the sentence is."""
    return h.svg(viewBox="0 0 96 40", width=96, height=40, aria_hidden="true")[_DRAWINGS[word]]
