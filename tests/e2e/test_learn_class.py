"""A class and its teacher in real browsers: a vote on phones, a run followed read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.house import NAME, WAIT_MS, House, Visit, new_profile
from tests.e2e.test_learn import LONG_MS, OVERFLOW, guess_and_run, learn, turn_to

pytestmark = pytest.mark.browser

LESSON = "which-layer"


@contextmanager
def phone(browser: Browser, url: str, *, scripts: bool = True, dark: bool = False) -> Iterator[Page]:
    """A pupil's phone: a profile of its own, which knows the link and nothing else."""
    context = new_profile(
        browser, viewport={"width": 390, "height": 844}, java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
    )  # fmt: skip
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    yield page
    assert [error for error in errors if "404" not in error] == []  # what the end of sharing looks like
    context.close()


def link_of(page: Page) -> str:
    page.wait_for_selector(".link-card .url", timeout=WAIT_MS)
    return page.inner_text(".link-card .url")


def test_a_class_votes_on_its_phones_sees_the_bar_and_follows_the_run(
    visit: Visit, house: House, browser: Browser
) -> None:
    teacher = learn(visit, house, LESSON)
    teacher.click(".with-class summary")
    teacher.click("[data-do='vote:open']")
    url = link_of(teacher)
    assert url.startswith(f"{house.url}follow?key=")
    assert teacher.locator(".link-card .qr svg path").count() >= 1

    with (
        phone(browser, url) as ada,
        phone(browser, url, dark=True) as bob,
        phone(browser, url, scripts=False) as eve,
    ):
        for page, choice in ((ada, 0), (bob, 1), (eve, 1)):
            page.click(f"button[value='{choice}']")
            page.wait_for_selector(f"button[value='{choice}'][aria-pressed=true]", timeout=WAIT_MS)
        ada.click("button[value='1']")  # another thought
        ada.wait_for_selector("button[value='1'][aria-pressed=true]", timeout=WAIT_MS)
        teacher.wait_for_selector(".votes[data-total='3']", timeout=WAIT_MS)
        assert teacher.locator(".votes li").count() == 0, "no one follows what the others say"
        assert ada.evaluate(OVERFLOW) <= 0

        teacher.click("[data-do='vote:close']")
        teacher.wait_for_selector("[data-do='vote:open']", timeout=WAIT_MS)
        assert teacher.locator(".votes li .hs-num").all_inner_texts() == [
            "0 0\u00a0%",
            "3 100\u00a0%",
            "0 0\u00a0%",
        ]
        ada.wait_for_selector(".votes", timeout=WAIT_MS)
        assert ada.locator("form, button, a, input, img").count() == 0, "nothing to press, no pictures"

        guess_and_run(teacher, 1)
        ada.wait_for_selector("h2:has-text('Why')", timeout=LONG_MS)
        assert "You said “1000, as before”." in ada.inner_text("main")
        assert "still 1000 answers" in ada.inner_text("main")
        bob.wait_for_selector("svg.lesson", timeout=LONG_MS)

        turn_to(teacher, "norms")
        ada.wait_for_selector("h1:has-text('Norms that drift')", timeout=WAIT_MS)
        teacher.click("[data-do=unshare]")
        ada.wait_for_selector("h1:has-text('It is over.')", timeout=WAIT_MS)
        bob.wait_for_selector("h1:has-text('It is over.')", timeout=WAIT_MS)
        assert eve.goto(url).status == 404  # type: ignore[union-attr]
        ada.evaluate("location.replace('about:blank')")
    visit.moved_on()


def test_a_run_of_step_3_is_followed_without_an_image_and_its_images_are_offered_and_used_here(
    visit: Visit, house: House, browser: Browser, project_file: Path
) -> None:
    page = visit.page
    visit.open_project(project_file)
    visit.open_step("teaching")
    page.click("#hs-share [data-do=share]")
    url = link_of(page)

    with phone(browser, url) as pupil:
        pupil.wait_for_selector("h1:has-text('A new head was taught')", timeout=WAIT_MS)
        words = pupil.inner_text("main")
        assert "exam pictures right" in words
        assert pupil.locator("img, image, form, button, a").count() == 0
        assert NAME.split()[0] not in words
        assert pupil.evaluate(OVERFLOW) <= 0

    page.click("#hs-share [data-do=unshare]")
    visit.wait("#hs-share [data-do=share]")

    learn(visit, house, LESSON)
    page.wait_for_selector(".material")
    page.click(".material label:has-text('your pictures')")
    guess_and_run(page, 1)
    assert "on the sample set" in page.inner_text("#hs-learn-predict .answers")
    assert "pictures of" in page.inner_text("#hs-learn-see")
    visit.moved_on()


def test_behind_a_log_in_the_link_opens_its_page_and_no_other(
    browser: Browser, locked: tuple[House, str]
) -> None:
    house, code = locked
    context = new_profile(browser)
    page = context.new_page()
    page.goto(f"{house.url}learn?lesson={LESSON}")
    page.fill("input >> nth=0", "ada", timeout=WAIT_MS)
    page.fill("input[type=password]", code)
    page.keyboard.press("Enter")
    page.wait_for_selector("#hs-learn-predict .answers", timeout=WAIT_MS)
    page.click(".with-class summary")
    page.click("[data-do='vote:open']")
    url = link_of(page)

    with phone(browser, url) as pupil:
        pupil.click("button[value='1']")
        pupil.wait_for_selector("button[value='1'][aria-pressed=true]", timeout=WAIT_MS)
        page.wait_for_selector(".votes[data-total='1']", timeout=WAIT_MS)
    stranger = new_profile(browser).new_page()
    for place in ("", "learn", "runs"):
        stranger.goto(f"{house.url}{place}")
        stranger.wait_for_selector("input[type=password]", timeout=WAIT_MS)
        assert stranger.locator("#hs-chip, #hs-learn, #hs-runs").count() == 0, place
    assert stranger.goto(f"{house.url}follow?key={'0' * 32}").status == 404  # type: ignore[union-attr]
    stranger.context.close()
    context.close()
