"""The verdict on a taught head: one sentence, a ruler with its uncertainty, hard pictures, trust.

Flow:  Report --verdict--> HTML       (the confusion grid is drawn in `confusion`)
"""

from __future__ import annotations

from datetime import UTC, datetime

from headswap.app.service.history import RunView
from headswap.app.ui.runs.table import DEPTHS
from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import count, percent, prose, safe, short
from headswap.evaluation.report import Report, TestAnswer
from headswap.evaluation.summary import reliability_of

HARDEST = 5
MOST_DOTS = 60  # answers; beyond, bars take the place of dots
SURE_STEPS = (
    (0.9, 1.01, "90 % sure or more"),
    (0.7, 0.9, "70–90 % sure"),
    (0.0, 0.7, "less than 70 % sure"),
)


def verdict(report: Report) -> str:
    """The headline, what it is worth, and what always saying one class would get."""
    low, high = (round(100 * share) for share in report.interval)
    few = "; with so few the true figure is" if report.total < 100 else "; the true figure is"
    what = "exam pictures" if report.method == "exam" else "pictures"
    how = (
        ""
        if report.method == "exam"
        else f" It was tested several times over, each time on pictures that it had not practised on: the "
        f"{report.exam_total} that were locked away, {report.exam_right} right, would say too little alone."
    )
    return (
        f'<div class="verdict"><div><h1>{report.right} of {report.total} {what} right</h1>'
        f"<p>{percent(report.accuracy)}{few} probably {low}–{high}\u00a0%. Always saying "
        f"“{safe(report.baseline_class)}” would get {percent(report.baseline_accuracy)}.{how}</p></div>"
        f"<div>{_ruler(report, 500, 'wide')}{_ruler(report, 330, 'narrow')}</div></div>"
    )


def of_run(run: RunView) -> str:
    """Whose verdict it is: network, what moved, on how many pictures, when."""
    at = datetime.fromtimestamp(run.created_at, UTC)
    depth = DEPTHS.get(run.depth, run.depth)
    pictures = f" on {count(run.verdict.pictures, 'picture')}" if run.verdict else ""
    return (
        f'<p class="hs-note of-run"><code>{safe(run.model.rpartition("/")[2])}</code>, {safe(depth)} taught'
        f'{pictures}, <time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%d %b, %H:%M} UTC</time></p>'
    )


def _ruler(report: Report, width: int, name: str) -> str:
    left, right = 14, width - 14

    def at(share: float) -> float:
        return left + (right - left) * share

    low, high = report.interval
    base, score = at(report.baseline_accuracy), at(report.accuracy)
    base_anchor = "start" if base < 70 else "middle" if base < right - 80 else "end"
    score_anchor = "end" if score > right - 60 else "middle" if score > 60 else "start"
    clash = abs(base - score) < 190  # the two labels would touch: say the baseline below the line
    words = f"{percent(report.accuracy)}, probably between {percent(low)} and {percent(high)}."
    return (
        f'<svg class="chart ruler {name}" viewBox="0 0 {width} 132" role="img" aria-label="{words}">'
        f'<path class="axis" d="M{left} 66H{right}M{left} 61v10M{at(0.5):.1f} 61v10M{right} 61v10"/>'
        f'<text x="{left}" y="98">0</text><text x="{at(0.5):.1f}" y="98" text-anchor="middle">50</text>'
        f'<text x="{right}" y="98" text-anchor="end">100 %</text>'
        f'<rect class="span" x="{at(low):.1f}" y="52" width="{max(6.0, at(high) - at(low)):.1f}" '
        'height="28" rx="6"/>'
        f'<circle cx="{score:.1f}" cy="66" r="8" fill="var(--hs-accent)"/>'
        f'<text class="le" x="{score:.1f}" y="38" text-anchor="{score_anchor}">'
        f"{percent(report.accuracy)} measured</text>"
        f'<text x="{right}" y="124" text-anchor="end">true figure probably '
        f"{round(100 * low)}–{round(100 * high)} %</text>"
        f'<path d="M{base:.1f} 50V82" stroke="var(--hs-ink)" stroke-width="2.5"/>'
        f'<text x="{base:.1f}" y="{16 if clash else 38}" text-anchor="{base_anchor}">always “'
        f"{short(report.baseline_class, 14)}”: {percent(report.baseline_accuracy)}</text></svg>"
    )


def hardest(report: Report, thumbnails: dict[str, str]) -> str:
    """The exam pictures whose true class was believed least."""
    worst = hardest_answers(report)
    wrong = sum(not answer.is_right for answer in worst)
    all_wrong = f"All {len(worst)} wrong." if wrong == len(worst) else f"{wrong} of these {len(worst)} wrong."
    note = all_wrong if wrong else "All right, but these were the least sure."
    drawn = "".join(
        f"<li>{plate(thumbnails.get(a.sha256, ''), a.file)}<span>{_said(report, a)}</span></li>"
        for a in worst
    )
    return (
        f'<div class="hs-rule-top"><h3>Hardest pictures</h3><ul class="near">{drawn}</ul><p '
        f'class="hs-note">{note}</p></div>'
    )


def hardest_answers(report: Report) -> tuple[TestAnswer, ...]:
    """The few that `hardest` draws."""
    return report.hardest[:HARDEST]


def _said(report: Report, answer: TestAnswer) -> str:
    mark = icon("check", "good") if answer.is_right else icon("cross", "bad")
    return f"{mark}<b>{safe(report.classes[answer.label])}</b> {percent(answer.sure)}"


def trust(report: Report) -> str:
    """Whether its sureness can be trusted: of those it was so sure of, how many were right."""
    rows, crowded = [], report.total > MOST_DOTS
    for low, high, words in SURE_STEPS:
        group = [answer for answer in report.answers if low <= answer.sure < high]
        right = sum(answer.is_right for answer in group)
        dots = "<i></i>" * right + '<i class="no"></i>' * (len(group) - right)
        told = f"right {right} of {len(group)}" if group else "none"
        bar = f'<span class="dots" aria-hidden="true">{dots}</span>'
        if crowded:
            share = 100 * right / len(group) if group else 0
            bar = f'<span class="meter" aria-hidden="true"><i style="width:{share:.0f}%"></i></span>'
        rows.append(f"<li><span>{words}</span>{bar}<span>{told}</span></li>")
    return (
        f'<div class="hs-panel"><h2>Can its sureness be trusted? {term("sure")}</h2>'
        f'<p class="hs-soft">{prose(reliability_of(report))}</p><ul class="trust">{"".join(rows)}</ul></div>'
    )
