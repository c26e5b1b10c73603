"""One house and one browser for all tests of this folder; a profile of its own for each test.

What takes long is made once: a project that was taught on drawings with one label planted wrong (`taught`),
and a file with finished runs (`project_file`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

playwright_api = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from headswap.app.service.accounts import add  # noqa: E402
from tests.conftest import MEASURED  # noqa: E402
from tests.e2e.house import (  # noqa: E402
    FLAGS,
    NAME,
    PLANTED,
    SAMPLE,
    House,
    Visit,
    app_running,
    chromium_path,
    visiting,
)
from tests.e2e.saved import make_project  # noqa: E402

EACH = 16  # drawings of each class


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


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[House, str]]:
    """A house behind a log-in where no network may be fetched, and the code of ada."""
    folder = tmp_path_factory.mktemp("locked")
    codes = add(folder / "class.json", ("ada",))
    options = ("--auth", str(folder / "class.json"), "--networks", "here")
    with app_running(folder / "workspace", *options) as running:
        yield running, codes["ada"]


@pytest.fixture
def enter(browser: Browser, house: House) -> Iterator[Callable[..., Visit]]:
    """Open the page with a fresh profile; at the end of the test nothing forbidden may have happened."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def open_page(width: int = 1280, height: int = 900, dark: bool = False, path: str = "") -> Visit:
            visiting_it = visiting(browser, house, width=width, height=height, dark=dark, path=path)
            visit = stack.enter_context(visiting_it)
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


@pytest.fixture
def took(record_property: Callable[[str, object], None]) -> Callable[[str, float, float], None]:
    """Note what something took, next to its goal, to be printed at the end: a test judges no speed."""

    def tell(what: str, measured: float, goal: float) -> None:
        record_property(MEASURED, f"{what}: {measured:.2f} (goal {goal:g})")

    return tell


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings of three classes; a car lies among the fruit."""
    folder = tmp_path_factory.mktemp("drawings") / "drawings"
    for name in ("bird", "fruit", "vehicle"):
        (folder / name).mkdir(parents=True)
        for drawing in sorted((SAMPLE / "train" / name).iterdir())[:EACH]:
            shutil.copy(drawing, folder / name)
    shutil.copy(SAMPLE / "train" / "vehicle" / "car.png", folder / "fruit" / PLANTED)
    (folder / "vehicle" / "car.png").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="session")
def taught_once(browser: Browser, house: House, planted: Path) -> Iterator[Visit]:
    """One profile with one taught project, for the whole session."""
    with visiting(browser, house) as visit:
        visit.teach_folder(planted)
        visit.wait("#hs-examples li:nth-child(6) .told svg")
        yield visit


@pytest.fixture
def taught(taught_once: Visit) -> Iterator[Visit]:
    """The taught project with step 4 open; nothing forbidden may happen while it is looked at."""
    taught_once.open_step("test")
    taught_once.wait("#hs-verdict .verdict")
    taught_once.wait("#hs-examples li:nth-child(6) .told svg")  # what opening the page asked is all answered
    yield taught_once
    assert (taught_once.strangers, taught_once.errors) == ([], [])


@pytest.fixture(scope="session")
def project_file(few_drawings: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Save gives: pictures, and finished runs of three networks."""
    return make_project(tmp_path_factory.mktemp("saved"), few_drawings, bundle, NAME, time.time())
