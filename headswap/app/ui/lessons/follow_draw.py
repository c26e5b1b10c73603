"""What a phone shows that follows: the question to answer, how a run goes, what came of it.

Flow:  FollowView --follow_inside--> text;  --follow_page--> a whole page with its own style and script

Words and figures only: no picture of anyone is ever among them. No gradio, no service.
"""

from __future__ import annotations

import htpy as h
from markupsafe import Markup

from headswap.app.service.lessons.sharing import FollowView, VoteView
from headswap.app.ui.lessons.classroom import vote_bars
from headswap.app.ui.lessons.terms import coded
from headswap.app.ui.widgets.chart import chart
from headswap.app.ui.widgets.html import rendered, web_text
from headswap.app.ui.widgets.icons import MARK, icon
from headswap.app.ui.widgets.text import percent
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.plots.draw import NARROW, draw


def follow_page(view: FollowView, key: str, nonce: str) -> str:
    """The whole page; its script asks for the inside again, often while something moves."""
    inside = h.main(data_key=key, data_moving="yes" if view.is_moving else "no")[_inside(view, key)]
    return _document(inside, h.script(nonce=nonce)[Markup(web_text("follow.js"))])


def lost_page(problem: str, remedy: str) -> str:
    """What a key that opens nothing shows."""
    return _document(h.main[h.h1[problem], h.p[remedy]])


def follow_inside(view: FollowView, key: str) -> str:
    """Everything that changes."""
    return rendered(_inside(view, key))


def _inside(view: FollowView, key: str) -> h.Node:
    return _progress(view, view.lesson, key) if view.lesson is not None else _job(view)


def _progress(view: FollowView, lesson: Lesson, key: str) -> h.Node:
    parts: list[h.Node] = [h.h1[lesson.title], h.p(".question")[coded(lesson.question)]]
    if view.vote is not None:
        parts.append(_vote(lesson, view.vote, key))
    elif view.result is None:
        parts.append(h.ul(".choices")[[h.li[choice] for choice in lesson.choices]])
    if view.run.is_going:
        parts.append(_bar(view.run.share, view.run.sentence))
    elif view.result is not None:
        parts.append(_result(lesson, view.result, view.vote))
    elif view.vote is None:
        waits = "Think what will happen. It will be run soon."
        parts.append(h.p(".quiet", role="status")[waits])
    return parts


def _vote(lesson: Lesson, vote: VoteView, key: str) -> h.Renderable:
    if not vote.is_open:
        return vote_bars(lesson.choices, vote)
    said = "What do you think?"
    if vote.mine is not None:
        said = "You can change your answer until the vote is closed."
    return h.form(method="post", action="follow/vote")[
        h.input(type="hidden", name="key", value=key),
        h.p(role="status")[h.b[said]],
        [
            h.button(name="choice", value=index, aria_pressed="true" if vote.mine == index else "false")[
                choice
            ]
            for index, choice in enumerate(lesson.choices)
        ],
    ]


def _result(lesson: Lesson, result: LessonResult, vote: VoteView | None) -> h.Node:
    mine = None
    if vote is not None and vote.mine is not None:
        right = vote.mine == lesson.right
        mine = h.p(class_=["tag", "good" if right else "bad"])[
            icon("good" if right else "cross"), f"You said “{lesson.choices[vote.mine]}”."
        ]
    return (
        h.section[
            h.h2["What happened"],
            mine,
            [h.p[coded(one)] for one in result.sentences],
            Markup(draw(result.figure, NARROW)),
        ],
        h.section[h.h2["Why"], [h.p[coded(one)] for one in lesson.why]],
    )


def _job(view: FollowView) -> h.Node:
    return (
        h.h1["A new head was taught" if view.state == "done" else "A new head is being taught"],
        h.p(".question")[view.summary] if view.summary else None,
        _bar(view.share, view.sentence),
        chart(view.epochs, is_over=view.state == "done") if view.epochs else None,
    )


def _bar(share: float, sentence: str) -> h.Node:
    done = f"{100 * share:.0f}"
    bar = h.div(
        ".bar",
        role="progressbar",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=done,
        aria_label="Progress",
    )
    return bar[h.i(style=f"width:{done}%")], h.p(role="status")[f"{percent(share)} · {sentence}"]


def _document(*body: h.Node) -> str:
    return rendered(
        h.html(lang="en")[
            h.head[
                h.meta(charset="utf-8"),
                h.meta(name="viewport", content="width=device-width, initial-scale=1"),
                h.title["headswap, to watch"],
                h.style[Markup(web_text("tokens.css") + web_text("follow.css"))],
            ],
            h.body[h.header[MARK, h.span["headswap"], h.small["to watch"]], body],
        ]
    )
