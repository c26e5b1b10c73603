"""What a phone shows that follows: the question to answer, how a run goes, what came of it.

Flow:  FollowView --follow_inside--> HTML;  --follow_page--> a whole page with its own style and script

Words and figures only: no picture of anyone is ever among them. Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.lessons.sharing import FollowView, VoteView
from headswap.app.ui.lessons.classroom import vote_bars
from headswap.app.ui.lessons.terms import coded
from headswap.app.ui.widgets.chart import chart
from headswap.app.ui.widgets.html import web_text
from headswap.app.ui.widgets.icons import MARK, icon
from headswap.app.ui.widgets.text import percent, safe
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.plots.draw import NARROW, draw


def follow_page(view: FollowView, key: str, nonce: str) -> str:
    """The whole page; its script asks for the inside again, often while something moves."""
    body = (
        f'<main data-key="{safe(key)}" data-moving="{"yes" if view.is_moving else "no"}">'
        f"{follow_inside(view, key)}</main>"
        f'<script nonce="{nonce}">{web_text("follow.js")}</script>'
    )
    return _document(body)


def lost_page(problem: str, remedy: str) -> str:
    """What a key that opens nothing shows."""
    return _document(f"<main><h1>{safe(problem)}</h1><p>{safe(remedy)}</p></main>")


def follow_inside(view: FollowView, key: str) -> str:
    """Everything that changes."""
    return _course(view, view.lesson, key) if view.lesson is not None else _job(view)


def _course(view: FollowView, lesson: Lesson, key: str) -> str:
    parts = [f"<h1>{safe(lesson.title)}</h1>", f'<p class="question">{coded(lesson.question)}</p>']
    if view.vote is not None:
        parts.append(_vote(lesson, view.vote, key))
    elif view.result is None:
        items = "".join(f"<li>{safe(choice)}</li>" for choice in lesson.choices)
        parts.append(f'<ul class="choices">{items}</ul>')
    if view.run.is_going:
        parts.append(_bar(view.run.share, view.run.sentence))
    elif view.result is not None:
        parts.append(_result(lesson, view.result, view.vote))
    elif view.vote is None:
        parts.append('<p class="quiet" role="status">Think what will happen. It will be run soon.</p>')
    return "".join(parts)


def _vote(lesson: Lesson, vote: VoteView, key: str) -> str:
    if not vote.is_open:
        return vote_bars(lesson.choices, vote)
    buttons = "".join(
        f'<button name="choice" value="{place}" aria-pressed="{"true" if vote.mine == place else "false"}">'
        f"{safe(choice)}</button>"
        for place, choice in enumerate(lesson.choices)
    )
    said = (
        "You can change your answer until the vote is closed."
        if vote.mine is not None
        else "What do you think?"
    )
    return (
        f'<form method="post" action="follow/vote"><input type="hidden" name="key" value="{safe(key)}">'
        f'<p role="status"><b>{said}</b></p>{buttons}</form>'
    )


def _result(lesson: Lesson, result: LessonResult, vote: VoteView | None) -> str:
    mine = ""
    if vote is not None and vote.mine is not None:
        right = vote.mine == lesson.right
        mine = (
            f'<p class="tag {"good" if right else "bad"}">{icon("good" if right else "cross")}'
            f"You said “{safe(lesson.choices[vote.mine])}”.</p>"
        )
    sentences = "".join(f"<p>{coded(one)}</p>" for one in result.sentences)
    reasons = "".join(f"<p>{coded(one)}</p>" for one in lesson.why)
    return (
        f"<section><h2>What happened</h2>{mine}{sentences}{draw(result.figure, NARROW)}</section>"
        f"<section><h2>Why</h2>{reasons}</section>"
    )


def _job(view: FollowView) -> str:
    title = "A new head was taught" if view.state == "done" else "A new head is being taught"
    lines = chart(view.passes, is_over=view.state == "done") if view.passes else ""
    verdict = f'<p class="question">{safe(view.verdict)}</p>' if view.verdict else ""
    return f"<h1>{title}</h1>{verdict}{_bar(view.share, view.sentence)}{lines}"


def _bar(share: float, sentence: str) -> str:
    return (
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="'
        f'{100 * share:.0f}" aria-label="Progress"><i style="width:{100 * share:.0f}%"></i></div>'
        f'<p role="status">{percent(share)} · {safe(sentence)}</p>'
    )


def _document(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width='
        'device-width, initial-scale=1"><title>headswap, to watch</title>'
        f"<style>{web_text('tokens.css')}{web_text('follow.css')}</style></head><body>"
        f"<header>{MARK}<span>headswap</span><small>to watch</small></header>{body}</body></html>"
    )
