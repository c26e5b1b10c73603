"""The shelf of the experiments: two groups, what is done, how far one is; and the bar with the next one.

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.lessons.lessons import CORNER, ORDER, PATH
from headswap.app.ui.lessons.code import shell_lines, sides
from headswap.app.ui.lessons.terms import ExplainedTerms
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import in_words
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.expert_cards import CARDS, ExpertCard


# A card of the expert corner: the reason, the lines, and the verbs that do it.
def card_heading(card: ExpertCard) -> h.Renderable:
    """The title of a card."""
    return h.div(".lesson-head")[
        h.h2(".hs-title")[card.title], h.span(".hs-note")["a card to read; nothing is run"]
    ]


def card_body(card: ExpertCard) -> h.Renderable:
    """Everything on one card."""
    terms = ExplainedTerms(card.terms)
    return h.div(".card-body")[
        h.div(".reasons")[terms.paragraphs(card.why)],
        terms.rest(),
        sides(card.code),
        h.h3["headswap does it"],
        shell_lines(card.verbs),
    ]


MINUTES_EACH = 20 / len(PATH)
TITLES = {lesson.name: lesson.title for lesson in LESSONS} | {card.name: card.title for card in CARDS}


def shelf(done: tuple[str, ...], here: str, asking: bool = False) -> h.Renderable:
    """All experiments as buttons, the open one marked; what can be done with all of them below."""
    left = round(MINUTES_EACH * sum(name not in done for name in PATH))
    time = f"about {left} minutes" if left else "done"
    bar = h.div(
        ".bar",
        role="progressbar",
        aria_valuemin=0,
        aria_valuemax=len(ORDER),
        aria_valuenow=len(done),
        aria_label="Experiments done",
    )
    return h.nav(".shelf", aria_label="Experiments")[
        h.p(".hs-eyebrow")["Eleven experiments"],
        bar[h.i(style=f"width:{100 * len(done) / len(ORDER):.0f}%")],
        h.p(".hs-note.far")[f"{len(done)} of {len(ORDER)} done"],
        h.h2(".hs-eyebrow")["The path ", h.span(".hs-note")[time]],
        h.ol[[_entry(name, name in done, name == here) for name in PATH]],
        h.h2(".hs-eyebrow")["Expert corner"],
        h.ul[
            [_entry(name, name in done, name == here) for name in CORNER],
            [_entry(card.name, False, card.name == here, is_card=True) for card in CARDS],
        ],
        _actions(done, asking),
    ]


def next_text(done: tuple[str, ...], here: str) -> h.Renderable:
    """How far, and the next action: the next experiment that was not done, else the summary."""
    following = next_after(done, here)
    many = f"{in_words(len(done)).capitalize() if done else 'None'} of {in_words(len(ORDER))} done."
    label, go = "See your summary", "summary"
    if following:
        label, go = f"Next: {_lower(TITLES[following])}", f"open:{following}"
    return h.fragment[
        h.span(".say.hs-soft")[many],
        h.span(".grow"),
        following and done and h.button(".btn.back", type="button", data_do="summary")["Summary"],
        h.button("#hs-next-lesson.btn.primary.big", type="button", data_do=go)[label],
    ]


def next_after(done: tuple[str, ...], here: str) -> str:
    """The next experiment in order that is not done, going round; "" when all others are."""
    at = ORDER.index(here) + 1 if here in ORDER else 0
    coming = [name for name in (*ORDER[at:], *ORDER[:at]) if name not in done and name != here]
    return coming[0] if coming else ""


def _entry(name: str, is_done: bool, is_here: bool, is_card: bool = False) -> h.Renderable:
    mark = icon("check", "good") if is_done else icon("eye") if is_here else h.span
    if is_card and not is_here:
        mark = icon("book")
    return h.li[
        h.button(type="button", data_do=f"open:{name}", aria_current="true" if is_here else None)[
            mark, h.span[h.span(".hs-vh")["done: "] if is_done else None, TITLES[name]]
        ]
    ]


def _actions(done: tuple[str, ...], asking: bool) -> h.Renderable | None:
    if asking:
        return h.div(".shelf-actions.asking", role="alert")[
            h.p["Forget every guess, result and vote?"],
            h.button(".btn.bad", type="button", data_do="reset:yes")["Forget them"],
            h.button(".btn", type="button", data_do="reset:no")["Keep them"],
        ]
    if not done:
        return None
    return h.div(".shelf-actions")[
        h.button(".link", type="button", data_do="summary")["Summary to print"],
        h.button(".link", type="button", data_do="reset:ask")["Start over"],
    ]


def _lower(title: str) -> str:
    """`The old optimizer` -> `the old optimizer`; a name such as BatchNorm keeps its capitals."""
    return title[:1].lower() + title[1:]
