from __future__ import annotations

from dataclasses import replace

import htpy as h
import pytest

from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.widgets.html import rendered
from headswap.app.ui.widgets.status import live_panel, run_status, stale_text

PROJECT = ProjectView(
    id="p", name="n", model="m", head_path=None, has_own_weights=False, has_images=True,
    job="j", done_job=None,
)  # fmt: skip
RUNNING = JobView(
    id="j", state="running", sentence="Pass 3 of 30.", share=0.42, seconds_left=6.2, queue_position=None,
    epochs=(), guesses=(), first_guesses=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "Teaching 42\u00a0%, 6\u00a0s left"),
        ({"seconds_left": None}, "Teaching 42\u00a0%<"),
        ({"state": "queued", "queue_position": 2}, "Waiting, place 2 in the queue"),
        ({"state": "done"}, "Ready. Taught"),
        ({"state": "cancelled"}, "Stopped. Nothing is running"),
        ({"state": "failed"}, "Teaching failed. Step 3 says why"),
        ({"state": "paused"}, "Paused"),
        ({"state": "paused", "has_lost_cluster": True}, "Waits for the cluster, 42"),
    ],
)
def test_the_chip_says_what_is_true(change: dict[str, object], words: str) -> None:
    assert words in rendered(run_status(PROJECT, replace(RUNNING, **change)))  # type: ignore[arg-type]


def test_a_result_of_other_images_is_marked_and_explained() -> None:
    stale = replace(PROJECT, done_job="j", is_stale=True)

    drawn = rendered(run_status(stale, replace(RUNNING, state="done")))

    assert "Taught on the pictures before the change" in drawn
    assert "data-stale" in drawn
    assert "Teach again" in rendered(stale_text(stale))
    assert "data-stale" not in rendered(
        run_status(replace(stale, is_stale=False), replace(RUNNING, state="done"))
    )
    assert rendered(stale_text(PROJECT)) == ""


def test_a_run_that_failed_at_once_shows_its_reason_and_no_empty_chart() -> None:
    failed = replace(RUNNING, state="failed", problem="Not here.", remedy="Pick one marked ✓.")

    drawn = rendered(live_panel(failed, h.svg, None))

    assert "Pick one marked" in drawn
    assert "<svg></svg>" not in drawn


def test_a_run_that_waits_says_when_it_goes_on() -> None:
    lost = replace(
        RUNNING, state="paused", sentence="It waits for the cluster.", remedy="It goes on by itself."
    )

    drawn = rendered(live_panel(lost, None, None))

    assert drawn.index("It waits for the cluster.") < drawn.index("It goes on by itself.")


def test_without_a_job_nothing_is_running() -> None:
    assert "Ready. Nothing is running" in rendered(run_status(PROJECT, None))


def test_the_steps_that_are_done_are_ticked() -> None:
    assert 'data-done="model pictures"' in rendered(run_status(PROJECT, RUNNING))
    assert 'data-done="model pictures teach test"' in rendered(
        run_status(replace(PROJECT, done_job="j"), None)
    )


def test_the_live_panel_has_a_sentence_and_a_bar_for_a_screen_reader() -> None:
    panel = rendered(live_panel(RUNNING, h.svg, None))

    assert "Pass 3 of 30." in panel
    assert 'role="progressbar" aria-valuenow="42"' in panel


def test_a_failed_job_says_what_happened_and_what_to_do() -> None:
    failed = replace(
        RUNNING, state="failed", problem="The disk <full>.", remedy="Free some.", details="DiskFull"
    )

    panel = rendered(live_panel(failed, None, None))

    assert "The disk &lt;full&gt;." in panel
    assert "Free some." in panel
    assert "<details><summary>Details</summary>" in panel
    assert "progressbar" not in panel
