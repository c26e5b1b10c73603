"""With a class: a link for its phones, a vote before the run, and the bars of what it said once it is closed.

Flow:  LessonView + VoteView + key --class_panel--> elements

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.lessons.lessons import LessonView
from headswap.app.service.lessons.sharing import VoteView
from headswap.app.ui.widgets.qr import follow_url, link_card
from headswap.app.ui.widgets.text import percent
from headswap.counted import counted


def class_panel(view: LessonView, vote: VoteView | None, key: str, here: str) -> h.Renderable:
    """Folded away until someone teaches with it."""
    share = h.button(".btn", type="button", data_do="share")["Show the link for phones"]
    return h.details(".with-class", open=bool(key) or vote is not None)[
        h.summary["With a class? Let it answer first"],
        h.div(".stack")[
            vote_bars(view.lesson.choices, vote) if vote else None,
            h.div(".hs-row")[_vote_button(view, vote), None if key else share],
            link_card(follow_url(here, key), stop="unshare") if key else None,
        ],
    ]


def vote_bars(choices: tuple[str, ...], vote: VoteView) -> h.Renderable:
    """How many said what; a bar, a number and a word, so that colour is not alone.

    While the vote is open, how many: anyone who sees what the others say follows them.
    """
    bars, many = h.div(".votes", data_total=vote.total), h.b[f"{counted(vote.total, 'answer')}."]
    if vote.is_open:
        return bars[h.p(role="status")[many, " What was said is shown when the vote is closed."]]
    rows = [_bar(choice, votes, vote.total) for choice, votes in zip(choices, vote.counts, strict=True)]
    return bars[h.p(role="status")[many, " The vote is closed."], h.ul[rows]]


def _bar(choice: str, votes: int, total: int) -> h.Renderable:
    share = votes / max(1, total)
    return h.li[
        h.span[choice],
        h.span(".meter", aria_hidden="true")[h.i(style=f"width:{100 * share:.0f}%")],
        h.span(".hs-num")[votes, h.span(".hs-note")[f" {percent(share)}"]],
    ]


def _vote_button(view: LessonView, vote: VoteView | None) -> h.Renderable | None:
    if vote is not None and vote.is_open:
        return h.button(".btn", type="button", data_do="vote:close")["Close the vote"]
    if view.result is not None or view.run.is_going:
        asked = h.span(".hs-note")["It was run already: start over to ask a class."]
        return asked if vote is None else None
    label = "Open the vote again" if vote else "Open a vote"
    return h.button(".btn", type="button", data_do="vote:open")[label]
