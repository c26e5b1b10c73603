"""The main job in a real browser: sample, teach, report, try, take home; and what a reload must not break."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.house import WAIT_MS, House, Visit, new_profile
from tests.e2e.test_teaching import choose_everything

pytestmark = pytest.mark.browser


def test_a_newcomer_gets_a_first_prediction_with_two_presses(
    visit: Visit, house: House, took: Callable[[str, float, float], None]
) -> None:
    visit.wait("#hs-sample-first")
    visit.count_clicks()
    start = time.monotonic()
    visit.use_sample()
    ready = time.monotonic()
    visit.teach()
    done = time.monotonic()

    assert visit.clicks == 2
    took("server up, s", house.seconds_to_start, 12)
    took("sample: presses to a first prediction", visit.clicks, 2)
    took("sample: pictures read, s", ready - start, 9)
    took("sample: teach to prediction, s", done - ready, 6)
    took("sample: first press to first prediction, s", done - start, 15)
    page = visit.page
    assert "pictures right" in page.inner_text("#hs-verdict h1")
    assert page.locator("#hs-answer .bars").first.locator("li").count() == 4
    visit.wait("#hs-examples li:nth-child(8) .told svg")  # all eight examples have their answer


def test_a_newcomer_with_a_folder_gets_there_with_three_presses(
    visit: Visit, planted: Path, took: Callable[[str, float, float], None]
) -> None:
    page = visit.page
    visit.wait("#hs-folder-first")
    visit.count_clicks()
    start = time.monotonic()
    with page.expect_file_chooser() as chooser:
        page.click("#hs-folder-first")
    chooser.value.set_files(planted)
    visit.wait("#hs-to-teach:not([disabled])")
    page.click("#hs-to-teach")
    visit.wait("#hs-teach:not([disabled])")
    visit.teach()

    took("folder: presses to a first prediction", visit.clicks, 3)
    took("folder: first press to first prediction, s", time.monotonic() - start, 15)
    assert visit.clicks == 3


def test_a_folder_dropped_on_the_first_screen_is_taken_in(visit: Visit) -> None:
    visit.wait("#hs-folder-first")
    drop = """(names) => {
      const carried = new DataTransfer();
      for (const name of names) carried.items.add(new File([name], name, {type: 'image/jpeg'}));
      document.querySelector('h1').dispatchEvent(
        new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
    }"""

    visit.page.evaluate(drop, ["a.jpg", "b.jpg"])

    visit.wait("#hs-picker dialog[open]:has-text('What do these 2 pictures show?')")


def test_a_reload_in_the_middle_finds_the_same_lesson_again(
    visit: Visit, took: Callable[[str, float, float], None]
) -> None:
    visit.use_sample()
    start = time.monotonic()
    visit.page.click("#hs-teach")
    visit.wait("#hs-chip [data-state=running], #hs-chip [data-state=queued]")
    took("press to a lesson that waits or runs, s", time.monotonic() - start, 1)

    visit.reload()

    visit.wait("#hs-chip .hs-status[data-state]")
    assert visit.page.get_attribute("#hs-chip .hs-status", "data-state") in ("queued", "running", "done")
    visit.wait("#hs-chip [data-state=done]")
    visit.open_step("test")
    visit.wait("#hs-verdict .verdict")
    again = visit.reopened()
    again.wait("#hs-chip [data-state=done]")
    again.open_step("test")
    again.wait("#hs-verdict .verdict")
    again.open_step("pictures")
    assert "96 pictures in four classes" in again.page.inner_text("#hs-classes h2")


def test_a_double_click_makes_one_job_and_stop_stops_it(
    visit: Visit, house: House, class_folders: Callable[[dict[str, int]], Path]
) -> None:
    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[type=file]", class_folders({"ring": 90, "square": 90}))
    visit.wait("#hs-classes .klass")
    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")
    choose_everything(visit)  # or it is done before it can be stopped
    before = jobs_of(house)

    visit.page.dblclick("#hs-teach")
    visit.wait("#hs-stop")
    visit.page.click("#hs-stop")
    visit.wait("#hs-chip [data-state=cancelled]")

    assert jobs_of(house) == before + 1
    assert visit.page.inner_text("#hs-chip").strip() == "Stopped. Nothing is running"
    visit.wait("#hs-teach:not([disabled])")


def jobs_of(house: House) -> int:
    with sqlite3.connect(f"file:{house.workspace / 'jobs.sqlite'}?mode=ro", uri=True) as store:
        return int(store.execute("SELECT count(*) FROM job").fetchone()[0])


def test_a_press_in_the_first_moment_is_not_lost(browser: Browser, house: House) -> None:
    for _ in range(2):
        context = new_profile(browser)
        page = context.new_page()
        page.goto(house.url)
        page.click("#hs-sample-first")  # as soon as it can be pressed at all

        page.wait_for_selector("#hs-teach:not([disabled])", timeout=WAIT_MS)
        context.close()
