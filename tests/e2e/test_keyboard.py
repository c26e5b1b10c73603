"""The whole journey without a mouse: every press is a key, and where the keys go can be seen."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import Visit

pytestmark = pytest.mark.browser

HAS_FOCUS = "(selector) => document.activeElement?.matches(selector) ?? false"
IS_MARKED = """() => {
  const style = getComputedStyle(document.activeElement), label = document.activeElement.closest('label');
  return style.boxShadow !== 'none' || style.outlineStyle !== 'none'
    || (label !== null && getComputedStyle(label).boxShadow !== 'none');
}"""
MOST_TABS = 90


def reach(visit: Visit, selector: str, key: str = "Tab") -> int:
    """Press Tab until the keys go to an element, and see that this shows; how many presses it took."""
    for presses in range(1, MOST_TABS):
        visit.page.keyboard.press(key)
        if visit.page.evaluate(HAS_FOCUS, selector):
            assert visit.page.evaluate(IS_MARKED), f"{selector} has the focus, and no one can see it"
            return presses
    raise AssertionError(f"{selector} was not reached with {MOST_TABS} presses of {key}")


def test_the_whole_journey_is_made_with_keys_only(visit: Visit, tmp_path: Path) -> None:
    page, press = visit.page, visit.page.keyboard.press
    visit.wait("#hs-head svg.wide")
    visit.count_clicks()

    reach(visit, "#hs-sample-first")
    press("Enter")
    visit.wait("#hs-teach:not([disabled])")
    # the old step went away with the button
    page.wait_for_function("document.activeElement.matches('#hs-teaching')")
    reach(visit, "#hs-teach")
    press("Enter")
    visit.wait("#hs-verdict .verdict")
    visit.wait("#hs-answer .bars")

    reach(visit, "#hs-grid .cell.hit")
    press("Enter")
    visit.wait("#hs-grid .cell[aria-pressed=true]")
    visit.wait("#hs-opened h3:has-text('called')")
    reach(visit, "[data-example='3']")
    press(" ")
    visit.wait("[data-example='3'][aria-pressed=true]")
    reach(visit, "#hs-look")
    press("Enter")
    visit.wait("#hs-heat img")
    reach(visit, "#hs-to-home")
    press("Enter")
    visit.packed()
    reach(visit, "#hs-download, #hs-download a, #hs-download button")
    with page.expect_download() as download:
        press("Enter")
    download.value.save_as(tmp_path / "mine.zip")

    assert zipfile.is_zipfile(tmp_path / "mine.zip")
    assert visit.clicks == 0


def test_images_are_chosen_mended_and_undone_with_keys_only(
    visit: Visit, class_folders: Callable[[dict[str, int]], Path]
) -> None:
    page, press = visit.page, visit.page.keyboard.press
    visit.wait("#hs-head svg.wide")
    visit.count_clicks()
    reach(visit, "#hs-model-button")
    press("ArrowRight")
    if not page.evaluate(HAS_FOCUS, "#hs-pictures-button"):
        reach(visit, "#hs-pictures-button")
    press("Enter")
    visit.wait("#hs-picker .folder[data-ready]")  # its script has come, too

    reach(visit, "#hs-picker .folder")
    with page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files(class_folders({"ring": 12, "square": 12}))
    visit.wait("#hs-classes .klass")
    reach(visit, "[aria-label='Rename, merge or leave out ring']")
    press("Enter")
    visit.wait("#hs-view dialog[open]")
    reach(visit, "#hs-view [data-edit=rename] input")
    press("Control+a")
    page.keyboard.type("circle")
    press("Enter")
    visit.wait(".changed:has-text('ring is now called circle.')")
    page.wait_for_function("document.activeElement.dataset.edit === 'undo'")
    press("Enter")
    visit.wait("[data-class=ring]")
    reach(visit, "#hs-to-teach")
    press("Enter")
    visit.wait("#hs-teach:not([disabled])")

    assert visit.clicks == 0


def test_the_camera_opens_films_and_closes_with_keys_only(visit: Visit) -> None:
    page, press = visit.page, visit.page.keyboard.press
    visit.open_step("pictures")
    reach(visit, "#hs-camera .open-camera")
    press("Enter")
    visit.wait("#hs-camera .hold:not([disabled])")
    page.keyboard.type("green")
    reach(visit, "#hs-camera .hold")
    page.keyboard.down(" ")
    page.wait_for_function("/Add ([4-9]|\\d\\d)/.test(document.querySelector('#hs-camera .add').textContent)")
    page.keyboard.up(" ")
    reach(visit, "#hs-camera .add")
    press("Enter")

    visit.wait("[data-class=green]")
