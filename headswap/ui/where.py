"""Where it looked: a picture with what counted lit up, on demand.

Flow:  HeatMap --heat_figure--> HTML
"""

from __future__ import annotations

from headswap.artefacts.prediction import HeatMap
from headswap.ui.words import picture_uri, safe

INVITATION = '<p class="hs-soft">A map lights up what counted in a picture. It takes a moment.</p>'


def heat_figure(heat: HeatMap, words: str = "") -> str:
    """One picture, dim where nothing counted; `words` say more and are harmless in HTML."""
    says = f"where it looked to say {safe(heat.label)}: the bright patch counted most"
    return (
        f'<figure class="heat"><span class="plate dark"><img src="{picture_uri(heat.png, "png")}" '
        f'alt="{says}"></span><figcaption class="hs-note"><b>{safe(heat.label)}</b>{words}</figcaption>'
        "</figure>"
    )


def heat_row(figures: tuple[str, ...]) -> str:
    """A few of them side by side."""
    return f'<p class="hs-soft">The bright patch counted most.</p><div class="three">{"".join(figures)}</div>'
