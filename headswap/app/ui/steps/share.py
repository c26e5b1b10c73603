"""Let others follow one run on their phones: a link to watch, taken back at will.

Flow:  a press --service.following--> key --link_card--> QR code, link, Stop sharing
"""

from __future__ import annotations

import gradio as gr
import htpy as h

from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.app.ui.widgets.qr import link_card

OFFER = h.button(".link", type="button", data_do="share")["Let others follow this run on their phones"]


def build_share() -> gr.HTML:
    """Lay out the offer; empty while there is no run."""
    return fragment(classes="hs-share", name="hs-share", script=web_text("copy.js") + web_text("share.js"))


def show_share(panel: gr.HTML, scene: PageContext) -> Updates:
    """The offer, closed: the link is shown to anyone who presses it, and is the same again."""
    return {panel: OFFER if scene.job else None}


def connect_share(panel: gr.HTML, status: gr.HTML, key: gr.Textbox, shared: PageParts) -> None:
    """Connect the buttons; another run closes the card of the one before."""
    following = shared.service.following

    @errors_as_text(status)
    def on_share(project_id: str, event: gr.EventData, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        job = scene.project.job or ""
        if event.chosen == "unshare":
            following.unshare_job(scene.owner, job)
            return show_share(panel, scene)
        opened = following.share_job(scene.owner, job)
        return {panel: link_card(str(event.here), opened, stop="unshare")}

    @errors_as_text(status, clears=False)
    def on_other_run(project_id: str, request: gr.Request) -> Updates:
        return show_share(panel, shared.look(project_id, request))

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    panel.click(on_share, shared.project_id, [panel, status], queue=False, trigger_mode="once", **quiet)
    key.change(on_other_run, shared.project_id, [panel, status], queue=False, **quiet)
