"""Many pictures at once in step 4: tried, looked through, named, taught again, and what that changed."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Route

from tests.e2e.house import SAMPLE, House, Visit, visiting
from tests.e2e.test_access import Judge

pytestmark = pytest.mark.browser

DRAWINGS, NOISES = 20, 4
CLOSED_BEFORE_THE_NEXT_COMES = """() => new Promise((told) => {
  const view = document.querySelector('#hs-many-view'), first = view.querySelector('dialog');
  new MutationObserver((_, watcher) => {
    const came = view.querySelector('dialog');
    if (!came || came === first) return;
    watcher.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => told(came.open)));
  }).observe(view, { childList: true, subtree: true });
  first.querySelector('[data-edit=look-tried]').click();
  first.close();
})"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings turned and mirrored, noise that is like none of them, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("many") / "holiday"
    folder.mkdir()
    drawings = [sorted((SAMPLE / "train" / name).iterdir()) for name in ("bird", "bug", "fruit", "vehicle")]
    for number, path in enumerate(path for paths in drawings for path in paths[: DRAWINGS // 4]):
        with Image.open(path) as drawing:
            see_through = drawing.convert("RGBA")
        opaque = Image.new("RGBA", see_through.size, "white")
        opaque.alpha_composite(see_through)
        turned = ImageOps.mirror(opaque.convert("RGB")).rotate(12, expand=True, fillcolor="white")
        turned.save(folder / f"photo {number:02}.png")
    for number in range(NOISES):
        noise = np.random.default_rng(number).integers(0, 256, (200, 200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"noise {number}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


@pytest.fixture(scope="module")
def tried_once(browser: Browser, house: House, finished: Path, unknown: Path) -> Iterator[Visit]:
    """One profile that has opened a project with a finished run, and has tried them."""
    with visiting(browser, house) as visit:
        visit.open_project(finished)
        visit.open_step("test")
        visit.page.set_input_files("#hs-many-choose input[webkitdirectory]", unknown)
        visit.wait("#hs-many .batch")
        visit.moved_on()  # the page is loaded again with the project
        yield visit


@pytest.fixture
def tried(tried_once: Visit) -> Iterator[Visit]:
    """Step 4 with the tried pictures; nothing forbidden may happen while they are looked at."""
    tried_once.open_step("test")
    tried_once.wait("#hs-many .batch")
    yield tried_once
    assert (tried_once.strangers, tried_once.errors) == ([], [])


def show(visit: Visit, chosen: str) -> None:
    """Press a filter that is not on; the answer to one that is would come in the middle of the next press."""
    button = visit.page.locator(f"#hs-many .filters [data-name={chosen}]")
    if button.get_attribute("aria-pressed") != "true":
        button.click()
    visit.wait(f"#hs-many .filters [data-name={chosen}][aria-pressed=true]")


def test_many_pictures_are_shown_by_class_the_doubtful_first_and_can_be_filtered(tried: Visit) -> None:
    page = tried.page

    show(tried, "all")

    assert f"{DRAWINGS + NOISES} pictures tried" in page.inner_text("#hs-many .batch > [role=status]")
    assert page.locator("#hs-many section").count() > 1
    assert page.locator("#hs-many .tiles li").count() <= 60
    assert "holiday/broken.jpg" in page.inner_text("#hs-many .left-out")
    assert "Traceback" not in page.inner_text("#hs-many .left-out")
    how_many = int(page.inner_text("#hs-many .filters [data-name=unlike] .hs-num"))
    show(tried, "unlike")
    assert page.locator("#hs-many .tiles li").count() == how_many
    assert page.locator("#hs-many .tiles li:has-text('unlike')").count() == how_many
    names = page.locator("#hs-many .tiles .look").evaluate_all("(all) => all.map((one) => one.title)")
    assert sum("noise" in name for name in names) > 0
    show(tried, "all")


def test_a_press_during_which_the_grid_is_drawn_again_is_not_lost(tried: Visit) -> None:
    page, again = (
        tried.page,
        "(inside) => { inside.parentElement.innerHTML = inside.parentElement.innerHTML; }",
    )
    show(tried, "all")
    unlike = page.locator("#hs-many .filters [data-name=unlike]")
    unlike.hover()

    page.mouse.down()
    page.eval_on_selector("#hs-many .batch", again)
    page.mouse.up()

    tried.wait("#hs-many .filters [data-name=unlike][aria-pressed=true]")
    page.locator("#hs-many .filters [data-name=all]").hover()
    page.mouse.down()
    page.eval_on_selector("#hs-many .batch", again)
    page.mouse.move(2, 2)  # let go next to it: no press
    page.mouse.up()
    assert unlike.get_attribute("aria-pressed") == "true"
    show(tried, "all")


def test_a_press_while_the_one_before_it_is_answered_is_not_lost(tried: Visit) -> None:
    page = tried.page
    show(tried, "all")
    held: list[Route] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    with page.expect_request("**/queue/join*"):
        page.click("#hs-many .filters [data-name=class-0]")
    page.click("#hs-many .filters [data-name=unlike]")

    for route in held:
        route.continue_()
    page.unroute("**/queue/join*")

    tried.wait("#hs-many .filters [data-name=unlike][aria-pressed=true]")
    assert page.locator("#hs-many .tiles li:not(:has-text('unlike'))").count() == 0
    show(tried, "all")


def test_one_of_them_is_opened_large_with_its_bars_and_leads_to_the_next(tried: Visit) -> None:
    page, judge = tried.page, Judge(tried)
    first = page.locator("#hs-many .look").first.get_attribute("title") or ""
    page.locator("#hs-many .pick input").first.check()
    tried.wait("#hs-many .it-is")
    judge.look("test, many tried")
    page.locator("#hs-many .pick input").first.uncheck()

    page.locator("#hs-many .look").first.click()

    dialog = "#hs-many-view dialog[open]"
    tried.wait(f"{dialog} .bars")
    tried.wait(f"{dialog} img[alt='{first}']")
    judge.look("test, one of many large")
    page.click(f"{dialog} button:has-text('Next picture')")
    tried.wait(f"{dialog} .large .plate img:not([alt='{first}'])")
    tried.wait(f"{dialog} h2:focus")  # it is open, and not only drawn
    assert page.evaluate(CLOSED_BEFORE_THE_NEXT_COMES) is False
    tried.wait("#hs-many-view dialog", state="detached")  # and the same picture can be opened again
    page.locator("#hs-many .look").first.click()
    tried.wait(f"{dialog} img[alt='{first}']")
    page.keyboard.press("Escape")
    tried.wait(dialog, state="detached")
    assert judge.found == [], "\n".join(judge.found)


def test_table_and_folders_are_those_of_the_shell(tried: Visit) -> None:
    page = tried.page

    with page.expect_download() as coming:
        page.click("#hs-many-table")
    text = Path(coming.value.path()).read_text(encoding="utf-8")
    with page.expect_download() as sorted_too:
        page.click("#hs-many-sorted")

    rows = list(csv.DictReader(io.StringIO(text)))
    columns = ["file", "label", "sure", "unlike", "is_unlike", "nearest", "bird", "fruit", "vehicle"]
    assert list(rows[0]) == columns
    assert len(rows) == DRAWINGS + NOISES
    assert {row["label"] for row in rows} <= set(columns[6:])
    assert "holiday/photo 00.png" in {row["file"] for row in rows}
    with zipfile.ZipFile(sorted_too.value.path()) as packed:
        assert packed.read("answers.csv").decode() == text
        assert len(packed.namelist()) == len(rows) + 1
        assert {name.split("/")[0] for name in packed.namelist()} <= {
            "answers.csv", "_unlike", "_not sure", *columns[6:]
        }  # fmt: skip


def test_on_a_narrow_phone_nothing_is_wider_than_the_screen(tried: Visit) -> None:
    page = tried.page
    before = page.viewport_size
    assert before
    show(tried, "all")
    for width in (360, 320):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate(TOO_WIDE) <= 0
    page.set_viewport_size({"width": 360, "height": 740})

    page.locator("#hs-many .pick input").first.check()
    tried.wait("#hs-many .it-is:has-text('1 picture')")
    assert page.evaluate(TOO_WIDE) <= 0
    page.click("#hs-many .it-is button[data-name=fruit]")
    tried.wait("#hs-many .changed:has-text('it is fruit')")
    page.locator("#hs-many .look").first.click()
    tried.wait("#hs-many-view dialog[open] .bars")
    assert page.evaluate(TOO_WIDE) <= 0

    page.click("#hs-many-view [data-close]")
    tried.wait("#hs-many-view dialog[open]", state="detached")
    page.click("#hs-many .changed [data-edit=undo]")  # as it was, for who looks next
    tried.wait("#hs-many .tag:has-text('it is fruit')", state="detached")
    page.set_viewport_size(before)


def test_what_is_named_is_taught_and_the_report_says_what_changed(tried: Visit) -> None:
    page = tried.page
    changed = "#hs-many .changed"
    for number in range(4):
        page.locator("#hs-many .pick input").nth(number).check()
    tried.wait("#hs-many .it-is:has-text('4 pictures')")

    page.click("#hs-many .it-is button[data-name=vehicle]")
    tried.wait(f"{changed}:has-text('4 pictures named: they are vehicle.')")
    assert page.locator("#hs-many .tiles .tag:has-text('it is vehicle')").count() == 4
    for undo in (True, False):
        page.locator("#hs-many .look").nth(4).click()
        form = "#hs-many-view dialog[open] form"
        tried.wait(form)
        page.fill(f"{form} input", "robot")
        page.press(f"{form} input", "Enter")
        tried.wait(f"{changed}:has-text('1 picture named: it is robot.')")
        if undo:
            page.click(f"{changed} [data-edit=undo]")
            tried.wait(f"{changed}:has-text('they are vehicle.')")
            tried.wait(f"{changed} [data-edit=undo]:focus")  # the keyboard goes on there
            assert page.locator("#hs-many .tag:has-text('it is robot')").count() == 0
    tried.open_step("pictures")
    tried.wait("#hs-classes .klass[data-class=robot]")
    page.click("#hs-classes .changed [data-edit=undo]")  # taken back there, it is taken back here
    tried.wait("#hs-many .tag:has-text('it is robot')", state="detached")
    tried.open_step("test")
    page.locator("#hs-many .look").nth(4).click()
    tried.wait(form)
    page.fill(f"{form} input", "robot")
    page.press(f"{form} input", "Enter")
    tried.wait(f"{changed}:has-text('1 picture named: it is robot.')")

    page.click("#hs-many-teach")
    tried.wait("#hs-teach:not([disabled])")
    page.click("#hs-teach")
    tried.wait("#hs-chip .hs-status[data-state=done]:not([data-stale])")

    tried.wait("#hs-since .since")
    assert "in the exam of both runs" in page.inner_text("#hs-since")
    assert "29 pictures now, 24 before" in page.inner_text("#hs-since")
    tried.wait("#hs-many [data-edit=try-again]")
    page.click("#hs-many [data-edit=try-again]")
    tried.wait("#hs-many .batch:not(:has([data-edit=try-again]))")
    tried.wait("#hs-many .filters [data-name=all]:has-text('24')")
    page.click("#hs-many-away")
    tried.wait("#hs-many .batch", state="detached")
