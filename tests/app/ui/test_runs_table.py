"""The table of runs: sorted as asked, harmless, and complete on a phone too."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest

from headswap.app.service.history import RunSummary, RunView
from headswap.app.ui.runs.table import FIRST, next_sort, runs_plot, runs_table, sorted_runs
from headswap.app.ui.steps.report_summary import of_run
from headswap.app.ui.steps.train_options import depth_choices
from headswap.app.ui.widgets.html import rendered
from headswap.training.config import Depth

SUMMARY = RunSummary(accuracy=0.85, interval=(0.64, 0.95), right=17, total=20, images=96, depth="head")
RUN = RunView(
    id="a" * 32, project="p" * 32, project_name="Mugs", created_at=1_700_000_000.0,
    model="timm/tf_efficientnet_lite0", images_key="mugs", depth="head", state="done", share=1.0,
    problem="", is_shown=True,
    summary=SUMMARY, seconds=6.2, parameters=3_376_132, size_bytes=13_700_000, ms_per_image=9.53,
    machine="AMD EPYC, 2 cores",
)  # fmt: skip
SLOW = replace(
    RUN, id="b" * 32, model="resnet50", created_at=1_700_000_100.0, ms_per_image=38.0, is_shown=False,
    summary=replace(SUMMARY, accuracy=0.95, interval=(0.76, 0.99)),
)  # fmt: skip
FAILED = replace(
    RUN, id="c" * 32, model="vgg16", created_at=1_700_000_200.0, state="failed", problem="Not <here>.",
    is_shown=False, summary=None, seconds=None, parameters=None, size_bytes=None, ms_per_image=None,
)  # fmt: skip
WAITING = replace(FAILED, id="d" * 32, state="queued", problem="", created_at=1_700_000_300.0)


def test_a_row_says_what_was_tried_in_vain() -> None:
    tried = replace(RUN, summary=replace(SUMMARY, tried="norms"))

    assert "Only the head" in rendered(runs_table([tried]))
    assert "“Head and a bit more” was tried and was not better" in rendered(runs_table([tried]))
    assert "was tried" not in rendered(runs_table([RUN]))


def test_a_row_says_everything_with_units() -> None:
    table = rendered(runs_table([RUN]))

    for words in (
        "85\u00a0%",
        "17 of 20, <span>probably 64–95\u00a0%",
        "6\u00a0s",
        "13.7\u00a0MB",
        "9.53\u00a0ms",
        "AMD EPYC, 2 cores",
    ):
        assert words in table
    for words in (
        "3.38 million numbers",
        "<code>tf_<wbr>efficientnet_<wbr>lite0</code>",
        "Only the head",
        ">96<",
    ):
        assert words in table
    assert 'datetime="2023-11-14T22:13:20Z"' in table
    assert f'data-run="open:{RUN.id}"' in table
    assert '<tr class="shown">' in table


def test_what_failed_says_why_and_offers_no_report_and_what_waits_can_be_stopped() -> None:
    table = rendered(runs_table([FAILED, WAITING]))

    assert "Not &lt;here&gt;." in table
    assert "open:" not in table
    assert f'data-run="stop:{WAITING.id}"' in table
    assert f'data-run="ask:{FAILED.id}"' in table
    assert f'data-run="ask:{WAITING.id}"' not in table


def test_what_waits_says_what_it_waits_for() -> None:
    paused = replace(WAITING, state="paused")

    assert "waiting for room" in rendered(runs_table([paused]))
    assert "waiting for the cluster" in rendered(runs_table([replace(paused, has_lost_cluster=True)]))


def test_nothing_is_deleted_without_being_asked_again() -> None:
    assert "delete:" not in rendered(runs_table([RUN]))

    asking = rendered(runs_table([RUN, SLOW], asking=RUN.id))

    assert asking.count("delete:") == 1
    assert f'data-run="delete:{RUN.id}"' in asking
    assert 'data-run="keep:"' in asking


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("-when", "dcba"),
        ("when", "abcd"),
        ("-right", "bacd"),
        ("ms", "abcd"),
        ("-ms", "bacd"),
        ("odd", "abcd"),
    ],
)
def test_runs_are_sorted_and_what_has_no_figure_stands_last(sort: str, order: str) -> None:
    found = sorted_runs([FAILED, RUN, WAITING, SLOW], sort)

    known = [run.id[0] for run in found]
    assert known == list(order) or (sort not in ("when", "-when") and known[:2] == list(order)[:2])


def test_a_second_press_turns_a_column_round_and_accuracy_begins_with_the_best() -> None:
    assert next_sort(FIRST, "right") == "-right"
    assert next_sort("-right", "right") == "right"
    assert next_sort("-right", "ms") == "ms"
    assert next_sort("ms", "ms") == "-ms"
    assert 'aria-sort="descending" class="of-right"' in rendered(runs_table([RUN], "-right"))


def test_names_of_projects_and_networks_are_shown_as_text(hostile: str) -> None:
    odd = replace(SLOW, project="q" * 32, project_name=hostile, model=hostile, depth=hostile)

    drawn = rendered(runs_table([RUN, odd])) + rendered(runs_plot([RUN, odd]))

    assert "<img" not in drawn
    assert "Mugs" in drawn


def test_two_measured_runs_are_a_plot_and_one_is_not() -> None:
    assert rendered(runs_plot([RUN, FAILED])) == ""

    drawn = rendered(runs_plot([RUN, SLOW]))

    assert len(re.findall("<svg", drawn)) == 2
    assert "resnet50 95 % in 38 ms" in drawn


def test_runs_on_other_images_are_not_drawn_into_the_same_image() -> None:
    other = [
        replace(one, id=one.id[::-1], images_key="pens", project_name="Pens & <co>") for one in (RUN, SLOW)
    ]

    drawn = rendered(runs_plot([RUN, SLOW, *other]))
    apart = rendered(runs_plot([RUN, other[1]]))

    assert len(re.findall("<svg", drawn)) == 4
    assert "<h3>Mugs, 96 pictures</h3>" in drawn
    assert "<h3>Pens &amp; &lt;co&gt;, 96 pictures</h3>" in drawn
    assert apart == "", "one run each: nothing to compare"


def test_every_cell_carries_its_name_for_a_phone() -> None:
    row = rendered(runs_table([RUN])).split("<tbody>")[1]

    assert re.findall(r'data-label="([^"]+)"', row) == [
        "When", "Network", "What moved", "Pictures", "Right", "Taught in", "Size", "One answer",
    ]  # fmt: skip


@pytest.mark.parametrize("depth", get_args(Depth))
def test_the_runs_and_the_report_call_what_moved_as_the_choices_of_teach_do(depth: Depth) -> None:
    choices = {value: label.partition("\n")[0] for label, value in depth_choices({})}
    run = replace(RUN, depth=depth)

    assert f">{choices[depth]}<" in rendered(runs_table([run]))
    assert f", “{choices[depth]}”, taught on" in rendered(of_run(run, 1))


def test_a_depth_of_a_later_version_keeps_its_name() -> None:
    assert ">deeper<" in rendered(runs_table([replace(RUN, depth="deeper")]))
