"""Where it looked: a picture with what counted lit up, on demand.

Flow:  HeatMap --heat_figure--> HTML
"""

from __future__ import annotations

from headswap.app.ui.widgets.text import image_uri, safe
from headswap.bundle.prediction import HeatMap
from headswap.evaluation.report import Report, TestAnswer

LOOKED_AT = 3  # exam pictures whose maps are drawn
INVITATION = '<p class="hs-soft">A map lights up what counted in a picture. It takes a moment.</p>'


def heat_figure(heat: HeatMap, words: str = "") -> str:
    """One picture, dim where nothing counted; `words` say more and are harmless in HTML."""
    says = f"where it looked to say {safe(heat.label)}: the bright patch counted most"
    return (
        f'<figure class="heat"><span class="plate dark"><img src="{image_uri(heat.png, "png")}" '
        f'alt="{says}"></span><figcaption class="hs-note"><b>{safe(heat.label)}</b>{words}</figcaption>'
        "</figure>"
    )


def heat_row(figures: tuple[str, ...]) -> str:
    """A few of them side by side."""
    return f'<p class="hs-soft">The bright patch counted most.</p><div class="three">{"".join(figures)}</div>'


def looked_at(report: Report) -> tuple[TestAnswer, ...]:
    """The hardest of all, and the surest ones of other classes."""
    worst = report.hardest[:1]
    surest = sorted(report.answers, key=lambda answer: -answer.sure)
    kinds = {answer.label: answer for answer in reversed(surest) if answer not in worst}
    others = sorted(kinds.values(), key=lambda answer: -answer.sure)
    return (*worst, *others)[:LOOKED_AT]
