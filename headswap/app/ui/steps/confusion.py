"""What was called what: the grid of a report, each cell a button that opens its pictures."""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import count, percent, safe
from headswap.evaluation.report import Report, TestAnswer

MOST_OPEN = 12  # pictures shown of one opened cell
CROWDED = 8  # classes above which the grid scrolls inside its panel


def grid(report: Report, chosen: str) -> str:
    """Draw the grid; a cell sends `row-column`, two numbers, never a name."""
    head = "".join(
        f'<th scope="col" title="{safe(name)}"><span>{safe(name)}</span></th>' for name in report.classes
    )
    rows = "".join(_row(report, truth, chosen) for truth in range(len(report.classes)))
    crowded = " crowded" if len(report.classes) > CROWDED else ""
    return (
        f"<h2>What was called what {term('grid')}</h2><div "
        f'class="conf-scroll{crowded}" '
        'tabindex="0" role="group" aria-label="Grid of what was called what"><table class="conf">'
        "<caption>Rows: what it was. Columns: what it said. Press a cell to see its pictures.</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(report: Report, truth: int, chosen: str) -> str:
    name = report.classes[truth]
    total = sum(report.confusion[truth])
    cells = ""
    for said, how_many in enumerate(report.confusion[truth]):
        label = f"{safe(name)} called {safe(report.classes[said])}: {how_many}"
        kind = ""
        if how_many:
            kind = "miss" if said != truth else "hit" if how_many == total else "hit four"
        mark = icon("cross") if kind == "miss" else ""
        pressed = str(f"{truth}-{said}" == chosen).lower()
        still = f' aria-pressed="{pressed}"' if how_many else " disabled"
        cells += (
            f'<td><button class="cell {kind}" type="button" data-cell="{truth}-{said}" '
            f'aria-label="{label}"{still}>'
            f"{mark}{how_many}</button></td>"
        )
    return f'<tr><th scope="row" title="{safe(name)}"><span>{safe(name)}</span></th>{cells}</tr>'


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


def opened(report: Report, cell: str, thumbnails: dict[str, str]) -> str:
    """The pictures of the opened cell."""
    answers = answers_of(report, cell)
    if not answers:
        return ""
    truth, said = report.classes[answers[0].truth], report.classes[answers[0].label]
    more = (
        f'<p class="hs-note">The {MOST_OPEN} surest of {len(answers)}.</p>'
        if len(answers) > MOST_OPEN
        else ""
    )
    title = f"{count(len(answers), 'picture')} of {safe(truth)} called {safe(said)}"
    items = "".join(
        f"<li>{plate(thumbnails.get(a.sha256, ''), a.file)}<span>{percent(a.sure)} sure</span></li>"
        for a in answers[:MOST_OPEN]
    )
    return (
        f'<div class="hs-rule-top opened" data-open="{safe(cell)}"><h3>{title}</h3><ul class="near">'
        f"{items}</ul>{more}</div>"
    )
