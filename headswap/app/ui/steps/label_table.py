"""How each label fared, where a picture may have several: in the place of the grid.

Flow:  Report --label_table--> HTML
"""

from __future__ import annotations

import htpy as h

from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.text import percent
from headswap.evaluation.report import LabelScore, Report

_HEADS = ("Label", "Found", "Right when said", "Average precision", "Said from")
_TERMS = (
    "Found ", term("found"), " · Right when said ", term("right when said"), " · Average precision ",
    term("average precision"), " · Said from ", term("said from"),
)  # fmt: skip


def label_table(report: Report) -> h.Renderable:
    """A row for each label, every figure with its range."""
    precision = report.mean_average_precision
    mean = f" Over all: average precision {precision:.2f}." if precision else ""
    return h.fragment[
        h.h2["Label by label"],
        h.div(".conf-scroll.labels", tabindex="0", role="group", aria_label="Table of the labels")[
            h.table(".label-table")[
                h.caption[
                    "Found: of the pictures that have it. Right when said: of those it was said of. Below "
                    f"each, where the true figure probably is.{mean}"
                ],
                h.thead[h.tr[[h.th(scope="col")[name] for name in _HEADS]]],
                h.tbody[[_row(one) for one in report.label_scores]],
            ]
        ],
        h.p(".hs-note")[_TERMS],
    ]


def _row(one: LabelScore) -> h.Renderable:
    precise = None if one.average_precision is None else f"{one.average_precision:.2f}"
    low = one.average_precision_interval
    return h.tr(data_label=one.name)[
        h.th(scope="row", title=one.name)[one.name],
        _figure(f"{one.right} of {one.images}" if one.images else None, one.recall_interval),
        _figure(f"{one.right} of {one.said}" if one.said else None, one.precision_interval),
        h.td[
            precise or "–",
            h.span(".hs-note")[f"{low[0]:.2f}–{low[1]:.2f}; blind {one.share:.2f}"] if low else None,
        ],
        h.td[percent(one.threshold)],
    ]


def _figure(figure: str | None, interval: tuple[float, float] | None) -> h.Renderable:
    if figure is None or interval is None:
        return h.td["–"]
    low, high = (round(100 * share) for share in interval)
    return h.td[figure, h.span(".hs-note")[f"{low}–{high}\u00a0%"]]
