"""The page of the experiments: its own route, a memory of its own, silent while nothing runs."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.lessons.draw import LessonLocation, draw_lesson
from headswap.app.ui.page import build_page
from headswap.app.ui.widgets.html import rendered
from headswap.app.ui.widgets.pages import page_links, steps_links

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    workspace = tmp_path_factory.mktemp("workspace")
    return Service(Settings(workspace=workspace, sample=ROOT / "assets" / "sample" / "train"))


@pytest.fixture(scope="module")
def page(service: Service) -> gr.Blocks:
    return build_page(service, secret="s" * 32)


def test_it_is_a_page_of_its_own_that_remembers_its_course_and_the_open_project(page: gr.Blocks) -> None:
    kept = {
        block.storage_key
        for block in page.blocks.values()
        if isinstance(block, gr.BrowserState) and block.page == "learn"
    }

    assert "learn" in [route for route, *_ in page.pages]
    assert kept == {"headswap-course", "headswap-project"}


def test_it_is_silent_until_something_moves(page: gr.Blocks, service: Service) -> None:
    (timer,) = [one for one in page.blocks.values() if isinstance(one, gr.Timer) and one.page == "learn"]
    progress = service.lessons.open("", "").id

    assert not timer.active
    assert not draw_lesson(service, "", progress, "", LessonLocation(lesson="norms")).is_moving
    service.following.open_vote("", progress, "norms")
    assert draw_lesson(service, "", progress, "", LessonLocation(lesson="norms")).is_moving


def test_a_card_shows_nothing_of_the_experiment_before_it(service: Service) -> None:
    progress = service.lessons.open("", "").id

    drawn = draw_lesson(service, "", progress, "", LessonLocation(lesson="tuning")).parts

    assert "Tuning left to a machine" in rendered(drawn["heading"])
    assert "--depth auto" in rendered(drawn["why"])
    assert [drawn[name] for name in ("predict", "klass", "run", "see")] == [None] * 4


def test_every_page_leads_to_the_others() -> None:
    links = rendered(page_links("runs"))

    assert 'href="learn">Learn' in links
    assert 'href="runs" aria-current="page">Runs' in links
    assert "data-classroom" in links
    assert rendered(steps_links(None)).count("<a ") == 5
