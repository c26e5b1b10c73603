"""What was called what: the grid of a report, each cell a button that opens its pictures."""

from __future__ import annotations

import htpy as h
from markupsafe import Markup

from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import percent
from headswap.counted import counted
from headswap.evaluation.report import Report, TestAnswer

MOST_OPEN = 12  # pictures shown of one opened cell
# Filled in by `%`, which escapes as elements do and is quicker: a hundred classes have ten thousand cells.
CELL = Markup('<td><button class="cell %s" type="button" data-cell="%s" aria-label="%s"%s>%s%s</button></td>')
CELL_DISABLED = Markup(" disabled")
CELL_PRESSED, CELL_FREE = Markup(' aria-pressed="true"'), Markup(' aria-pressed="false"')
CROWDED = 8  # classes above which the grid scrolls inside its panel


def grid(report: Report, chosen: str) -> h.Renderable:
    """Draw the grid; a cell sends `row-column`, two numbers, never a name."""
    classes = range(len(report.classes))
    return h.fragment[
        h.h2["What was called what ", term("grid")],
        h.div(
            class_=["conf-scroll", {"crowded": len(report.classes) > CROWDED}],
            tabindex="0",
            role="group",
            aria_label="Grid of what was called what",
        )[
            h.table(".conf")[
                h.caption["Rows: what it was. Columns: what it said. Press a cell to see its pictures."],
                h.thead[h.tr[h.td, [_name(name, "col") for name in report.classes]]],
                h.tbody[[_row(report, truth, chosen) for truth in classes]],
            ]
        ],
    ]


def _name(name: str, scope: str) -> h.Renderable:
    return h.th(scope=scope, title=name)[h.span[name]]


def _row(report: Report, truth: int, chosen: str) -> h.Renderable:
    cells = [_cell(report, truth, said, chosen) for said in range(len(report.classes))]
    return h.tr[_name(report.classes[truth], "row"), cells]


def _cell(report: Report, truth: int, said: int, chosen: str) -> Markup:
    row, cell = report.confusion[truth], f"{truth}-{said}"
    how_many, kind, mark, state = row[said], "", "", CELL_DISABLED
    label = f"{report.classes[truth]} called {report.classes[said]}: {how_many}"
    if how_many:
        kind = "miss" if said != truth else "hit" if how_many == sum(row) else "hit four"
        mark = icon("cross") if kind == "miss" else ""
        state = CELL_PRESSED if cell == chosen else CELL_FREE
    return CELL % (kind, cell, label, state, mark, how_many)


def answers_of(report: Report, cell: str) -> tuple[TestAnswer, ...]:
    """The exam pictures of one cell, most sure first; nothing for a cell that is not there."""
    truth, _, said = cell.partition("-")
    if not (truth.isdigit() and said.isdigit()):
        return ()
    chosen = (answer for answer in report.answers if (answer.truth, answer.label) == (int(truth), int(said)))
    return tuple(sorted(chosen, key=lambda answer: -answer.sure))


def first_cell(report: Report) -> str:
    """The cell to open at first: the largest confusion, or none when all is right."""
    wrong = [
        (how_many, f"{truth}-{said}")
        for truth, row in enumerate(report.confusion)
        for said, how_many in enumerate(row)
        if truth != said and how_many
    ]
    return max(wrong, key=lambda pair: pair[0])[1] if wrong else ""


def opened(report: Report, cell: str, thumbnails: dict[str, str]) -> h.Renderable | None:
    """The pictures of the opened cell."""
    answers = answers_of(report, cell)
    if not answers:
        return None
    truth, said = report.classes[answers[0].truth], report.classes[answers[0].label]
    items = [
        h.li[plate(thumbnails.get(one.sha256, ""), one.file), h.span[f"{percent(one.sure)} sure"]]
        for one in answers[:MOST_OPEN]
    ]
    return h.div(".hs-rule-top.opened", data_open=cell)[
        h.h3[f"{counted(len(answers), 'picture')} of {truth} called {said}"],
        h.ul(".near")[items],
        len(answers) > MOST_OPEN and h.p(".hs-note")[f"The {MOST_OPEN} surest of {len(answers)}."],
    ]
