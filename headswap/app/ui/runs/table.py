"""Every run in one table, sorted, and drawn as accuracy against speed.

Flow:  RunViews + how to sort --runs_table, runs_plot--> HTML and SVG

On a phone each run is a card with the same words. Pure text: no gradio, no service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from headswap.app.service.history import RunView
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import count, file_size, millions, percent, safe, seconds
from headswap.plots.scatter import Dot, scatter

DEPTHS = {
    "head": "the head",
    "norms": "head and norms",
    "last": "head and last blocks",
    "everything": "everything",
    "auto": "as far as it helps",
}
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
    "depth": ("What moved", lambda run: DEPTHS.get(run.depth, run.depth)),
    "pictures": ("Pictures", lambda run: run.verdict.pictures if run.verdict else None),
    "right": ("Right", lambda run: run.verdict.accuracy if run.verdict else None),
    "seconds": ("Taught in", lambda run: run.seconds),
    "size": ("Size", lambda run: run.size_bytes),
    "ms": ("One answer", lambda run: run.ms_per_picture),
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


def runs_table(runs: Sequence[RunView], sort: str = FIRST, asking: str = "") -> str:
    """The table.

    Args:
        runs: of one or more projects.
        sort: a column, with a minus for downwards.
        asking: id of the run that is about to be deleted.
    """
    several = len({run.project for run in runs}) > 1
    heads = "".join(_head(name, words, sort) for name, (words, _) in _SORTS.items())
    rows = "".join(_row(run, several, run.id == asking) for run in sorted_runs(runs, sort))
    return (
        f'<table class="runs"><caption class="hs-vh">{count(len(runs), "run")}</caption><thead><tr>{heads}'
        f'<th scope="col"><span class="hs-vh">What to do</span></th></tr></thead><tbody>{rows}</tbody>'
        "</table>"
    )


def runs_plot(runs: Sequence[RunView]) -> str:
    """Accuracy against the time for one answer, a drawing for each set of pictures, the newest first.

    Accuracies on other pictures are of another question. Nothing where fewer than two runs are measured.
    """
    groups: dict[str, list[RunView]] = {}
    for run in sorted_runs(runs, FIRST):
        groups.setdefault(run.images_key, []).append(run)
    drawn = "".join(_drawing(group) for group in list(groups.values()))
    if not drawn:
        return ""
    return (
        '<h2>Accuracy against speed</h2><p class="hs-soft reading">Higher is better, '
        "further left is faster. The stroke through each dot is where the true figure probably lies: where "
        "strokes overlap, the runs may be equally good. Runs on other pictures have a drawing of their "
        f"own.</p>{drawn}"
    )


def _drawing(runs: Sequence[RunView]) -> str:
    """The runs on the same pictures."""
    dots = [
        Dot(
            name=run.model.rpartition("/")[2],
            ms=run.ms_per_picture,
            accuracy=run.verdict.accuracy,
            low=run.verdict.interval[0],
            high=run.verdict.interval[1],
        )
        for run in sorted_runs(runs, "when")
        if run.verdict and run.ms_per_picture
    ]
    if len(dots) < 2:
        return ""
    pictures = next(run.verdict.pictures for run in runs if run.verdict)
    return (
        f"<h3>{safe(runs[0].project_name)}, {count(pictures, 'picture')}</h3>"
        f'<div class="drawing">{scatter(dots)}{scatter(dots, narrow=True)}</div>'
    )


def _head(name: str, words: str, sort: str) -> str:
    here = sort.removeprefix("-") == name
    way = ("descending" if sort.startswith("-") else "ascending") if here else "none"
    mark = {"descending": "↓", "ascending": "↑", "none": ""}[way]
    return (
        f'<th scope="col" aria-sort="{way}" class="of-{name}"><button type="button" data-run="sort:{name}">'
        f'{words}<span aria-hidden="true">{mark}</span></button></th>'
    )


def _row(run: RunView, several: bool, is_asking: bool) -> str:
    at = datetime.fromtimestamp(run.created_at, UTC)
    where = f'<span class="hs-note">{safe(run.project_name)}</span>' if several else ""
    size = f"{file_size(run.size_bytes)}" if run.size_bytes else NOTHING
    numbers = f'<span class="hs-note">{millions(run.parameters)}</span>' if run.parameters else ""
    network = safe(run.model.rpartition("/")[2]).replace("_", "_<wbr>")  # long names break there
    cells = (
        ("when", "When", f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%d %b, %H:%M} UTC</time>{where}'),
        ("network", "Network", f"<code>{network}</code>{_state(run)}"),
        ("depth", "What moved", safe(DEPTHS.get(run.depth, run.depth))),
        ("pictures", "Pictures", f"{run.verdict.pictures:,}" if run.verdict else NOTHING),
        ("right", "Right", _right(run)),
        ("seconds", "Taught in", seconds(run.seconds) if run.seconds is not None else NOTHING),
        ("size", "Size", size + numbers),
        ("ms", "One answer", f"{run.ms_per_picture:,.3g}\u00a0ms" if run.ms_per_picture else NOTHING),
    )
    drawn = "".join(
        f'<td class="of-{name}" data-label="{label}">{value}</td>' for name, label, value in cells
    )
    kind = " asking" if is_asking else ""
    shown = ' class="shown"' if run.is_shown else ""
    return f'<tr{shown}>{drawn}<td class="deeds{kind}">{_actions(run, is_asking)}</td></tr>'


def _state(run: RunView) -> str:
    words = STATES.get(run.state, run.state)
    if run.state == "running":
        words = f"{words} {percent(run.share)}"
    mark = {"done": "good", "failed": "warn"}.get(run.state, "")
    drawn = f'<span class="tag {mark}">{icon(mark) if mark else ""}{words}</span>'
    return drawn + (f'<span class="hs-note why">{safe(run.problem)}</span>' if run.problem else "")


def _right(run: RunView) -> str:
    verdict = run.verdict
    if verdict is None:
        return NOTHING
    low, high = verdict.interval
    width = 84 * (high - low)
    return (
        f'<b>{percent(verdict.accuracy)}</b><svg class="range" viewBox="0 0 84 10" aria-hidden="true">'
        f'<path d="M0 5H84"/><rect x="{84 * low:.1f}" y="1.5" width="{width:.1f}" height="7" rx="2"/>'
        f'<circle cx="{84 * verdict.accuracy:.1f}" cy="5" r="3"/></svg>'
        f'<span class="hs-note">{verdict.right} of {verdict.total}, <span>probably '
        f"{100 * low:.0f}–{100 * high:.0f}\u00a0%</span></span>"
    )


def _actions(run: RunView, is_asking: bool) -> str:
    name = safe(run.model.rpartition("/")[2])
    if is_asking:
        return (
            '<span role="alert">Delete this run and its report?</span><span class="pair">'
            f'<button type="button" class="btn bad" data-run="delete:{run.id}">Delete</button>'
            '<button type="button" class="btn" data-run="keep:">Keep</button></span>'
        )
    shown = (
        f'<button type="button" class="btn" data-run="open:{run.id}" '
        f'aria-label="Open the report of {name}">Report</button>'
        if run.state == "done"
        else ""
    )
    if not run.is_over:
        return f'<button type="button" class="btn" data-run="stop:{run.id}">Stop</button>'
    return shown + (
        f'<button type="button" class="btn quiet" data-run="ask:{run.id}" '
        f'aria-label="Delete the run of {name}">Delete</button>'
    )
