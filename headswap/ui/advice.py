"""What to do next: what the report advises, whether more pictures would help, and a button that does it.

Flow:  Report --advice--> HTML; its buttons send which way of teaching to set up
"""

from __future__ import annotations

from headswap.evaluation.advice import advises_to_move
from headswap.evaluation.report import Report
from headswap.ui.icons import icon, term
from headswap.ui.words import percent, prose


def advice(report: Report) -> str:
    """What to try next, when there is something."""
    return "".join(
        f'<div class="callout accent">{icon("book")}<p>{_lead(report, i)}{_said(sentence)}'
        f"{_button(sentence)}</p></div>"
        for i, sentence in enumerate(report.advice)
    )


def learning(report: Report) -> str:
    """Whether more pictures would help, from what fewer would have given."""
    found = report.learning
    if found is None:
        return ""
    fewer, more = found.fewer_right / found.total, found.more_right / found.total
    if found.gain >= 0.02:
        said = "Yes, probably: it was still getting better."
    elif found.gain <= -0.02:
        said = "Not these: with more of them it did no better."
    else:
        said = "Hardly: half of them did nearly as well. Other kinds of pictures would."
    rows = "".join(
        f'<li><span>{pictures} to practise on</span><span class="meter" aria-hidden="true">'
        f'<i style="width:{100 * share:.0f}%"></i></span><span>{percent(share)}</span></li>'
        for pictures, share in ((found.fewer, fewer), (found.more, more))
    )
    name = term("this comparison", "learning curve")
    return (
        f'<div class="hs-panel"><h2>Would more pictures help? {name}</h2>'
        f'<p class="hs-soft">{said}</p><ul class="trust">{rows}</ul></div>'
    )


def _lead(report: Report, i: int) -> str:
    if i == 0 and report.further is not None:
        return "<b>What came of going further.</b> "
    return "<b>Worth trying.</b> "


def _said(sentence: str) -> str:
    """In the words of the page: there the depth is a choice with a name of its own."""
    return prose(sentence.replace("depth “auto”", "“Let it choose”"))


def _button(sentence: str) -> str:
    if not advises_to_move(sentence):
        return ""
    return ' <button class="link" type="button" data-way="auto">Set it up in Teach</button>'
