"""Make the pictures of each step that the README shows: python -m tests.e2e.screenshots [FOLDER]

Starts the app with an empty workspace, walks the journey with the sample set at a desk
and on a phone, light and dark, and writes PNG files into assets/screenshots.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.house import FLAGS, ROOT, Visit, app_running, chromium_path, visiting

WALKS = (("1280-light", 1280, 900, False), ("1280-dark", 1280, 900, True), ("390-light", 390, 844, False))


def main(folder: Path) -> None:
    """Walk the journey once for each look."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        with app_running(Path(place)) as house:
            for name, width, height, dark in WALKS:
                with visiting(browser, house, width=width, height=height, dark=dark) as visit:
                    walk(visit, folder, name)
        browser.close()


def walk(visit: Visit, folder: Path, name: str) -> None:
    """One journey, one picture of each step."""

    def shoot(step: str) -> None:
        visit.page.screenshot(path=folder / f"{step}-{name}.png", full_page=True)

    visit.use_sample()
    visit.open_step("model")
    visit.wait("#hs-head text:has-text('vehicle')", state="attached")
    visit.wait(".card .state")
    shoot("1-model")
    visit.open_step("pictures")
    visit.wait("#hs-classes .klass")
    shoot("2-pictures")
    visit.open_step("teaching")
    visit.page.click("#hs-teach")
    visit.wait("#hs-live polyline", state="attached")
    shoot("3-teach")
    visit.wait("#hs-chip [data-state=done]")
    visit.open_step("test")
    visit.wait("#hs-examples li:nth-child(8) .told svg")
    shoot("4-test")
    visit.open_step("home")
    visit.wait("#hs-download:not([disabled])")
    shoot("5-take-home")
    visit.page.goto(f"{visit.page.url.partition('?')[0].rstrip('/')}/runs")
    visit.wait("#hs-runs table")
    shoot("6-runs")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "assets" / "screenshots")
