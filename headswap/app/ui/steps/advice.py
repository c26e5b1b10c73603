"""What to do next: what the report advises, whether more pictures would help, and a button that does it.

Flow:  Report --advice--> HTML; its buttons send which way of teaching to set up, or which head to teach
"""

from __future__ import annotations

import htpy as h

from headswap.app.ui.widgets.depths import DEPTHS
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import percent, prose
from headswap.evaluation.report import Advice, AdviceCode, Report

_LEADS: dict[AdviceCode, str] = {
    "further": "What came of letting more of it move.",
    "head": "What the head reads.",
    "unlabeled": "Pictures without a label.",
    "view": "How the pictures are prepared.",
    "nothing-to-mend": "Well done.",
    "stop": "Well done.",
}


def advice(report: Report) -> h.Renderable | None:
    """What to try next, when there is something; `finetuning` stands first."""
    return h.fragment[[_callout(one) for one in report.advice if one.code != "further"]]


def finetuning(report: Report) -> h.Node:
    """What was tried beyond the head, what it brought, and what is kept: the first sentence of a result."""
    return [h.p[h.b[_lead(one)], " ", _said(one.sentence)] for one in report.advice if one.code == "further"]


def _callout(one: Advice) -> h.Renderable:
    warns = one.kind == "warning"
    return h.div(class_=["callout", "warn" if warns else "accent"])[
        icon("warn" if warns else "book"),
        h.p[
            h.b[_lead(one)],
            " ",
            _said(one.sentence),
            (" ", term("folds")) if "cross-validation" in one.sentence else None,
            _button(one),
        ],
    ]


def learning(report: Report) -> h.Renderable | None:
    """Whether more pictures would help, from what fewer would have given."""
    found = report.learning
    if found is None:
        return None
    fewer, more = found.fewer_right / found.total, found.more_right / found.total
    said = {
        "rising": "Yes, probably: it was still getting better.",
        "flat": "Hardly: fewer of them did as well. Other kinds of pictures may.",
        "unknown": "With so few pictures this cannot be told: chance explains the difference.",
    }[found.trend]
    rows = [
        h.li[
            h.span[f"{images} to practise on"],
            h.span(".meter", aria_hidden="true")[h.i(style=f"width:{100 * share:.0f}%")],
            h.span[percent(share)],
        ]
        for images, share in ((found.fewer, fewer), (found.more, more))
    ]
    return h.div(".hs-panel")[
        h.h2["Would more pictures help? ", term("fewer pictures")],
        h.p(".hs-soft")[said],
        h.ul(".trust")[rows],
    ]


def _lead(one: Advice) -> str:
    if one.code in _LEADS:
        return _LEADS[one.code]
    return "Take care." if one.kind == "warning" else "Worth trying."


def _said(sentence: str) -> str:
    """In the words of the page: there the depth is a choice with a name of its own."""
    return prose(sentence.replace("depth “auto”", f"“{DEPTHS['auto']}”"))


def _button(one: Advice) -> h.Node:
    if one.code == "head":
        other, reads = ("last", "the last layer") if one.figures.get("is_wide") else ("wide", "every layer")
        return " ", h.button(".link", type="button", data_way=f"head-{other}")[f"Teach again with {reads}"]
    if not one.moves_backbone:
        return None
    return " ", h.button(".link", type="button", data_way="auto")["Set it up in Teach"]
