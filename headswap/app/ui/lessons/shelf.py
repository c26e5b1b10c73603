"""The shelf of the experiments: two groups, what is done, how far one is; and the bar with the next one.

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.lessons.lessons import CORNER, ORDER, PATH
from headswap.app.ui.lessons.code import shell_lines, sides
from headswap.app.ui.lessons.terms import ExplainedTerms
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import in_words, safe
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.expert_cards import CARDS, ExpertCard


# A card of the expert corner: the reason, the lines, and the verbs that do it.
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


MINUTES_EACH = 20 / len(PATH)
TITLES = {lesson.name: lesson.title for lesson in LESSONS} | {card.name: card.title for card in CARDS}


def shelf(done: tuple[str, ...], here: str, asking: bool = False) -> str:
    """All experiments as buttons, the open one marked; what can be done with all of them below."""
    path = "".join(_entry(name, name in done, name == here) for name in PATH)
    corner = "".join(_entry(name, name in done, name == here) for name in CORNER)
    corner += "".join(_entry(card.name, False, card.name == here, is_card=True) for card in CARDS)
    share = 100 * len(done) / len(ORDER)
    left = round(MINUTES_EACH * sum(name not in done for name in PATH))
    time = f"about {left} minutes" if left else "done"
    return (
        '<nav aria-label="Experiments" class="shelf">'
        f'<p class="hs-eyebrow">Ten experiments</p><div class="bar" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="{len(ORDER)}" aria-valuenow="{len(done)}" aria-label="Experiments done">'
        f'<i style="width:{share:.0f}%"></i></div><p class="hs-note far">{len(done)} of {len(ORDER)} done</p>'
        f'<h2 class="hs-eyebrow">The path <span class="hs-note">{time}</span></h2><ol>{path}</ol>'
        f'<h2 class="hs-eyebrow">Expert corner</h2><ul>{corner}</ul>{_actions(done, asking)}</nav>'
    )


def next_text(done: tuple[str, ...], here: str) -> str:
    """How far, and the next action: the next experiment that was not done, else the summary."""
    following = next_after(done, here)
    many = f"{in_words(len(done)).capitalize() if done else 'None'} of {in_words(len(ORDER))} done."
    summary = '<button class="btn back" type="button" data-do="summary">Summary</button>' if done else ""
    if following:
        words = f"Next: {_lower(TITLES[following])}"
        go = f"open:{following}"
    else:
        words, go, summary = "See your summary", "summary", ""
    return (
        f'<span class="say hs-soft">{many}</span><span class="grow"></span>{summary}'
        f'<button class="btn primary big" type="button" data-do="{go}" id="hs-next-lesson">{safe(words)}'
        "</button>"
    )


def next_after(done: tuple[str, ...], here: str) -> str:
    """The next experiment on the walk that is not done, going round; "" when all others are."""
    at = ORDER.index(here) + 1 if here in ORDER else 0
    coming = [name for name in (*ORDER[at:], *ORDER[:at]) if name not in done and name != here]
    return coming[0] if coming else ""


def _entry(name: str, is_done: bool, is_here: bool, is_card: bool = False) -> str:
    mark = icon("check", "good") if is_done else icon("eye") if is_here else "<span></span>"
    if is_card and not is_here:
        mark = icon("book")
    said = '<span class="hs-vh">done: </span>' if is_done else ""
    here = ' aria-current="true"' if is_here else ""
    return (
        f'<li><button type="button" data-do="open:{name}"{here}>{mark}'
        f"<span>{said}{safe(TITLES[name])}</span></button></li>"
    )


def _actions(done: tuple[str, ...], asking: bool) -> str:
    if asking:
        return (
            '<div class="shelf-deeds asking" role="alert"><p>Forget every guess, result and vote?</p>'
            '<button class="btn bad" type="button" data-do="reset:yes">Forget them</button>'
            '<button class="btn" type="button" data-do="reset:no">Keep them</button></div>'
        )
    if not done:
        return ""
    return (
        '<div class="shelf-deeds"><button class="link" type="button" data-do="summary">Summary to print'
        '</button><button class="link" type="button" data-do="reset:ask">Start over</button></div>'
    )


def _lower(title: str) -> str:
    """`The old optimizer` -> `the old optimizer`; a name such as BatchNorm keeps its capitals."""
    return title[:1].lower() + title[1:]
