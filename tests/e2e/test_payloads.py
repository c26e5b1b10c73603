"""Names that are markup, from the upload to the table of runs: text everywhere, a command nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.house import House, Visit
from tests.e2e.test_pictures import classes, give_zip, zip_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DEED = "globalThis.stolen=1"
CLASSES = (
    f"<img src=x onerror={DEED}>",
    f"\"'><svg onload={DEED}>",
    f"[x](javascript:{DEED}) {{{{7*7}}}}",
)
FILES = (
    f"<iframe srcdoc=`x` onload={DEED}>",
    f"' onmouseover='{DEED}",
    "=cmd()!A0",
    "</title><script>x</script>",
    "plain",
)
PROJECT = f"</script><script>{DEED}</script>"
FORBIDDEN = (
    "img[src=x], svg[onload], [onerror], [onload], [onmouseover], iframe[srcdoc], a[href^='javascript:']"
)


def nothing_was_run(visit: Visit) -> None:
    """Neither the deed was done, nor does any element stand ready to do it."""
    assert visit.page.evaluate("globalThis.stolen === undefined")
    assert visit.page.locator(FORBIDDEN).count() == 0
    assert visit.page.title() == "headswap"


def test_names_that_are_markup_stay_text_on_every_step(visit: Visit, house: House, tmp_path: Path) -> None:
    def inside(name: str) -> str:
        return name.replace("/", "∕")

    names = [f"{name}/{inside(file)} {n}.jpg" for name in CLASSES for n, file in enumerate(FILES)]
    page = visit.page
    visit.open_step("pictures")

    give_zip(visit, zip_of(tmp_path / f"{inside(PROJECT)}.zip", [*names, f"{CLASSES[0]}/{FILES[0]}.gif"]))

    visit.wait("#hs-classes .klass")
    assert len(classes(visit)) == 3
    assert {name.split(" ")[0] for name in classes(visit)} == {name.split(" ")[0] for name in CLASSES}
    nothing_was_run(visit)
    page.click("#hs-classes .klass:has-text('<img') .look >> nth=0")
    visit.wait("#hs-view dialog[open] h2:has-text('<img')")
    nothing_was_run(visit)
    page.keyboard.press("Escape")
    page.fill("#hs-name :is(input, textarea)", PROJECT)
    page.keyboard.press("Tab")
    visit.open_step("model")
    visit.wait("#hs-head svg text:has-text('<img')")
    nothing_was_run(visit)
    visit.open_step("teaching")
    visit.teach()
    nothing_was_run(visit)
    for step in ("teaching", "test", "home"):
        visit.open_step(step)
        nothing_was_run(visit)
    visit.reload()
    assert page.input_value("#hs-name :is(input, textarea)") == PROJECT
    nothing_was_run(visit)
    page.goto(f"{house.url}runs")
    visit.wait("#hs-runs tr:has-text('lite0')")
    nothing_was_run(visit)
    visit.moved_on()
