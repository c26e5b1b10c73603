"""The list of projects that a browser knows."""

from __future__ import annotations

from dataclasses import replace

from headswap.app.service.archive import ProjectLine
from headswap.app.ui.projects import MOST_KNOWN, known_projects, remembered
from headswap.app.ui.widgets.html import rendered

LINE = ProjectLine(id="a" * 32, name="Mugs", images=60, classes=2, runs=3, last_run_at=None)


def test_each_project_is_a_button_with_its_facts_and_the_open_one_is_marked() -> None:
    other = ProjectLine(id="b" * 32, name="New project", images=0, classes=0, runs=0, last_run_at=None)

    drawn = rendered(known_projects((LINE, other), LINE.id))

    assert "60 pictures of 2 classes, 3 runs" in drawn
    assert "no pictures yet" in drawn
    assert drawn.count('aria-current="true"') == 1
    assert f'data-project="{other.id}"' in drawn


def test_a_project_shows_when_it_was_taught_and_a_few_of_its_images() -> None:
    trained = replace(LINE, last_run_at=1_700_000_000.0)

    drawn = rendered(known_projects((trained,), "", examples={LINE.id: ("data:image/jpeg;base64,AA==",)}))

    assert '<time datetime="2023-11-14T22:13:20Z">' in drawn
    assert '<img src="data:image/jpeg;base64,AA==" alt="">' in drawn


def test_nothing_is_deleted_without_being_asked_again() -> None:
    drawn = rendered(known_projects((LINE,), ""))
    asked = rendered(known_projects((LINE,), "", asking=LINE.id))

    assert f'data-project="ask:{LINE.id}"' in drawn
    assert "delete:" not in drawn
    assert f'data-project="delete:{LINE.id}"' in asked
    assert "60 pictures and 3 runs" in asked


def test_a_name_is_text(hostile: str) -> None:
    assert "<img" not in rendered(
        known_projects(
            (ProjectLine(id="a", name=hostile, images=0, classes=0, runs=0, last_run_at=None),), ""
        )
    )


def test_a_browser_remembers_the_newest_first_each_once_and_not_for_ever() -> None:
    assert remembered(["b", "a"], "a") == ["a", "b"]
    assert remembered([], "a") == ["a"]
    assert len(remembered([str(number) for number in range(99)], "a")) == MOST_KNOWN


def test_what_a_browser_sends_may_be_anything() -> None:
    for odd in (None, "text", {"a": 1}, [1, None, ["b"]], 7):
        assert remembered(odd, "a") == ["a"]
