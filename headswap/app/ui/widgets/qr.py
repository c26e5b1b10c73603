"""A link for phones: as a code to photograph, as text to type, as a button to copy.

Flow:  where phones find the page + key --link_card--> HTML

Elements only: no gradio, no service.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

import htpy as h
import segno
from markupsafe import Markup

from headswap.app.ui.lessons.code import copy_button
from headswap.app.ui.widgets.icons import icon

_HERE = re.compile(r"https?://[\w.:\[\]/-]{1,200}")
_ONLY_HERE = ("localhost", "127.0.0.1", "::1")
_ONLY_HERE_WARNING = h.p(".tag.warn")[
    icon("warn"),
    h.span["This page is open on this machine only. Start it for a class (README), and phones will find it."],
]


WATCH = h.fragment[
    h.b["Phones that open this may watch, and nothing else."], " No log-in, no pictures, no names."
]


def follow_url(here: str, key: str) -> str:
    """The address of the page for phones; `here` is what the browser says of itself, and is not trusted."""
    base = here if _HERE.fullmatch(here) else "/follow"
    return f"{base}?key={key}"


def page_url(here: str, key: str) -> str:
    """The address of a run's web page; `here` as in `follow_url`."""
    base = here if _HERE.fullmatch(here) else "/net"
    return f"{base}/{key}/"


@lru_cache(maxsize=64)
def qr_code(text: str) -> Markup:
    """A QR code as inline SVG, black on white: a camera wants it so, also in the dark."""
    drawn: str = segno.make(text, error="m").svg_inline(border=3, omitsize=True, dark="#000", light="#fff")
    return Markup(drawn.replace("<svg ", '<svg role="img" aria-label="QR code of the link" ', 1))


def link_card(url: str, *, stop: str, text: h.Node = WATCH) -> h.Renderable:
    """The code, the link, what it shows, and how to take it back; `stop` is the action of that button."""
    return h.div(".link-card")[
        h.div(".qr")[qr_code(url)],
        h.div(".stack.tight")[
            h.p[text],
            h.code(".url")[url],
            urlsplit(url).hostname in _ONLY_HERE and _ONLY_HERE_WARNING,
            h.div(".hs-row")[
                copy_button(url, "the link"),
                h.button(".btn.small", type="button", data_do=stop)["Stop sharing"],
            ],
        ],
    ]
