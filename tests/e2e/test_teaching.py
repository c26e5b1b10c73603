"""Step 3 in a real browser: what moves, what is seen meanwhile, and what nothing may break."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Route
from playwright.sync_api import TimeoutError as NotSeen

from headswap.app.ui.launch import SESSIONS
from tests.e2e.house import WAIT_MS, House, Visit, app_running, visiting
from tests.ports import free_port

pytestmark = pytest.mark.browser

WATCH = """() => {
  window.seen = {shares: [], said: []};
  new MutationObserver(() => {
    const bar = document.querySelector('#hs-live .bar');
    const said = document.querySelector('#hs-live .live');
    if (bar) window.seen.shares.push(Number(bar.getAttribute('aria-valuenow')));
    if (said) window.seen.said.push(said.textContent);
  }).observe(document.querySelector('#hs-live'), {childList: true, subtree: true, attributes: true});
}"""
LINES = "#hs-live svg.wide polyline"
PASSES = 4  # over the practice pictures; by itself it makes twenty
Took = Callable[[str, float, float], None]


def ready(visit: Visit) -> None:
    visit.wait("#hs-sample-first")
    visit.page.click("#hs-sample-first")
    visit.wait("#hs-chip [data-done*=pictures]")
    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")


def choose_everything(visit: Visit) -> None:
    """A lesson that takes minutes, so that there is a middle to be in."""
    visit.page.click("#hs-depth label:has-text('All of it')")
    visit.wait("#hs-depth label:has-text('All of it') input:checked")


def stop(visit: Visit) -> None:
    """Press Stop until it is stopped: a page whose server came back loads itself again."""
    for _ in range(200):
        with contextlib.suppress(NotSeen):  # the press before may have counted: then the button goes away
            visit.page.click("#hs-stop", timeout=3_000)
        with contextlib.suppress(NotSeen):
            visit.page.wait_for_selector("#hs-chip [data-state=cancelled]", timeout=3_000)
            return
    raise AssertionError("the lesson was not stopped")


def is_running(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for_the_end(pid: int) -> None:
    """Until a process is gone."""
    end = time.monotonic() + WAIT_MS / 1000
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.02)  # polling a process, not waiting for the page


def running_worker(visit: Visit, house: House) -> int:
    visit.wait("#hs-chip [data-state=running]")
    visit.page.wait_for_function("() => document.querySelector('#hs-live .bar')?.ariaValueNow > 0")
    worker = house.newest_worker()
    assert worker is not None
    return worker


def test_going_further_shows_progress_both_lines_and_what_came_of_it(visit: Visit, took: Took) -> None:
    page = visit.page
    ready(visit)
    assert page.locator("#hs-depth input").count() == 5
    assert page.locator("#hs-budget:visible").count() == 0
    page.click("#hs-depth label:has-text('last part')")
    visit.wait("#hs-budget")
    page.click("#hs-finer > button")
    visit.wait("#hs-finer .hs-field")
    called = " ".join(mark.get_attribute("aria-label") or "" for mark in page.locator("#hs-finer .q").all())
    for word in ("epoch", "learning rate", "batch size", "data augmentation", "test set", "random seed"):
        assert word in called  # what the field calls it
    page.fill("#hs-finer input[aria-label='number input for Passes']", str(PASSES))
    page.keyboard.press("Tab")
    page.evaluate(WATCH)

    start = time.monotonic()
    page.click("#hs-teach")
    visit.wait("#hs-chip .busy")
    took("press to a lesson that is under way, s", time.monotonic() - start, 1)
    page.wait_for_selector("#hs-chip [data-state=done]", timeout=2 * WAIT_MS)

    seen = page.evaluate("window.seen")
    assert seen["shares"] == sorted(seen["shares"])
    assert len(set(seen["shares"])) >= 3
    assert any(said.startswith("Pass ") or said.startswith("Trying ") for said in seen["said"])
    visit.open_step("teaching")
    assert page.locator(f"{LINES}.practice").count() == page.locator(f"{LINES}.exam").count() == 1
    assert page.locator("#hs-six li").count() == 6
    visit.open_step("test")
    visit.wait(".verdict :text('What came of letting more of it move.')")


def test_a_run_is_waited_for_stopped_begun_again_killed_found_again_and_ended_with_the_best_so_far(
    enter: Callable[..., Visit], house: House, took: Took
) -> None:
    visit, second = enter(), enter()
    for person in (visit, second):
        ready(person)
    choose_everything(visit)
    visit.page.click("#hs-teach")
    worker = running_worker(visit, house)

    second.page.click("#hs-teach")  # of two people the second sees its place
    second.wait("#hs-chip [data-state=queued]")
    assert "place 1" in second.page.inner_text("#hs-chip")
    second.page.click("#hs-stop")
    second.wait("#hs-chip [data-state=cancelled]")

    start = time.monotonic()
    visit.page.click("#hs-stop-lesson")  # next to Teach; the one above is pressed by others
    visit.wait("#hs-chip [data-state=cancelled]")
    wait_for_the_end(worker)
    took("stop to a process that is gone, s", time.monotonic() - start, 3)

    visit.wait("#hs-teach:not([disabled])")
    visit.page.click("#hs-teach")
    again = running_worker(visit, house)
    assert again != worker

    start = time.monotonic()
    visit.reload()
    visit.wait("#hs-chip [data-state=running]")
    took("reload to the same lesson, s", time.monotonic() - start, 3)

    os.kill(again, signal.SIGKILL)
    start = time.monotonic()
    visit.open_step("teaching")
    visit.wait("#hs-live .live:has-text('The worker stopped and was started again')")
    took("a worker killed to a sentence about it, s", time.monotonic() - start, 10)

    tab = visit.page.context.new_page()
    tab.goto(visit.page.url)
    tab.wait_for_selector("#hs-chip [data-state=running], #hs-chip [data-state=queued]", timeout=WAIT_MS)
    tab.close()

    visit.page.click("#hs-finish-lesson", timeout=WAIT_MS)
    visit.wait("#hs-verdict .verdict")
    assert "Teaching ended early, as was asked" in visit.page.inner_text("#hs-test")


def test_the_result_opens_though_the_server_is_slow_to_hear_of_the_tabs_before(visit: Visit) -> None:
    ready(visit)
    held: list[Route] = []
    take: Callable[[Route], None] = held.append
    visit.page.route("**/gradio_api/run/predict*", lambda route: take(route))
    visit.open_step("pictures")
    visit.open_step("teaching")
    take = Route.continue_
    visit.page.click("#hs-teach")
    visit.wait("#hs-stop-lesson")

    for late in reversed(held):
        late.continue_()

    visit.wait("#hs-verdict .verdict")


def test_a_page_lives_through_a_restart_of_the_server_in_the_middle_of_a_lesson(
    browser: Browser, tmp_path: Path
) -> None:
    port, place = free_port(), tmp_path / "workspace"
    with ExitStack() as later:
        with app_running(place, port=port) as house:
            visit = later.enter_context(visiting(browser, house))
            ready(visit)
            choose_everything(visit)
            visit.page.click("#hs-teach")
            visit.wait("#hs-chip [data-state=running]")
        later.enter_context(app_running(place, port=port))
        visit.wait("#hs-chip [data-state=running], #hs-chip [data-state=queued]")
        stop(visit)


def test_an_idle_page_asks_nothing_and_costs_the_server_little(
    visit: Visit, house: House, took: Took
) -> None:
    visit.wait("#hs-head svg.wide")
    visit.wait(".card .state")
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))

    for _ in range(100):  # what opening it began comes to an end; a page that asks by itself never rests
        asked.clear()
        before = cpu_s(house.pid)
        visit.page.wait_for_timeout(4000)
        if not asked:
            break

    assert asked == []
    took("idle server, % of a core", 100 * (cpu_s(house.pid) - before) / 4, 4)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_page_outlives_being_forgotten_by_gradio(visit: Visit, house: House, tmp_path: Path) -> None:
    visit.use_sample()
    patient = {"timeout": 300.0}
    client = Client(house.url, verbose=False, download_files=tmp_path, httpx_kwargs=patient)
    for _ in range(SESSIONS + 2):  # as many pages are opened elsewhere, and each asks something
        client.reset_session()
        with pytest.raises(AppError):
            client.predict("0" * 32, api_name="/status")
    client.close()

    visit.teach()

    assert "right" in visit.page.inner_text("#hs-verdict .verdict")
