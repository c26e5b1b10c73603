"""Line icons and small marks: inline SVG that takes the colour of the text around it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import htpy as h
from markupsafe import Markup

from headswap.app.ui.widgets.term_drawings import drawing_of
from headswap.lessons.glossary import term_of

SHAPES = {
    "check": Markup('<path d="m4 10.5 4 4 8-9"/>'),
    "cross": Markup('<path d="m5 5 10 10M15 5 5 15"/>'),
    "good": Markup('<circle cx="10" cy="10" r="7.5"/><path d="m6.5 10.3 2.4 2.4 4.7-5"/>'),
    "fetch": Markup('<path d="M10 3v10M5.5 9 10 13.5 14.5 9M4 17h12"/>'),
    "absent": Markup('<circle cx="10" cy="10" r="7.5"/><path d="M6 14 14 6"/>'),
    "info": Markup('<circle cx="10" cy="10" r="7.5"/><path d="M10 9v5M10 6.3v.1"/>'),
    "warn": Markup('<path d="M10 2.8 18 16.6H2Z"/><path d="M10 8v4M10 14.4v.1"/>'),
    "lock": Markup(
        '<rect x="4" y="9" width="12" height="8" rx="1.5"/><path d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9"/>'
    ),
    "scissors": Markup(
        '<circle cx="5.5" cy="5.5" r="2.2"/><circle cx="5.5" cy="14.5" r="2.2"/>'
        '<path d="m7.5 6.8 9 8.2M7.5 13.2l9-8.2"/>'
    ),
    "sprout": Markup(
        '<path d="M10 17V9M10 11C10 7.5 7 6 3.5 6 3.5 9.5 6.5 11 10 11ZM10 9c0-3.5 2.5-5.5 6.5-5.5'
        'C16.5 7 14 9 10 9Z"/>'
    ),
    "folder": Markup('<path d="M2.5 5.5h5l2 2h8v9h-15Z"/>'),
    "plus": Markup('<path d="M10 4v12M4 10h12"/>'),
    "camera": Markup('<path d="M2.5 6.5H6l1.5-2h5l1.5 2h3.5v9h-15Z"/><circle cx="10" cy="10.7" r="2.8"/>'),
    "more": Markup('<path d="M4.5 10h.1M10 10h.1M15.5 10h.1" stroke-width="3"/>'),
    "undo": Markup('<path d="M7 4 3 8l4 4M3.5 8H12a4.5 4.5 0 0 1 0 9H7"/>'),
    "eye": Markup(
        '<path d="M1.8 10S5 4.5 10 4.5 18.2 10 18.2 10 15 15.5 10 15.5 1.8 10 1.8 10Z"/>'
        '<circle cx="10" cy="10" r="2.4"/>'
    ),
    "book": Markup(
        '<path d="M10 5C8 3.7 5.5 3.5 2.5 3.5v11.5c3 0 5.5.3 7.5 1.5 2-1.2 4.5-1.5 7.5-1.5V3.5C14.5 3.5'
        ' 12 3.7 10 5Zm0 0v11.5"/>'
    ),
}

MARK = Markup(
    '<svg viewBox="0 0 28 28" aria-hidden="true"><path d="M3 15.5a11 11 0 0 0 22 0Z" fill="currentColor"/>'
    '<path d="M6 12.5a11 11 0 0 1 22 0Z" transform="translate(-2.2 -1)" fill="none" stroke="var(--hs-accent)"'
    ' stroke-width="2.2" stroke-linejoin="round"/></svg>'
)


@cache
def icon(name: str, tone: str = "") -> Markup:
    """One icon; `tone` is good, warn or bad. Always stands next to a word. A grid has thousands of them."""
    return h.svg(class_=["hs-i", tone], viewBox="0 0 20 20", aria_hidden="true")[SHAPES[name]].__html__()


@cache
def term(word: str) -> Markup:
    """The `?` behind a word of the glossary: a drawing and a sentence, then what the field calls it."""
    one = term_of(word)
    says = f"The field says: {one.field}"
    return h.button(".q", type="button", aria_label=f"{one.word}? {one.sentence} {says}.")[
        h.i["?"],
        h.span(".tip", aria_hidden="true")[drawing_of(word), h.b[one.sentence], h.em[says]],
    ].__html__()


def plate(uri: str, alt: str) -> h.Renderable:
    """A picture on a light ground, also in the dark: black drawings would vanish."""
    if not uri:
        return h.span(class_="plate gone", role="img", aria_label=f"{alt}, not kept")
    return h.span(class_="plate")[h.img(src=uri, alt=alt)]


def moment(at_s: float) -> h.Renderable:
    """When something was, in UTC; times.js says it in the person's own time."""
    at = datetime.fromtimestamp(at_s, UTC)
    return h.time(datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")[f"{at:%d %b, %H:%M} UTC"]
