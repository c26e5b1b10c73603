"""Pictures whose name may be wrong, with the two ways out: make it the other name, or leave it.

Flow:  issues --label_issues--> elements; a button sends `fix:HASH`, `leave:HASH` or `undo:HASH`, never a name
"""

from __future__ import annotations

import htpy as h

from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import number, percent, short
from headswap.evaluation.report import LabelIssue

SHOWN = 5


def label_issues(
    left: tuple[LabelIssue, ...],
    classes: tuple[str, ...],
    thumbnails: dict[str, str],
    done: str = "",
    undo: LabelIssue | None = None,
) -> h.Renderable:
    """Draw the most doubtful.

    Args:
        left: those that no one has decided.
        classes: names of the report.
        thumbnails: sha256 -> data: URI.
        done: one sentence on what was just decided.
        undo: what was just decided and can be taken back.
    """
    title, said = h.h2["Is the name right? ", term("doubt")], _decided(done, undo) if done else None
    if not left:
        none = None if done else h.p(".hs-soft")["It doubts none of the names."]
        return h.div(".hs-panel")[title, said, none]
    more = len(left) - SHOWN
    return h.div(".hs-panel")[
        title,
        h.p(".hs-soft")["It would give these another name. It may be wrong; you decide."],
        said,
        [_row(issue, classes, thumbnails) for issue in left[:SHOWN]],
        h.p(".hs-note")[f"And {number(more)} more."] if more > 0 else None,
    ]


def _decided(done: str, undo: LabelIssue | None) -> h.Renderable:
    """What was just done, and the way back."""
    back: h.Node = None
    if undo:
        back = (" ", h.button(".link", type="button", data_doubt=f"undo:{undo.sha256}")["Undo"])
    return h.p(".callout.accent", role="status")[icon("check"), h.span[done, back]]


def chosen(
    left: tuple[LabelIssue, ...], sent: str, dismissed: tuple[LabelIssue, ...] = ()
) -> tuple[str, LabelIssue] | None:
    """What a button meant: ("fix", "leave" or "undo", the doubt); None when that row is not there."""
    action, _, sha256 = sent.partition(":")
    if action not in ("fix", "leave", "undo") or not sha256:
        return None
    among = dismissed if action == "undo" else left[:SHOWN]
    return next(((action, issue) for issue in among if issue.sha256 == sha256), None)


def _row(issue: LabelIssue, classes: tuple[str, ...], thumbnails: dict[str, str]) -> h.Renderable:
    label, other = classes[issue.label], classes[issue.suggested]
    fix, leave = f"fix:{issue.sha256}", f"leave:{issue.sha256}"
    makes, leaves = f"Make {issue.file} {other}", f"Leave {issue.file} as it is"
    return h.div(".doubt")[
        plate(thumbnails.get(issue.sha256, ""), issue.file),
        h.p[
            h.b[f"Named {label}"],
            h.br,
            h.span(".hs-soft")[f"It says {other}, {percent(issue.sure)} sure."],
        ],
        h.div(".actions")[
            h.button(".btn", type="button", data_doubt=fix, aria_label=makes)[f"Make it {short(other, 14)}"],
            h.button(".btn.quiet", type="button", data_doubt=leave, aria_label=leaves)["Ignore"],
        ],
    ]
