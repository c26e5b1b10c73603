"""The report on a trained head: one sentence, a ruler with its uncertainty, hard pictures, trust.

Flow:  Report --summary--> elements       (the confusion grid is drawn in `confusion`)
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.history import RunView
from headswap.app.ui.steps.advice import finetuning
from headswap.app.ui.widgets.depths import depth_name
from headswap.app.ui.widgets.icons import icon, moment, plate, term
from headswap.app.ui.widgets.text import percent, prose, short
from headswap.counted import counted
from headswap.evaluation.report import Report, TestAnswer
from headswap.evaluation.summary import reliability_of

HARDEST = 5
MOST_DOTS = 60  # answers; beyond, bars take the place of dots
SURE_STEPS = (
    (0.9, 1.01, "90 % sure or more"),
    (0.7, 0.9, "70–90 % sure"),
    (0.0, 0.7, "less than 70 % sure"),
)


def summary(report: Report) -> h.Renderable:
    """The headline, what it is worth, and what always saying one class would get."""
    low, high = (round(100 * share) for share in report.interval)
    few = "; with so few the true figure is" if report.total < 100 else "; the true figure is"
    what = "exam pictures" if report.method == "exam" else "pictures"
    was = "was" if report.test_right == 1 else "were"
    several = (
        f" It was tested several times, each time on pictures that it had not practised on. Of the "
        f"{counted(report.test_total, 'locked-away picture')} alone, {report.test_right} {was} right: so few "
        "say too little. ",
        term("folds"),
    )
    return h.div(".verdict")[
        h.div[
            h.h1[
                f"Every label right on {report.right} of {report.total} {what}"
                if report.is_multi_label
                else f"{report.right} of {report.total} {what} right"
            ],
            finetuning(report),
            h.p[
                f"{percent(report.accuracy)}{few} probably {low}–{high}\u00a0%. ",
                term("range"),
                f" Always saying “{report.baseline_class}” would get {percent(report.baseline_accuracy)}. ",
                term("always the same"),
                None if report.method == "exam" else several,
            ],
        ],
        h.div[_ruler(report, 500, "wide"), _ruler(report, 330, "narrow")],
    ]


def of_run(run: RunView, trained_on: int) -> h.Renderable:
    """Whose report it is: network, what moved, on how many practice pictures, when."""
    images = counted(trained_on, "practice picture")
    return h.p(".hs-note.of-run")[
        h.code[run.model.rpartition("/")[2]],
        f", “{depth_name(run.depth)}”, taught on {images}, ",
        moment(run.created_at),
    ]


def _ruler(report: Report, width: int, name: str) -> h.Renderable:
    left, right = 14, width - 14

    def at(share: float) -> float:
        return left + (right - left) * share

    low, high = report.interval
    score = at(report.accuracy)
    label = f"{percent(report.accuracy)}, probably between {percent(low)} and {percent(high)}."
    score_anchor = "end" if score > right - 60 else "middle" if score > 60 else "start"
    axis = f"M{left} 66H{right}M{left} 61v10M{at(0.5):.1f} 61v10M{right} 61v10"
    wide = max(6.0, at(high) - at(low))
    return h.svg(class_=["chart ruler", name], viewBox=f"0 0 {width} 132", role="img", aria_label=label)[
        h.path(".axis", d=axis),
        h.text(x=left, y=98)["0"],
        h.text(x=f"{at(0.5):.1f}", y=98, text_anchor="middle")["50"],
        h.text(x=right, y=98, text_anchor="end")["100 %"],
        h.rect(".span", x=f"{at(low):.1f}", y=52, width=f"{wide:.1f}", height=28, rx=6),
        h.circle(cx=f"{score:.1f}", cy=66, r=8, fill="var(--hs-accent)"),
        h.text(".le", x=f"{score:.1f}", y=38, text_anchor=score_anchor)[
            f"{percent(report.accuracy)} measured"
        ],
        h.text(x=right, y=124, text_anchor="end")[
            f"true figure probably {round(100 * low)}–{round(100 * high)} %"
        ],
        _baseline(report, at(report.baseline_accuracy), score, right),
    ]


def _baseline(report: Report, base: float, score: float, right: int) -> h.Node:
    """What always saying one class would get, on the ruler."""
    anchor = "start" if base < 110 else "middle" if base < right - 80 else "end"
    said = f"always “{short(report.baseline_class, 14)}”: {percent(report.baseline_accuracy)}"
    clash = abs(base - score) < 7.5 * len(said) + 60  # the two labels would touch: this one stands above
    return (
        h.path(d=f"M{base:.1f} 50V82", stroke="var(--hs-ink)", stroke_width="2.5"),
        h.text(x=f"{base:.1f}", y=16 if clash else 38, text_anchor=anchor)[said],
    )


def hardest(report: Report, thumbnails: dict[str, str]) -> h.Renderable:
    """The exam pictures whose true class was believed least."""
    worst = hardest_answers(report)
    wrong = sum(not answer.is_right for answer in worst)
    all_wrong = f"All {len(worst)} wrong." if wrong == len(worst) else f"{wrong} of these {len(worst)} wrong."
    note = all_wrong if wrong else "All right, but these were the least sure."
    drawn = [h.li[plate(thumbnails.get(a.sha256, ""), a.file), h.span[_said(report, a)]] for a in worst]
    return h.div(".hs-rule-top")[h.h3["Hardest pictures"], h.ul(".near")[drawn], h.p(".hs-note")[note]]


def hardest_answers(report: Report) -> tuple[TestAnswer, ...]:
    """The few that `hardest` draws."""
    return report.hardest[:HARDEST]


def _said(report: Report, answer: TestAnswer) -> h.Node:
    mark = icon("check", "good") if answer.is_right else icon("cross", "bad")
    return mark, h.b[report.said_of(answer)], f" {percent(answer.sure)}"


def trust(report: Report) -> h.Renderable:
    """Whether its sureness can be trusted: of those it was so sure of, how many were right."""
    rows, crowded = [], report.total > MOST_DOTS
    for low, high, label in SURE_STEPS:
        group = [answer for answer in report.answers if low <= answer.sure < high]
        right = sum(answer.is_right for answer in group)
        told = f"right {right} of {len(group)}" if group else "none"
        bar = _meter(right, len(group)) if crowded else _dots(right, len(group))
        rows.append(h.li[h.span[label], bar, h.span[told]])
    return h.div(".hs-panel")[
        h.h2["Can its sureness be trusted? ", term("sure")],
        h.p(".hs-soft")[prose(reliability_of(report))],
        h.ul(".trust")[rows],
    ]


def _dots(right: int, total: int) -> h.Renderable:
    """One for each answer."""
    return h.span(".dots", aria_hidden="true")[[h.i] * right, [h.i(".no")] * (total - right)]


def _meter(right: int, total: int) -> h.Renderable:
    share = 100 * right / total if total else 0
    return h.span(".meter", aria_hidden="true")[h.i(style=f"width:{share:.0f}%")]
