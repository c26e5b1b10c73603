"""axe on every step and state, in light and dark: nothing serious, nothing critical."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.e2e.house import WAIT_MS, House, Visit
from tests.e2e.test_learn import guess_and_run, learn, turn_to
from tests.e2e.test_learn_class import link_of, phone

pytestmark = pytest.mark.browser

COLOURED = ["color-contrast", "link-in-text-block"]  # rules that another set of colours can break
SEVERE = ("serious", "critical")
# All that is asked of the answer: what passes is only counted, for a state has thousands of it.
JUDGED = """options => axe.run({resultTypes: ['violations'], preload: false, ...options})
  .then(({violations, passes}) => [violations, passes.length])"""
HAS_TURNED = """dark => (!document.querySelector('gradio-app') || document.body.matches('.dark') === dark)
  && !document.getAnimations().some(one => one instanceof CSSTransition)"""
AT_ONCE = (
    "* { transition: none !important }"  # hundreds of colours on their way cost more than all that axe does
)


class Judge:
    """Looks at one page state after the other, in light and dark, and remembers what is wrong with each."""

    def __init__(self, visit: Visit) -> None:
        self.page, self.found, self.looked = visit.page, list[str](), 0

    def look(self, where: str, page: Page | None = None) -> None:
        page = page or self.page
        self.looked += 1
        if not page.evaluate("'axe' in window"):  # it stays until the page is left for another
            page.evaluate(AXE_SCRIPT)
            page.add_style_tag(content=AT_ONCE)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(HAS_TURNED, arg=scheme == "dark")
            rules = {} if scheme == "light" else {"runOnly": {"type": "rule", "values": COLOURED}}
            violations, passed = page.evaluate(JUDGED, rules)
            assert passed, "axe has judged nothing"
            for violation in violations:
                if violation["impact"] in SEVERE:
                    places = [node["target"] for node in violation["nodes"][:4]]
                    reason = violation["nodes"][0]["failureSummary"].replace("\n", " ")[:300]
                    self.found.append(f"{where}, {scheme}: {violation['id']} at {places}: {reason}")


def is_announced(visit: Visit, step: str) -> None:
    """What happens is said to a screen reader, too, and where one is."""
    assert visit.page.locator("#hs-chip [role=status][aria-live=polite] .hs-status").count() == 1, step
    assert visit.page.locator("#hs-steps [role=tab][aria-selected=true]").count() == 1, step
    assert visit.page.locator(f"#hs-{step} h1:visible").count() == 1, step


def test_before_any_image_while_it_learns_and_in_every_error_nothing_is_serious(
    enter: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = enter()
    page, judge = visit.page, Judge(visit)
    visit.wait("#hs-head svg.wide")
    visit.wait(".card .state")
    page.click("#hs-how > button")
    page.click("#hs-own > button")
    visit.wait("#hs-path")
    is_announced(visit, "model")
    judge.look("model")
    visit.check_layer("no.such.layer", found="classifier")
    visit.wait("#hs-model .mistake")
    judge.look("model, a wrong layer")

    visit.open_step("pictures")
    is_announced(visit, "pictures")
    judge.look("pictures, none")
    page.click("#hs-camera .open-camera")
    visit.wait("#hs-camera .hold:not([disabled])")
    judge.look("pictures, camera")
    page.click("#hs-camera [data-close]")
    (tmp_path / "holiday.zip").write_bytes(b"no zip")
    page.set_input_files(".drop input[data-testid$='upload-button']", tmp_path / "holiday.zip")
    visit.wait("#hs-pictures-status .mistake")
    judge.look("pictures, a file that is no zip")

    visit.open_step("teaching")
    page.click("#hs-depth label:has-text('All of it')")
    visit.wait("#hs-depth label:has-text('All of it') input:checked")
    page.click("#hs-finer > button")
    visit.wait("#hs-finer .hs-field")
    is_announced(visit, "teaching")
    judge.look("teach, every choice open")
    for step in ("test", "home"):
        visit.open_step(step)
        is_announced(visit, step)
        judge.look(f"{step}, nothing taught")

    visit.open_step("model")
    visit.use_sample()
    page.click("#hs-teach")
    visit.wait("#hs-live [role=progressbar]")
    judge.look("teach, learning")
    page.click("#hs-stop")
    visit.wait("#hs-chip [data-state=cancelled]")
    judge.look("teach, stopped")

    stranger = enter(path="runs")
    stranger.wait("#hs-runs .hs-empty")
    judge.look("runs, none", stranger.page)

    assert judge.found == [], "\n".join(judge.found)
    assert judge.looked == 11


def test_with_images_and_a_result_nothing_is_serious(taught: Visit, house: House) -> None:
    page, judge = taught.page, Judge(taught)
    taught.open_step("model")
    taught.wait("#hs-head svg text:has-text('vehicle')", state="attached")
    page.click("#hs-open")
    taught.wait("#hs-known .known")
    judge.look("model, with classes, projects open")
    page.click("#hs-open-close")

    taught.open_step("pictures")
    judge.look("pictures")
    page.click("[aria-label='Rename, merge or leave out fruit']")
    taught.wait("#hs-view dialog[open]")
    judge.look("pictures, a class")
    page.keyboard.press("Escape")
    page.click("[data-class=bird] .look >> nth=0")
    taught.wait("#hs-view dialog[open] .large img")
    judge.look("pictures, one picture")
    page.keyboard.press("Escape")

    taught.open_step("teaching")
    judge.look("teach, done")
    taught.open_step("test")
    taught.wait("#hs-examples li:nth-child(6) .told svg")
    page.click("#hs-look")
    taught.wait("#hs-heat img")
    page.click("#hs-grid .cell >> nth=1")
    judge.look("test")
    taught.open_step("home")
    taught.packed()
    judge.look("home, packed")
    page.goto(f"{house.url}runs")
    taught.wait("#hs-runs table")
    page.click("#hs-runs [data-run^=ask] >> nth=0")
    taught.wait("#hs-runs [data-run^=delete]")
    judge.look("runs")
    taught.go_home()

    assert judge.found == [], "\n".join(judge.found)
    assert judge.looked == 8


def test_in_the_lesson_and_on_the_phones_nothing_is_serious(
    visit: Visit, house: House, browser: Browser
) -> None:
    page, judge = learn(visit, house, "what-is-a-head"), Judge(visit)
    page.click("#hs-learn-predict .quiz summary")
    judge.look("six networks")
    turn_to(page, "which-layer")
    page.click(".with-class summary")
    page.click("[data-do='vote:open']")
    url = link_of(page)
    judge.look("a question and its link")
    with phone(browser, url) as pupil:
        judge.look("a vote on a phone", pupil)
        pupil.click("button[value='1']")
        page.wait_for_selector(".votes[data-total='1']", timeout=WAIT_MS)
        page.click("[data-do='vote:close']")
        page.wait_for_selector("[data-do='vote:open']", timeout=WAIT_MS)
        guess_and_run(page, 1)
        judge.look("an answer and its reason")
        pupil.wait_for_selector("h2:has-text('Why')", timeout=WAIT_MS)
        judge.look("what phones see of it", pupil)
    page.click("[data-classroom]")
    page.wait_for_selector("html.class-room")
    judge.look("the class-room")
    page.click("[data-classroom]")
    page.click("#hs-learn-shelf [data-do=summary]")
    page.wait_for_selector(".summary table")
    judge.look("the summary")
    visit.moved_on()

    assert judge.found == [], "\n".join(judge.found)
    assert judge.looked == 7
