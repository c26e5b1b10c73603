"""With a class: a link for its phones, a vote before the run, and the bars of what it said once it is closed.

Flow:  LessonView + VoteView + key --class_panel--> HTML

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.lessons.lessons import LessonView
from headswap.app.service.lessons.sharing import VoteView
from headswap.app.ui.widgets.qr import link_card
from headswap.app.ui.widgets.text import count, percent, safe


def class_panel(view: LessonView, vote: VoteView | None, key: str, here: str) -> str:
    """Folded away until someone teaches with it."""
    is_open = bool(key) or vote is not None
    body = vote_bars(view.lesson.choices, vote) if vote else ""
    body += f'<div class="hs-row">{_vote_button(view, vote)}{_share_button(key)}</div>'
    if key:
        body += link_card(here, key, stop="unshare")
    return (
        f'<details class="with-class"{" open" if is_open else ""}><summary>With a class? Let it answer first'
        f'</summary><div class="stack">{body}</div></details>'
    )


def vote_bars(choices: tuple[str, ...], vote: VoteView) -> str:
    """How many said what; a bar, a number and a word, so that colour is not alone.

    While the vote is open, how many: anyone who sees what the others say follows them.
    """
    if vote.is_open:
        return (
            f'<div class="votes" data-total="{vote.total}"><p role="status"><b>{count(vote.total, "answer")}.'
            "</b> What was said is shown when the vote is closed.</p></div>"
        )
    rows = "".join(
        f'<li><span>{safe(choice)}</span><span class="meter" aria-hidden="true"><i style="width:'
        f'{100 * votes / max(1, vote.total):.0f}%"></i></span><span class="hs-num">{votes}'
        f'<span class="hs-note"> {percent(votes / max(1, vote.total))}</span></span></li>'
        for choice, votes in zip(choices, vote.counts, strict=True)
    )
    return (
        f'<div class="votes" data-total="{vote.total}"><p '
        f'role="status"><b>{count(vote.total, "answer")}.</b> The vote is closed.</p>'
        f"<ul>{rows}</ul></div>"
    )


def _vote_button(view: LessonView, vote: VoteView | None) -> str:
    if vote is not None and vote.is_open:
        return '<button class="btn" type="button" data-do="vote:close">Close the vote</button>'
    if view.result is not None or view.run.is_going:
        return (
            '<span class="hs-note">It was run already: start over to ask a class.</span>'
            if vote is None
            else ""
        )
    words = "Open the vote again" if vote else "Open a vote"
    return f'<button class="btn" type="button" data-do="vote:open">{words}</button>'


def _share_button(key: str) -> str:
    return (
        "" if key else '<button class="btn" type="button" data-do="share">Show the link for phones</button>'
    )
