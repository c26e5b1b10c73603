"""What changed since the run before, in words that do not call chance progress."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headswap.app.service.history import RunSummary, RunView
from headswap.app.ui.steps.report_change import change_panel
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.paired import AnswerFlip, ReportChange


def flips(gained: int, lost: int) -> tuple[AnswerFlip, ...]:
    better = AnswerFlip(file="a.png", sha256="a", truth="mug", before="pen", after="mug")
    return (better,) * gained + (replace(better, before="mug", after="pen"),) * lost


def run(images: int, model: str = "timm/small") -> RunView:
    summary = RunSummary(accuracy=0.5, interval=(0.1, 0.9), right=1, total=2, images=images, depth="head")
    return RunView(
        id="x", project="p", project_name="p", created_at=0.0, model=model, images_key="", depth="head",
        state="done", share=1.0, problem="", is_shown=False, summary=summary, seconds=None, parameters=None,
        size_bytes=None, ms_per_image=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gained", "lost", "said"),
    [
        (3, 1, "3 more right, 1 fewer: may be chance"),
        (2, 0, "2 more right: may be chance"),
        (0, 1, "1 fewer right: may be chance"),
        (8, 0, "8 more right: more than chance"),
        (0, 0, "The same pictures are right as before"),
    ],
)
def test_the_headline_counts_both_ways_and_says_what_chance_does(gained: int, lost: int, said: str) -> None:
    change = ReportChange(common=20, alone=0, right_before=10, right_after=10, flips=flips(gained, lost))

    assert said in rendered(change_panel(change, run(20), run(20), {}))


def test_what_else_differs_between_two_runs_is_said(hostile: str) -> None:
    change = ReportChange(common=20, alone=2, right_before=10, right_after=12, flips=flips(2, 0))
    other = replace(change, flips=(replace(change.flips[0], after=hostile, truth=hostile),))

    html = rendered(change_panel(change, run(20, "timm/large"), run(23), {}))

    assert (
        "Of 20 pictures that were in the exam of both runs, 10 were right before and 12 are right now" in html
    )
    assert "Chance alone makes a difference as large in 50 of 100 cases" in html
    assert "2 other pictures of this exam were not in the one before" in html
    assert "23 pictures now, 20 before" in html
    assert "another network, large" in html
    assert hostile not in rendered(change_panel(other, run(20), run(20), {}))
    deeper = rendered(change_panel(change, replace(run(20), depth="last"), run(20), {}))
    assert "In the run before, “Head and last part” was chosen." in deeper
