"""A race among networks: how far it is; then why one is taken, a table, a plot, and the press that takes it.

Flow:  RaceView --race_panel--> elements

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h
from markupsafe import Markup

from headswap.app.service.races import RaceView
from headswap.app.ui.widgets.errors import error_html
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import file_size, percent, prose
from headswap.counted import counted
from headswap.pipeline.comparison import Comparison, ComparisonRow, Race, RoundFigure, TestFigure, dots_of
from headswap.plots.scatter import scatter

NOTHING = "–"
_HEADS = {"last": "head reads the last layer", "wide": "head reads every layer"}
_COLUMNS = ("Behind the best", "One answer", "Size", "Licence", "What became of it")


def race_panel(view: RaceView) -> h.Node:
    """Whatever there is to see of a race."""
    if view.is_busy:
        return _race_running(view)
    if view.state == "failed":
        return error_html(view.problem, view.remedy)
    if view.found is None or view.found.race is None:
        return h.div(".race-panel", data_state=view.state)
    return _over(view, view.found, view.found.race)


def _race_running(view: RaceView) -> h.Renderable:
    share = f"{100 * view.share:.0f}"
    bar = h.div(
        ".bar", role="progressbar", aria_valuenow=share, aria_valuemin=0, aria_valuemax=100, aria_label="Race"
    )
    return h.div(".race-panel", data_state=view.state)[
        h.p(".live", role="status")[view.sentence],
        h.div(".hs-row.progress")[
            bar[h.i(style=f"width:{share}%")],
            h.span(".hs-num")[percent(view.share)],
            h.button(".btn", type="button", data_race="stop")["Stop"],
        ],
    ]


def _over(view: RaceView, found: Comparison, race: Race) -> h.Renderable:
    return h.div(".race-panel", data_state="done", data_winner=race.winner)[
        _winner_line(view, found, race),
        h.table(".runs.race")[
            h.caption(".hs-vh")[counted(len(found.rows), "network")],
            h.thead[
                h.tr[[h.th(scope="col")[title] for title in ("Network", _score_title(found), *_COLUMNS)]]
            ],
            h.tbody[[_row(row, found, race) for row in found.rows]],
        ],
        _plot(found),
        h.p(".hs-note.reading")[
            f"Decided on {counted(race.train_images, 'practice picture')}, each judged by a head that never "
            "saw it, compared picture by picture. The line through each dot is where the true figure "
            "probably lies; a network that dropped out early was judged on fewer pictures. Licences are the "
            "libraries' own statements.",
            _reading(found),
        ],
    ]


def _score_title(found: Comparison) -> str:
    return "Mean average precision" if found.is_multi_label else "Right"


def _reading(found: Comparison) -> h.Node:
    """What the figures are, where a picture may have several labels."""
    if not found.is_multi_label:
        return None
    return (
        " Average precision ",
        term("average precision"),
        " is how well the pictures with a label are ranked before the others; the mean is "
        f"over the labels. 1 is perfect, a blind guess gets {found.baseline_accuracy:.2f}.",
    )


def _winner_line(view: RaceView, found: Comparison, race: Race) -> h.Renderable:
    if not race.winner:
        text = "Stopped before the end." if found.stopped else "No network could be judged."
        return h.p(".live", role="status")[text]
    test = race.test
    sentence = f" It could not take the exam: {race.test_reason}" if race.test_reason else None
    if test is not None:
        sentence = _test_text(test)
    return h.div[
        h.p(".live.reading", role="status")[prose(race.text), sentence],
        h.p(".hs-soft")["The pictures have changed since; run it again."] if view.is_stale else None,
        h.button(".btn.primary.big", type="button", data_race="take")["Take this one"],
    ]


def _test_text(test: TestFigure) -> str:
    low, high = test.interval
    share = f"{percent(test.accuracy)}, probably {100 * low:.0f}–{100 * high:.0f}\u00a0%"
    begin = " In the exam, which the race never looked at,"
    if test.mean_average_precision is None:
        return f"{begin} it has {test.right} of {test.total} right: {share}."
    return (
        f"{begin} it has every label right on {test.right} of {test.total} pictures: {share}; mean average "
        f"precision {test.mean_average_precision:.2f}."
    )


def _row(row: ComparisonRow, found: Comparison, race: Race) -> h.Renderable:
    number, figure = _last_of(row.model, race)
    is_winner = row.model == race.winner
    if is_winner:
        became: h.Node = h.span(".tag.good")[icon("good"), "taken"]
    else:
        became = row.reason if row.state != "done" else _became(number, figure)
    cells: tuple[tuple[str, str, h.Node], ...] = (
        ("network", "Network", (h.code[row.model.partition("/")[2] or row.model], _note(row))),
        ("right", _score_title(found), _score(row)),
        ("behind", "Behind", _behind(figure)),
        ("ms", "One answer", f"{row.ms_per_image:,.3g}\u00a0ms" if row.ms_per_image else NOTHING),
        ("size", "Size", file_size(row.size_bytes) if row.size_bytes else NOTHING),
        ("licence", "Licence", row.licence or "not stated" if row.state == "done" else NOTHING),
        ("became", "Became", became),
    )
    return h.tr(class_={"shown": is_winner})[
        [h.td(class_=f"of-{name}", data_label=label)[value] for name, label, value in cells]
    ]


def _note(row: ComparisonRow) -> h.Node:
    notes = [_HEADS[row.head]] if row.total else []
    notes += [row.note] if row.note else []
    return [h.span(".hs-note")[one] for one in notes]


def _score(row: ComparisonRow) -> h.Node:
    if row.score is None or row.interval is None:
        return NOTHING
    low, high = row.interval
    if row.accuracy is None:
        return h.b[f"{row.score:.2f}"], h.span(".hs-note")[f"probably {low:.2f}–{high:.2f}"]
    return (
        h.b[percent(row.accuracy)],
        h.span(".hs-note")[
            f"{row.right} of {row.total}, ", h.span[f"probably {100 * low:.0f}–{100 * high:.0f}\u00a0%"]
        ],
    )


def _behind(figure: RoundFigure | None) -> h.Node:
    if figure is None:
        return NOTHING
    if figure.behind_interval == (0.0, 0.0):
        return "the best"
    low, high = figure.behind_interval
    if figure.mean_average_precision is not None:
        return f"{figure.behind:.3f}", h.span(".hs-note")[f"probably {low:.3f} to {high:.3f}"]
    return (
        f"{100 * figure.behind:.1f} points",
        h.span(".hs-note")[f"probably {100 * low:.1f} to {100 * high:.1f}"],
    )


def _became(number: int, figure: RoundFigure | None) -> str:
    if figure is None:
        return NOTHING
    return figure.text if figure.is_kept else f"out in round {number}: {figure.text}"


def _last_of(model: str, race: Race) -> tuple[int, RoundFigure | None]:
    """The last round that it ran in, from 1, and its figure there."""
    rounds = reversed(list(enumerate(race.rounds, start=1)))
    figures = ((number, figure) for number, one in rounds for figure in one.figures if figure.model == model)
    return next(figures, (0, None))


def _plot(found: Comparison) -> h.Node:
    dots = dots_of(found)
    if len(dots) < 2:
        return None
    drawings = (scatter(dots, found.scale), scatter(dots, found.scale, narrow=True))
    return h.div(".drawing")[[Markup(one) for one in drawings]]
