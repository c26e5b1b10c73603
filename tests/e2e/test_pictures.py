"""Pictures from a person's own disk, through the browser's folder picker and the zip button."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.house import Visit

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=document.title='stolen'>"


def test_a_folder_keeps_its_class_names_and_a_hostile_one_is_text(
    visit: Visit, class_folders: Callable[[dict[str, int]], Path]
) -> None:
    folder = class_folders({"red pens": 6, "ünïcode 猫": 6, HOSTILE: 6})
    (folder / "red pens" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / ".DS_Store").write_bytes(b"hidden")
    (folder / "red pens" / "large.jpg").write_bytes(large_photo())

    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[type=file]", folder)
    visit.wait("#hs-classes .klass")

    page = visit.page
    assert set(page.locator("#hs-classes .klass h3").all_inner_texts()) == {"red pens", "ünïcode 猫", HOSTILE}
    assert "19 pictures in three classes" in page.inner_text("#hs-classes h2")
    assert "broken.jpg" in page.inner_text("#hs-checks .left-out")
    assert ".DS_Store" not in page.inner_text("#hs-checks")
    visit.wait("#hs-new-head:has-text('→ 3')")
    visit.open_step("model")
    visit.wait("#hs-head svg text:has-text('ünïcode 猫')")
    assert page.title() == "headswap"
    assert page.locator("img[src=x]").count() == 0


def large_photo() -> bytes:
    """A photo that the browser makes smaller before it travels."""
    noise = random.Random(0).randbytes(1500 * 1100 * 3)
    target = io.BytesIO()
    Image.frombytes("RGB", (1500, 1100), noise).save(target, "JPEG")
    return target.getvalue()


def test_a_file_that_is_no_zip_is_refused_in_words_and_the_page_goes_on(visit: Visit, tmp_path: Path) -> None:
    fake = tmp_path / "holiday.zip"
    fake.write_bytes(b"this is not a zip")

    visit.open_step("pictures")
    visit.page.set_input_files(".drop input[data-testid$='upload-button']", fake)

    visit.wait("#hs-pictures-status .mistake")
    assert "holiday" in visit.page.inner_text("#hs-pictures-status")
    visit.wait("#hs-chip [data-state=idle]")
    visit.page.click("#hs-sample")
    visit.wait("#hs-classes .klass")
    assert visit.page.locator("#hs-pictures-status .mistake").count() == 0


def test_one_class_alone_leaves_the_teach_button_asleep(
    visit: Visit, class_folders: Callable[[dict[str, int]], Path]
) -> None:
    visit.open_step("pictures")
    visit.page.set_input_files("#hs-picker input[type=file]", class_folders({"lonely": 5}))

    visit.wait("#hs-pictures-status .mistake, #hs-checks .checks")
    visit.open_step("teaching")
    assert visit.page.is_disabled("#hs-teach")
