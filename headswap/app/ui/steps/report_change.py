"""What changed since the run before: the same pictures judged by both, which answers flipped, and chance.

Flow:  ReportChange + RunView before, now --change_panel--> elements
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.history import RunView
from headswap.app.ui.widgets.depths import depth_name
from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import number
from headswap.counted import counted
from headswap.evaluation.paired import AnswerFlip, ReportChange

SHOWN = 12  # flips


def change_panel(
    change: ReportChange, before: RunView, now: RunView, thumbnails: dict[str, str]
) -> h.Renderable:
    """Draw it; `thumbnails` maps sha256 to a data: URI."""
    return h.div(".hs-panel.since")[
        h.h2["What changed since the run before ", term("more than chance")],
        h.p(".live", role="status")[_headline(change)],
        h.p(".hs-soft")[_fairly(change), _trained(before, now)],
        h.ul(".near")[[_flip(one, thumbnails) for one in change.flips[:SHOWN]]] if change.flips else None,
        h.p(".hs-note")[f"And {number(len(change.flips) - SHOWN)} more."]
        if len(change.flips) > SHOWN
        else None,
    ]


def _headline(change: ReportChange) -> str:
    if not change.flips:
        return "The same pictures are right as before"
    significance = "more than chance" if change.is_clear else "may be chance"
    if not change.lost:
        return f"{number(change.gained)} more right: {significance}"
    if not change.gained:
        return f"{number(change.lost)} fewer right: {significance}"
    return f"{number(change.gained)} more right, {number(change.lost)} fewer: {significance}"


def _fairly(change: ReportChange) -> str:
    text = (
        f"Of {counted(change.common, 'picture')} that were in the exam of both runs, "
        f"{number(change.right_before)} were right before and {number(change.right_after)} are right now."
    )
    if change.flips:
        odds = max(1, round(100 * change.p_value))
        text += f" Chance alone makes a difference as large in {odds} of 100 cases."
    if change.alone:
        were = "was" if change.alone == 1 else "were"
        others = counted(change.alone, "other picture")
        text += f" {others} of this exam {were} not in the one before and cannot be compared."
    return text


def _trained(before: RunView, now: RunView) -> str:
    """What else is not the same between the two."""
    text = ""
    if before.summary and now.summary and before.summary.images != now.summary.images:
        text += (
            f" It has {counted(now.summary.images, 'picture')} now, {number(before.summary.images)} before."
        )
    if before.model != now.model:
        text += f" The run before taught another network, {before.model.rpartition('/')[2]}."
    elif before.depth != now.depth:
        text += f" In the run before, “{depth_name(before.depth)}” was chosen."
    return text


def _flip(one: AnswerFlip, thumbnails: dict[str, str]) -> h.Renderable:
    mark = icon("check", "good") if one.is_gained else icon("cross", "bad")
    return h.li[
        plate(thumbnails.get(one.sha256, ""), one.file),
        h.span[
            mark,
            h.b[one.after],
            h.br,
            "was ",
            h.s[one.before],
            h.span(".hs-vh")[", right now" if one.is_gained else f", wrong now: it is {one.truth}"],
        ],
    ]
