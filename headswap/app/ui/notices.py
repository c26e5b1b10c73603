"""What stands above the steps where a class leans on this machine: in clear or not, and the way out.

Flow:  Settings --build_notices--> a callout and a link, or nothing at all for one person

Without TLS everything can be read on the way, codes too, and a browser gives no camera to such a page: what
would open one is hidden, wherever it stands.
"""

from __future__ import annotations

from headswap.app.service.settings import Settings
from headswap.app.ui.widgets.html import fragment
from headswap.app.ui.widgets.icons import icon

IN_CLEAR = (
    f'<div class="callout warn notice" role="note">{icon("warn")}<p>'
    "<b>This page is not protected on its way to you.</b> Others in this network can read codes and "
    "pictures, and the camera is off. Whoever runs it can add a certificate.</p></div>"
    "<style>.notice{margin:12px var(--hs-edge) 0 !important}.tile:has(.open-camera),.open-camera,"
    "[data-camera],.livecam,#hs-live-camera{display:none!important}</style>"
)
LOG_OUT = (
    '<p class="hs-note notice"><a href="logout">Log out</a> when others use this computer too.</p>'
    "<style>.notice{margin:12px var(--hs-edge) 0 !important}</style>"
)


def build_notices(settings: Settings) -> None:
    """Lay out what has to be said, if anything."""
    if not settings.protected:
        fragment(IN_CLEAR, classes="hs-wrap", name="hs-in-clear")
    if settings.has_codes:
        fragment(LOG_OUT, classes="hs-wrap", name="hs-logout")
