"""A card of the expert corner: the reason, the lines, and the verbs that do it.

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.ui.lessons.code import shell_lines, sides
from headswap.app.ui.lessons.terms import ExplainedTerms
from headswap.app.ui.widgets.text import safe
from headswap.lessons.expert_cards import ExpertCard


def card_heading(card: ExpertCard) -> str:
    """The title of a card."""
    return (
        f'<div class="lesson-head"><h2 class="hs-title">{safe(card.title)}</h2>'
        '<span class="hs-note">a card to read; nothing is run</span></div>'
    )


def card_body(card: ExpertCard) -> str:
    """Everything on one card."""
    words = ExplainedTerms(card.terms)
    return (
        f'<div class="card-body"><div class="reasons">{words.paragraphs(card.why)}</div>{words.rest()}'
        f"{sides(card.code)}<h3>headswap does it</h3>{shell_lines(card.verbs)}</div>"
    )
