"""In step 5: the run as a web page, to keep, to put on a host, or to open on phones by a link.

Flow:  a press --service.take_home.begin_page--> WebPageView --web_page_panel--> HTML, two downloads
       another --service.following--> key --link_card--> QR code, link, Stop sharing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
import htpy as h

from headswap.app.service.exports import WebPageView
from headswap.app.ui.context import PageParts, Updates, owner_of
from headswap.app.ui.steps.file_panel import TICK_S, connect_panel, download, framed, show_progress
from headswap.app.ui.widgets.errors import error_html, errors_as_text
from headswap.app.ui.widgets.html import fragment, web_text
from headswap.app.ui.widgets.qr import link_card, page_url

INTRODUCTION = h.fragment[
    h.h2["Or as a web page"],
    h.p(".hs-soft.reading")[
        "One file that opens in any browser, on a phone too, with the camera and without a connection. It "
        "says what this page says, and tries itself when it is opened. None of your pictures is in it."
    ],
]
OPENED = h.fragment[
    h.b["Phones that open this can use and keep the network."], " No log-in; none of your pictures is in it."
]
CAMERA = h.p(".hs-note")[
    "Browsers lend the camera to https addresses only: start headswap with a certificate, or put the page on "
    "a web host. Elsewhere a phone takes a picture instead."
]


@dataclass(frozen=True)
class WebPageParts:
    """The components of the panel."""

    panel: gr.HTML
    link: gr.HTML
    page: gr.DownloadButton
    site: gr.DownloadButton
    status: gr.HTML
    timer: gr.Timer

    @property
    def outputs(self) -> list[object]:
        return [self.panel, self.link, self.page, self.site, self.status, self.timer]


def build_web_page() -> WebPageParts:
    """Lay out the panel."""
    script = web_text("copy.js") + web_text("web_page.js")
    with gr.Column(elem_classes="hs-section web-page-part"):
        panel = fragment(name="hs-web-page", script=script)
        with gr.Row(elem_classes="hs-row"):
            page = gr.DownloadButton("Download the page", visible=False, elem_id="hs-page-file")
            site = gr.DownloadButton("Download for a web host", visible=False, elem_id="hs-site-file")
        link = fragment(name="hs-page-link", script=script)
        status = fragment(classes="status")
    return WebPageParts(panel, link, page, site, status, gr.Timer(TICK_S, active=False))


def show_web_page(parts: WebPageParts, view: WebPageView | None, link: h.Node = None) -> Updates:
    """How far it is, or what there is to take; None: no run has a result."""
    return {
        parts.panel: web_page_panel(view) if view else None,
        parts.link: link,
        **download(parts.page, view.page if view else None),
        **download(parts.site, view.site if view else None),
        **show_progress(parts, view),
    }


def web_page_panel(view: WebPageView) -> h.Renderable:
    """What it is, and the button that makes it."""
    make = h.button(".btn", type="button", data_do="make")["Make the web page"]
    if view.state == "packing":
        return framed("packing")[
            INTRODUCTION,
            h.p(".live", role="status")["The web page is being made and tried. It takes some seconds."],
        ]
    if view.state == "ready":
        return framed("ready")[
            INTRODUCTION,
            h.div(".hs-row")[h.button(".btn", type="button", data_do="share")["Open it on phones"]],
            CAMERA,
        ]
    problem = error_html(view.problem, view.remedy) if view.state == "failed" else None
    return framed(view.state)[INTRODUCTION, problem, make]


def on_web_page(parts: WebPageParts, page: PageParts, job: str, tab: str, request: gr.Request) -> Updates:
    """Another run, or step 5 is opened: what there is of it."""
    if not job or tab != "home":
        return show_web_page(parts, None)
    return _shown(parts, page, job, request)


def _shown(parts: WebPageParts, page: PageParts, job: str, request: gr.Request, here: str = "") -> Updates:
    service, owner = page.service, owner_of(request)
    view = service.take_home.page_view(owner, job)
    key = service.following.job_share_key(owner, job, "page") if here and view.state == "ready" else ""
    card = link_card(page_url(here, key), stop="unshare", text=OPENED) if key else None
    return show_web_page(parts, view, card)


def on_press(
    parts: WebPageParts, page: PageParts, job: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """One of the buttons."""
    service, owner = page.service, owner_of(request)
    here = str(event.here)
    if event.chosen == "make":
        service.take_home.begin_page(owner, job)
    elif event.chosen == "share":
        service.following.share_job(owner, job, "page")
    elif event.chosen == "unshare":
        service.following.unshare_job(owner, job, "page")
    return _shown(parts, page, job, request, here)


def on_web_page_tick(parts: WebPageParts, page: PageParts, job: str, request: gr.Request) -> Updates:
    """While it is made: how far it is."""
    return _shown(parts, page, job, request)


def connect_web_page(parts: WebPageParts, page: PageParts, done_job: gr.Textbox) -> Callable[..., Updates]:
    """Connect the panel; gives what draws it when step 5 is opened or another run has a result."""
    connect_panel(parts, page, done_job, on_press, on_web_page_tick, pressed=(parts.panel, parts.link))
    return errors_as_text(parts.status)(on_web_page, parts, page)
