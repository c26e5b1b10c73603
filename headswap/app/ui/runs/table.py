"""Every run in one table, sorted, and drawn as accuracy against speed.

Flow:  RunViews + how to sort --runs_table, runs_plot--> elements

On a phone each run is a card with the same words. Elements only: no gradio, no service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import htpy as h
from markupsafe import Markup

from headswap.app.service.history import RunView
from headswap.app.ui.widgets.depths import depth_name
from headswap.app.ui.widgets.icons import icon, moment
from headswap.app.ui.widgets.text import file_size, millions, percent, seconds
from headswap.counted import counted
from headswap.plots.scatter import Dot, scatter

STATES = {
    "queued": "waiting",
    "paused": "waiting for room",
    "running": "teaching",
    "done": "done",
    "failed": "failed",
    "cancelled": "stopped",
}
NOTHING = "–"
_SORTS: dict[str, tuple[str, Callable[[RunView], float | str | None]]] = {
    "when": ("When", lambda run: run.created_at),
    "network": ("Network", lambda run: run.model.rpartition("/")[2].lower()),
    "depth": ("What moved", lambda run: depth_name(run.depth)),
    "pictures": ("Pictures", lambda run: run.summary.images if run.summary else None),
    "right": ("Right", lambda run: run.summary.accuracy if run.summary else None),
    "seconds": ("Taught in", lambda run: run.seconds),
    "size": ("Size", lambda run: run.size_bytes),
    "ms": ("One answer", lambda run: run.ms_per_image),
}
FIRST = "-when"
_DOWN_FIRST = ("when", "right", "pictures")


def sorted_runs(runs: Sequence[RunView], sort: str) -> list[RunView]:
    """By one column; a leading minus is downwards. What has no figure stands last either way."""
    name = sort.removeprefix("-")
    value = _SORTS[name if name in _SORTS else "when"][1]
    known = [run for run in runs if value(run) is not None]
    known.sort(key=lambda run: (value(run), run.created_at), reverse=sort.startswith("-"))
    return known + [run for run in runs if value(run) is None]


def next_sort(sort: str, name: str) -> str:
    """What pressing a column's name leads to: its natural way first, the other way at the second press."""
    natural = f"-{name}" if name in _DOWN_FIRST else name
    other = natural.removeprefix("-") if natural.startswith("-") else f"-{name}"
    return other if sort == natural else natural


def runs_table(runs: Sequence[RunView], sort: str = FIRST, asking: str = "") -> h.Renderable:
    """The table.

    Args:
        runs: of one or more projects.
        sort: a column, with a minus for downwards.
        asking: id of the run that is about to be deleted.
    """
    several = len({run.project for run in runs}) > 1
    heads = [_head(name, label, sort) for name, (label, _) in _SORTS.items()]
    return h.table(".runs")[
        h.caption(".hs-vh")[counted(len(runs), "run")],
        h.thead[h.tr[heads, h.th(scope="col")[h.span(".hs-vh")["What to do"]]]],
        h.tbody[[_row(run, several, run.id == asking) for run in sorted_runs(runs, sort)]],
    ]


def runs_plot(runs: Sequence[RunView]) -> h.Renderable | None:
    """Accuracy against the time for one answer, a drawing for each set of pictures, the newest first.

    Accuracies on other pictures are of another question. Nothing where fewer than two runs are measured.
    """
    groups: dict[str, list[RunView]] = {}
    for run in sorted_runs(runs, FIRST):
        groups.setdefault(run.images_key, []).append(run)
    drawn = [drawing for group in groups.values() if (drawing := _drawing(group))]
    if not drawn:
        return None
    return h.fragment[
        h.h2["Accuracy against speed"],
        h.p(".hs-soft.reading")[
            "Higher is better, further left is faster. The line through each dot is where the true figure "
            "probably lies: where lines overlap, the runs may be equally good. Runs on other pictures have "
            "a drawing of their own."
        ],
        drawn,
    ]


def _drawing(runs: Sequence[RunView]) -> h.Renderable | None:
    """The runs on the same pictures."""
    dots = [
        Dot(
            name=run.model.rpartition("/")[2],
            ms=run.ms_per_image,
            accuracy=run.summary.accuracy,
            low=run.summary.interval[0],
            high=run.summary.interval[1],
        )
        for run in sorted_runs(runs, "when")
        if run.summary and run.ms_per_image
    ]
    if len(dots) < 2:
        return None
    images = next(run.summary.images for run in runs if run.summary)
    return h.fragment[
        h.h3[f"{runs[0].project_name}, {counted(images, 'picture')}"],
        h.div(".drawing")[Markup(scatter(dots)), Markup(scatter(dots, narrow=True))],
    ]


