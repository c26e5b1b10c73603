"""A link for phones: as a code to photograph, as text to type, as a button to copy.

Flow:  where phones find the page + key --link_card--> HTML

Pure text: no gradio, no service.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

import segno

from headswap.app.ui.lessons.code import copy_button
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import safe

_HERE = re.compile(r"https?://[\w.:\[\]/-]{1,200}")
_ONLY_HERE = ("localhost", "127.0.0.1", "::1")


def follow_url(here: str, key: str) -> str:
    """The address of the page for phones; `here` is what the browser says of itself, and is not trusted."""
    base = here if _HERE.fullmatch(here) else "/follow"
    return f"{base}?key={key}"


@lru_cache(maxsize=64)
def qr_code(text: str) -> str:
    """A QR code as inline SVG, black on white: a camera wants it so, also in the dark."""
    drawn: str = segno.make(text, error="m").svg_inline(border=3, omitsize=True, dark="#000", light="#fff")
    return drawn.replace("<svg ", '<svg role="img" aria-label="QR code of the link" ', 1)


def link_card(here: str, key: str, *, stop: str) -> str:
    """The code, the link, what it shows, and how to take it back; `stop` is the deed of that button."""
    url = follow_url(here, key)
    warning = ""
    if urlsplit(url).hostname in _ONLY_HERE:
        warning = (
            f'<p class="tag warn">{icon("warn")}<span>This page is open on this machine only. Start it '
            f"for a class "
            "(README), and phones will find it.</span></p>"
        )
    return (
        f'<div class="link-card"><div class="qr">{qr_code(url)}</div><div class="stack '
        f'tight"><p><b>Phones that '
        "open this may watch, and nothing else.</b> No log-in, no pictures, no names.</p>"
        f'<code class="url">{safe(url)}</code>{warning}<div class="hs-row">{copy_button(url, "the link")}'
        f'<button class="btn small" type="button" data-do="{stop}">Stop sharing</button></div></div></div>'
    )
