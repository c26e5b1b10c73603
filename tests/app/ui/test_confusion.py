from __future__ import annotations

from headswap.app.ui.steps.confusion import answers_of, first_cell, grid, opened
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.report import Report


def test_every_cell_says_in_words_what_it_counts(report: Report) -> None:
    drawn = rendered(grid(report, "0-1"))

    assert 'aria-label="mug called mug: 1"' in drawn
    assert drawn.count("data-cell=") == 4
    assert drawn.count('aria-pressed="true"') == 1


def test_the_largest_confusion_is_open_at_first(report: Report) -> None:
    assert first_cell(report) == "0-1"
    assert [answer.file for answer in answers_of(report, "0-1")] == ["b.png"]


def test_a_cell_opens_exactly_the_images_that_it_counts(report: Report) -> None:
    for truth, row in enumerate(report.confusion):
        for said, how_many in enumerate(row):
            assert len(answers_of(report, f"{truth}-{said}")) == how_many


def test_a_cell_that_nobody_drew_opens_nothing(report: Report) -> None:
    assert [rendered(opened(report, cell, {})) for cell in ("9-9", "-1-0", "x", "", "0-1-2")] == [""] * 5


def test_a_hostile_class_name_stays_text(report: Report, hostile: str) -> None:
    assert hostile not in rendered(grid(report, "")) + rendered(opened(report, "0-1", {}))