def _head(name: str, label: str, sort: str) -> h.Renderable:
    here = sort.removeprefix("-") == name
    direction = ("descending" if sort.startswith("-") else "ascending") if here else "none"
    mark = {"descending": "↓", "ascending": "↑", "none": ""}[direction]
    return h.th(scope="col", aria_sort=direction, class_=f"of-{name}")[
        h.button(type="button", data_run=f"sort:{name}")[label, h.span(aria_hidden="true")[mark]]
    ]


def _row(run: RunView, several: bool, is_asking: bool) -> h.Renderable:
    size = file_size(run.size_bytes) if run.size_bytes else NOTHING
    cells: tuple[tuple[str, str, h.Node], ...] = (
        ("when", "When", (moment(run.created_at), _note(run.project_name) if several else None)),
        ("network", "Network", (h.code[_breakable(run.model.rpartition("/")[2])], _state(run))),
        ("depth", "What moved", (depth_name(run.depth), _tried(run))),
        ("pictures", "Pictures", f"{run.summary.images:,}" if run.summary else NOTHING),
        ("right", "Right", _right(run)),
        ("seconds", "Taught in", seconds(run.seconds) if run.seconds is not None else NOTHING),
        ("size", "Size", (size, _note(millions(run.parameters)) if run.parameters else None)),
        (
            "ms",
            "One answer",
            (f"{run.ms_per_image:,.3g}\u00a0ms", run.machine and _note(run.machine))
            if run.ms_per_image
            else NOTHING,
        ),
    )
    return h.tr(class_={"shown": run.is_shown})[
        [h.td(class_=f"of-{name}", data_label=label)[value] for name, label, value in cells],
        h.td(class_=["actions", {"asking": is_asking}])[_actions(run, is_asking)],
    ]


def _tried(run: RunView) -> h.Node:
    """What was tried in vain."""
    tried = run.summary.tried if run.summary else ""
    return _note(f"“{depth_name(tried)}” was tried and was not better") if tried else None


def _note(text: str) -> h.Renderable:
    return h.span(".hs-note")[text]


def _breakable(name: str) -> h.Node:
    """A long name breaks behind an underscore."""
    first, *others = name.split("_")
    return first, [("_", h.wbr, part) for part in others]


def _state(run: RunView) -> h.Node:
    label = "waiting for the cluster" if run.has_lost_cluster else STATES.get(run.state, run.state)
    if run.state == "running":
        label = f"{label} {percent(run.share)}"
    mark = {"done": "good", "failed": "warn"}.get(run.state, "")
    drawn = h.span(class_=["tag", mark])[icon(mark) if mark else None, label]
    return drawn, h.span(".hs-note.why")[run.problem] if run.problem else None


def _right(run: RunView) -> h.Node:
    summary = run.summary
    if summary is None:
        return NOTHING
    low, high = summary.interval
    return (
        h.b[percent(summary.accuracy)],
        h.svg(".range", viewBox="0 0 84 10", aria_hidden="true")[
            h.path(d="M0 5H84"),
            h.rect(x=f"{84 * low:.1f}", y="1.5", width=f"{84 * (high - low):.1f}", height=7, rx=2),
            h.circle(cx=f"{84 * summary.accuracy:.1f}", cy=5, r=3),
        ],
        h.span(".hs-note")[
            f"{summary.right} of {summary.total}, ",
            h.span[f"probably {100 * low:.0f}–{100 * high:.0f}\u00a0%"],
        ],
    )


def _actions(run: RunView, is_asking: bool) -> h.Node:
    name = run.model.rpartition("/")[2]
    if is_asking:
        return (
            h.span(role="alert")["Delete this run and its report?"],
            h.span(".pair")[
                h.button(".btn.bad", type="button", data_run=f"delete:{run.id}")["Delete"],
                h.button(".btn", type="button", data_run="keep:")["Keep"],
            ],
        )
    if not run.is_over:
        return h.button(".btn", type="button", data_run=f"stop:{run.id}")["Stop"]
    report = h.button(
        ".btn", type="button", data_run=f"open:{run.id}", aria_label=f"Open the report of {name}"
    )
    delete = h.button(
        ".btn.quiet", type="button", data_run=f"ask:{run.id}", aria_label=f"Delete the run of {name}"
    )
    return report["Report"] if run.state == "done" else None, delete["Delete"]
