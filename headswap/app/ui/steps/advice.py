"""What to do next: what the report advises, whether more pictures would help, and a button that does it.

Flow:  Report --advice--> HTML; its buttons send which way of teaching to set up
"""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import percent, prose
from headswap.evaluation.report import Advice, AdviceCode, Report

_LEADS: dict[AdviceCode, str] = {
    "further": "What came of going further.",
    "head": "What the head reads.",
    "view": "How the pictures are shown.",
    "nothing-to-mend": "Well done.",
    "stop": "Well done.",
}


def advice(report: Report) -> str:
    """What to try next, when there is something."""
    return "".join(
        f'<div class="callout {"warn" if one.kind == "warning" else "accent"}">'
        f"{icon('warn' if one.kind == 'warning' else 'book')}<p>{_lead(one)}{_said(one.sentence)}"
        f"{_button(one)}</p></div>"
        for one in report.advice
    )


def learning(report: Report) -> str:
    """Whether more pictures would help, from what fewer would have given."""
    found = report.learning
    if found is None:
        return ""
    fewer, more = found.fewer_right / found.total, found.more_right / found.total
    said = {
        "rising": "Yes, probably: it was still getting better.",
        "flat": "Hardly: fewer of them did as well. Other kinds of pictures may.",
        "unknown": "With so few pictures this cannot be told: chance explains the difference.",
    }[found.trend]
    rows = "".join(
        f'<li><span>{pictures} to practise on</span><span class="meter" aria-hidden="true">'
        f'<i style="width:{100 * share:.0f}%"></i></span><span>{percent(share)}</span></li>'
        for pictures, share in ((found.fewer, fewer), (found.more, more))
    )
    name = term("fewer pictures")
    return (
        f'<div class="hs-panel"><h2>Would more pictures help? {name}</h2>'
        f'<p class="hs-soft">{said}</p><ul class="trust">{rows}</ul></div>'
    )


def _lead(one: Advice) -> str:
    if one.code in _LEADS:
        return f"<b>{_LEADS[one.code]}</b> "
    return "<b>Take care.</b> " if one.kind == "warning" else "<b>Worth trying.</b> "


def _said(sentence: str) -> str:
    """In the words of the page: there the depth is a choice with a name of its own."""
    return prose(sentence.replace("depth “auto”", "“Try them for me”"))


def _button(one: Advice) -> str:
    if not one.moves_body:
        return ""
    return ' <button class="link" type="button" data-way="auto">Set it up in Teach</button>'
