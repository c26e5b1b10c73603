from __future__ import annotations

from dataclasses import replace

from headswap.app.ui.steps.label_issues import SHOWN, chosen, label_issues
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.report import Report


def test_a_doubt_has_two_ways_out_and_names_stay_text(report: Report, hostile: str) -> None:
    drawn = rendered(label_issues(report.label_issues, report.classes, {}))

    assert hostile not in drawn
    assert "Make it mug" in drawn
    assert 'data-doubt="fix:d"' in drawn
    assert 'data-doubt="leave:d"' in drawn


def test_what_a_button_sends_is_looked_up_among_what_is_shown(report: Report) -> None:
    many = tuple(replace(report.label_issues[0], sha256=f"{i}") for i in range(SHOWN + 2))

    assert chosen(many, "fix:1") == ("fix", many[1])
    assert chosen(many, "leave:0") == ("leave", many[0])
    for wrong in ("fix:", "drop:1", "fix:nothing", f"fix:{SHOWN}", "<b>", ""):
        assert chosen(many, wrong) is None
    assert chosen((), "undo:1", many) == ("undo", many[1])
    assert chosen(many, "undo:1") is None
    assert "And 2 more." in rendered(label_issues(many, report.classes, {}))


def test_without_doubts_that_is_said() -> None:
    assert "It doubts none of the names." in rendered(label_issues((), ("a", "b"), {}))
    assert "Left as it is." in rendered(label_issues((), ("a", "b"), {}, "Left as it is."))


def test_what_was_just_decided_can_be_taken_back(report: Report) -> None:
    decided = report.label_issues[0]

    assert 'data-doubt="undo:d"' in rendered(label_issues((), report.classes, {}, "Left as it is.", decided))
    assert "undo:" not in rendered(label_issues((), report.classes, {}, "It is called cup again."))
