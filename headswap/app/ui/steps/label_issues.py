"""Pictures whose label may be wrong, with the two ways out: make it the other name, or leave it.

Flow:  Doubts --doubts--> HTML; a button sends `fix:HASH`, `leave:HASH` or `undo:HASH`, never a name
"""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import number, percent, safe, short
from headswap.evaluation.report import LabelIssue

SHOWN = 5


def doubts(
    left: tuple[LabelIssue, ...],
    classes: tuple[str, ...],
    thumbnails: dict[str, str],
    done: str = "",
    undo: LabelIssue | None = None,
) -> str:
    """Draw the most doubtful.

    Args:
        left: those that nobody has decided.
        classes: names of the report.
        thumbnails: sha256 -> data: URI.
        done: one sentence on what was just decided, harmless in HTML.
        undo: what was just decided and can be taken back.
    """
    back = (
        f' <button class="link" type="button" data-doubt="undo:{safe(undo.sha256)}">Undo</button>'
        if undo
        else ""
    )
    said = (
        f'<p class="callout accent" role="status">{icon("check")}<span>{done}{back}</span></p>'
        if done
        else ""
    )
    if not left:
        none = '<p class="hs-soft">It doubts none of the labels.</p>' if not done else ""
        return f'<div class="hs-panel"><h2>Is the label right?</h2>{said}{none}</div>'
    rows = "".join(_row(doubt, classes, thumbnails) for doubt in left[:SHOWN])
    more = f'<p class="hs-note">And {number(len(left) - SHOWN)} more.</p>' if len(left) > SHOWN else ""
    return (
        '<div class="hs-panel"><h2>Is the label right?</h2><p class="hs-soft">It would give these '
        f"another name. It may be wrong; you decide.</p>{said}{rows}{more}</div>"
    )


def chosen(
    left: tuple[LabelIssue, ...], sent: str, settled: tuple[LabelIssue, ...] = ()
) -> tuple[str, LabelIssue] | None:
    """What a button meant: ("fix", "leave" or "undo", the doubt); None when that row is not there."""
    deed, _, place = sent.partition(":")
    if deed not in ("fix", "leave", "undo") or not place:
        return None
    among = settled if deed == "undo" else left[:SHOWN]
    return next(((deed, doubt) for doubt in among if doubt.sha256 == place), None)


def _row(doubt: LabelIssue, classes: tuple[str, ...], thumbnails: dict[str, str]) -> str:
    label, other = classes[doubt.label], classes[doubt.suggested]
    key = safe(doubt.sha256)
    return (
        f'<div class="doubt">{plate(thumbnails.get(doubt.sha256, ""), doubt.file)}<p><b>Labelled '
        f'{safe(label)}</b><br><span class="hs-soft">It says {safe(other)}, {percent(doubt.sure)} sure.'
        '</span></p><div class="deeds">'
        f'<button class="btn" type="button" data-doubt="fix:{key}" aria-label="Make {safe(doubt.file)} '
        f'{safe(other)}">Make it {short(other, 14)}</button>'
        f'<button class="btn quiet" type="button" data-doubt="leave:{key}" aria-label="Leave '
        f'{safe(doubt.file)} as it is">Ignore</button></div></div>'
    )
