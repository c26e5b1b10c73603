"""The main job in a real browser: sample, teach, report, try, take home; and what a reload must not break."""

from __future__ import annotations

import sqlite3
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import House, Visit

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"


def test_a_newcomer_gets_a_first_prediction_with_two_presses(
    visit: Visit, house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    visit.use_sample()
    ready = time.monotonic()
    visit.teach()
    done = time.monotonic()

    page = visit.page
    assert "pictures right" in page.inner_text("#hs-verdict h1")
    assert page.locator("#hs-answer .bars").first.locator("li").count() == 4
    with capsys.disabled():
        print(  # noqa: T201
            f"\nserver up {house.seconds_to_start:.1f} s (goal 12) · sample read {ready - start:.1f} s · "
            "teach to "
            f"report {done - ready:.1f} s (goal 6) · two presses to a prediction {done - start:.1f} s "
            "(goal 15)"
        )

    visit.wait("#hs-examples li:nth-child(8) .told svg")  # all eight examples have their answer
    page.set_input_files("#hs-try input[type=file]", SAMPLE / "train" / "fruit" / "banana.png")
    visit.wait("#hs-answer .live:has-text('It says')")
    assert page.locator("#hs-answer .bars").first.locator("li").count() == 4

    cell = page.locator("#hs-grid .cell.hit").first
    called = cell.get_attribute("aria-label") or ""
    cell.click()
    visit.wait(f"#hs-opened h3:has-text('called {called.split(' called ')[1].split(':')[0]}')")
    assert page.locator("#hs-opened li").count() == min(12, int(cell.inner_text()))
    page.click("#hs-examples [data-example='3']")
    visit.wait("#hs-examples [data-example='3'][aria-pressed=true]")

    visit.open_step("home")
    visit.wait("#hs-download:not([disabled])")
    with page.expect_download() as download:
        page.click("#hs-download")
    saved = tmp_path / "mine.zip"
    download.value.save_as(saved)
    with zipfile.ZipFile(saved) as bundle:
        assert bundle.testzip() is None
        assert any(name.endswith(".safetensors") for name in bundle.namelist())


def test_a_reload_in_the_middle_finds_the_same_lesson_again(visit: Visit) -> None:
    visit.use_sample()
    visit.page.click("#hs-teach")
    visit.wait("#hs-chip [data-state=running], #hs-chip [data-state=queued]")

    visit.reload()

    visit.wait("#hs-chip .hs-status[data-state]")
    assert visit.page.get_attribute("#hs-chip .hs-status", "data-state") in ("queued", "running", "done")
    visit.wait("#hs-chip [data-state=done]")
    visit.open_step("test")
    visit.wait("#hs-verdict .verdict")
    visit.open_step("pictures")
    assert "96 pictures in four classes" in visit.page.inner_text("#hs-classes h2")


def test_a_double_click_makes_one_job_and_stop_stops_it(
    visit: Visit, house: House, class_folders: Callable[[dict[str, int]], Path]
) -> None:
    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[type=file]", class_folders({"ring": 90, "square": 90}))
    visit.wait("#hs-classes .klass")
    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")
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


def test_another_profile_sees_nothing_of_the_first(enter: Callable[..., Visit]) -> None:
    first, second = enter(), enter()
    first.use_sample()

    second.reload()

    second.open_step("pictures")
    second.wait("#hs-classes .hs-empty")
    second.open_step("teaching")
    assert second.page.is_disabled("#hs-teach")
    assert "Pictures first" in second.page.inner_text("#hs-live")
