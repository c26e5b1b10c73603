"""Let others follow one run on their phones: a link to watch, taken back at will.

Flow:  a press --service.following--> key --link_card--> QR code, link, Stop sharing
"""

from __future__ import annotations

import gradio as gr
import htpy as h

from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.app.ui.widgets.qr import follow_url, link_card

OFFER = h.button(".link", type="button", data_do="share")["Let others follow this run on their phones"]


def build_share() -> gr.HTML:
    """Lay out the offer; empty while there is no run."""
    return fragment(classes="hs-share", name="hs-share", script=web_text("copy.js") + web_text("share.js"))


def show_share(panel: gr.HTML, context: PageContext) -> Updates:
    """The offer, closed: the link is shown to anyone who presses it, and is the same again."""
    return {panel: OFFER if context.job else None}


def on_share(
    panel: gr.HTML, page: PageParts, project_id: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """The link is shown, or taken back."""
    context, following = page.context_of(project_id, request), page.service.following
    job = context.project.job or ""
    if event.chosen == "unshare":
        following.unshare_job(context.owner, job)
        return show_share(panel, context)
    opened = following.share_job(context.owner, job)
    return {panel: link_card(follow_url(str(event.here), opened), stop="unshare")}


def on_other_run(panel: gr.HTML, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Another run closes the card of the one before."""
    return show_share(panel, page.context_of(project_id, request))


def connect_share(panel: gr.HTML, status: gr.HTML, key: gr.Textbox, page: PageParts) -> None:
    """Connect the buttons."""
    share = errors_as_text(status)(on_share, panel, page)
    other = errors_as_text(status, clears=False)(on_other_run, panel, page)
    panel.click(share, page.project_id, [panel, status], queue=False, trigger_mode="once", **QUIET)
    key.change(other, page.project_id, [panel, status], queue=False, **QUIET)
