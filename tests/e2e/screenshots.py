"""Make the pictures of each step that the README shows: python -m tests.e2e.screenshots [FOLDER]

Starts the app with an empty workspace, walks the journey with the sample set at a desk
and on a phone, light and dark, and writes PNG files into assets/screenshots: every page whole, and
a strip of phone screens as one sees them, with the next action at their foot.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.e2e.house import FLAGS, ROOT, Visit, app_running, chromium_path, visiting

GAP_PX, STRIP_PX = 20, 300  # between phones; width of each


@dataclass(frozen=True)
class Look:
    """A screen and its light."""

    width: int
    height: int
    dark: bool

    @property
    def name(self) -> str:
        return f"{self.width}-{'dark' if self.dark else 'light'}"

    @property
    def is_phone(self) -> bool:
        return self.width < 700


LOOKS = (Look(1280, 900, False), Look(1280, 900, True), Look(390, 844, False), Look(390, 844, True))


def main(folder: Path) -> None:
    """Walk the journey once for each look."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        with app_running(Path(place)) as house:
            for look in LOOKS:
                with visiting(browser, house, width=look.width, height=look.height, dark=look.dark) as visit:
                    screens = walk(visit, folder, look)
                if look.is_phone:
                    save(strip(screens), folder / f"phone-{'dark' if look.dark else 'light'}.png")
        browser.close()


def walk(visit: Visit, folder: Path, look: Look) -> list[bytes]:
    """One journey, one picture of each step; what fits on the screen is given back."""
    screens: list[bytes] = []

    def shoot(step: str) -> None:
        visit.page.mouse.move(0, 0)
        visit.page.evaluate("window.scrollTo({top: 0})")
        screens.append(visit.page.screenshot())
        save(visit.page.screenshot(full_page=True), folder / f"{step}-{look.name}.png")

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
    visit.page.click("#hs-look-exam")
    visit.wait("#hs-where figure:nth-child(3) img")
    shoot("4-test")
    visit.open_step("home")
    visit.packed()
    shoot("5-take-home")
    visit.page.goto(f"{visit.page.url.partition('?')[0].rstrip('/')}/runs")
    visit.wait("#hs-runs table")
    visit.compare("efficientnet_lite1", "efficientnet_lite2")
    visit.wait("#hs-runs tr:nth-child(3) .good")
    shoot("6-runs")
    learn(visit)
    shoot("7-learn")
    return screens


def strip(screens: list[bytes]) -> bytes:
    """Phone screens side by side."""
    shown = [Image.open(BytesIO(screen)).convert("RGB") for screen in screens[:5]]
    small = [one.resize((STRIP_PX, round(one.height * STRIP_PX / one.width))) for one in shown]
    sheet = Image.new("RGB", (len(small) * (STRIP_PX + GAP_PX) - GAP_PX, small[0].height), "white")
    for number, one in enumerate(small):
        sheet.paste(one, (number * (STRIP_PX + GAP_PX), 0))
    target = BytesIO()
    sheet.save(target, "PNG")
    return target.getvalue()


def save(image: bytes, file: Path) -> None:
    """Write a picture as small as it gets without losing a colour."""
    with Image.open(BytesIO(image)) as whole:
        whole.convert("RGB").save(file, optimize=True)


def learn(visit: Visit) -> None:
    """One experiment, guessed and run, with another one done before it."""
    page = visit.page
    page.goto(f"{page.url.rpartition('/')[0]}/learn")
    for name, guess in (("which-layer", 2), ("old-optimizer", 2)):
        visit.wait(f"#hs-learn-shelf [data-do='open:{name}']")
        page.click(f"#hs-learn-shelf [data-do='open:{name}']")
        visit.wait(f"#hs-learn-shelf [data-do='open:{name}'][aria-current]")
        page.click(f"#hs-learn-predict .answers label:nth-of-type({guess})")
        page.click("#hs-run:not([disabled])")
        visit.wait("#hs-learn-see svg.lesson", state="attached")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "assets" / "screenshots")
