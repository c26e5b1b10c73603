"""What the page draws of a race."""

from __future__ import annotations

from dataclasses import replace

from headswap.app.service.races import RaceView
from headswap.app.ui.runs.race_table import race_panel
from headswap.app.ui.widgets.html import rendered
from headswap.pipeline.comparison import Comparison, ComparisonRow, Race, RaceRound, RoundFigure, TestFigure


def a_row(name: str, right: int, ms: float) -> ComparisonRow:
    return ComparisonRow(
        model=f"timm/{name}", state="done", right=right, total=100, accuracy=right / 100,
        interval=(right / 100 - 0.05, right / 100 + 0.04), ms_per_image=ms, size_bytes=9_000_000,
        licence="apache-2.0",
    )  # fmt: skip


def a_figure(name: str, right: int, words: str, *, is_kept: bool = True) -> RoundFigure:
    behind = (95 - right) / 100
    return RoundFigure(
        model=f"timm/{name}", right=right, total=100, interval=(0.8, 0.99), head="wide", behind=behind,
        behind_interval=(0.0, 0.0) if not behind else (behind - 0.04, behind + 0.04), is_tie=not behind,
        is_kept=is_kept, text=words,
    )  # fmt: skip


def a_race() -> Comparison:
    figures = (a_figure("winner", 95, "taken"), a_figure("other", 80, "behind winner", is_kept=False))
    race = Race(
        train_images=100, test_images=20, rounds=(RaceRound(images=100, figures=figures),),
        winner="timm/winner", text="winner is right most often: 95.0%.",
        test=TestFigure(right=18, total=20, interval=(0.7, 0.97)),
    )  # fmt: skip
    missing = ComparisonRow(model="timm/<b>broken", state="not done", reason="It cannot be read.")
    rows = (a_row("winner", 95, 5.0), a_row("other", 80, 9.0), missing)
    return Comparison(
        counts={"a": 60, "b": 60}, folds=5, rows=rows, left_out=(), baseline_class="a", baseline_accuracy=0.5,
        race=race,
    )  # fmt: skip


def test_a_race_that_is_over_has_one_table_one_plot_and_one_press() -> None:
    drawn = rendered(race_panel(RaceView(state="done", found=a_race())))

    assert drawn.count("<table") == 1
    assert drawn.count('data-race="take"') == 1
    assert drawn.count('class="chart') == 2, "a plot for screens and the same one for phones"
    assert "18 of 20 right" in drawn
    assert "15.0 points" in drawn
    assert "out in round 1: behind winner" in drawn
    assert "It cannot be read." in drawn
    assert "<b>broken" not in drawn


def test_a_winner_that_could_not_be_tested_says_why() -> None:
    found = a_race()
    assert found.race is not None
    race = replace(found.race, test=None, test_reason="a.png is gone. Put it back.")

    drawn = rendered(race_panel(RaceView(state="done", found=replace(found, race=race))))

    assert " It could not take the exam: a.png is gone. Put it back." in drawn
    assert drawn.count('data-race="take"') == 1


def test_networks_for_several_labels_are_shown_by_mean_average_precision() -> None:
    found = a_race()
    race = found.race
    assert race is not None
    assert race.test is not None
    figures = tuple(
        replace(one, right=0, mean_average_precision=0.8 - one.behind) for one in race.rounds[0].figures
    )
    several = replace(
        found,
        rows=tuple(
            replace(row, right=0, accuracy=None, mean_average_precision=row.accuracy) for row in found.rows
        ),
        race=replace(
            race, rounds=(replace(race.rounds[0], figures=figures),),
            test=replace(race.test, mean_average_precision=0.91),
        ),
        is_multi_label=True, baseline_accuracy=0.43,
    )  # fmt: skip

    drawn = rendered(race_panel(RaceView(state="done", found=several)))

    assert drawn.count("Mean average precision") >= 4, "the column, its cells, the plots"
    assert "<b>0.95</b>" in drawn
    assert "0.150" in drawn
    assert "points" not in drawn
    assert "a blind guess gets 0.43" in drawn
    assert "every label right on 18 of 20 pictures" in drawn
    assert drawn.count('class="chart') == 2


def test_what_is_of_other_pictures_says_so_and_nothing_is_drawn_of_nothing() -> None:
    assert "The pictures have changed" in rendered(
        race_panel(RaceView(state="done", found=a_race(), is_stale=True))
    )
    assert rendered(race_panel(RaceView())) == '<div class="race-panel" data-state="none"></div>'
    assert "too small" in rendered(
        race_panel(RaceView(state="failed", problem="It is too small.", remedy="Take another."))
    )


def test_a_race_under_way_says_where_it_is_and_can_be_stopped() -> None:
    drawn = rendered(race_panel(RaceView(state="running", sentence="Round 1 of 2.", share=0.25)))

    assert "Round 1 of 2." in drawn
    assert 'aria-valuenow="25"' in drawn
    assert 'data-race="stop"' in drawn
