"""One house and one browser for all tests of this folder; a profile of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

playwright_api = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.e2e.house import FLAGS, House, Visit, app_running, chromium_path, visiting  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = chromium_path(playwright)
        if found is None:
            reason = "No Chromium here: install the package chromium, or run `playwright install chromium`."
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        opened = playwright.chromium.launch(executable_path=found, headless=True, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    with app_running(tmp_path_factory.mktemp("house") / "workspace") as running:
        yield running


@pytest.fixture
def enter(browser: Browser, house: House) -> Iterator[Callable[..., Visit]]:
    """Open the page with a fresh profile; at the end of the test nothing forbidden may have happened."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def open_page(width: int = 1280, height: int = 900, dark: bool = False) -> Visit:
            visit = stack.enter_context(visiting(browser, house, width=width, height=height, dark=dark))
            visits.append(visit)
            return visit

        yield open_page
    assert [visit.strangers for visit in visits] == [[]] * len(visits), "a request left the host"
    assert [visit.errors for visit in visits] == [[]] * len(visits), "the console holds errors"


@pytest.fixture
def visit(enter: Callable[..., Visit]) -> Visit:
    return enter()


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[[dict[str, int]], Path]:
    """Make a folder of class folders with small, different pictures: {class: how many}."""

    def make(counts: dict[str, int]) -> Path:
        from PIL import Image, ImageDraw

        root = tmp_path / "my things"
        for k, (name, how_many) in enumerate(counts.items()):
            (root / name).mkdir(parents=True)
            for i in range(how_many):
                image = Image.new("RGB", (160, 120), (60 + 60 * k, 40 + 2 * i, 90))
                pen = ImageDraw.Draw(image)
                pen.rectangle((i, 5 * k, 60 + i, 60 + i // 3), fill=(220 - 2 * i, 50 * k, 20 + 2 * i))
                image.save(root / name / f"picture {i}.PNG")
        return root

    return make
