"""A class later, on a phone and with keys: a zip of a network alone, and a few pictures of what is new."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import SAMPLE, Visit
from tests.e2e.test_access import Judge

pytestmark = pytest.mark.browser

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_a_class_is_added_put_into_another_and_left_out(
    enter: Callable[..., Visit], bundle: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "my birds.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(bundle.iterdir()):
            file.write(path, f"my birds/{path.name}")
    visit = enter(width=390, height=844)
    page, status = visit.page, "#hs-later-status"
    visit.open_project(packed)
    visit.moved_on()
    judge = Judge(visit)

    visit.open_step("pictures")
    visit.wait("#hs-later li[data-class-later=bird]")
    page.fill("#hs-later-add form input[type=text]", "bug")
    with page.expect_file_chooser() as chooser:
        page.press("#hs-later-add form input[type=text]", "Enter")
    chooser.value.set_files(sorted((SAMPLE / "train" / "bug").iterdir())[:3])

    visit.wait(f"{status}:has-text('added 3 pictures of bug')")
    assert "How well it knows bug cannot be said: only 3 pictures" in page.inner_text(status)
    assert page.evaluate(TOO_WIDE) <= 0
    judge.look("pictures, a class later")
    assert page.locator("#hs-later li").count() == 4
    page.fill("#hs-later li[data-class-later=bug] input", "Bird")
    page.press("#hs-later li[data-class-later=bug] input", "Enter")
    visit.wait(f"{status}:has-text('together as bird')")
    page.click("#hs-later li[data-class-later=fruit] [data-edit=later-remove]")
    visit.wait(f"{status}:has-text('removed fruit')")
    page.click("#hs-later li[data-class-later=vehicle] [data-edit=later-remove]")
    visit.wait(f"{status} .mistake:has-text('Only bird would be left')")
    visit.open_step("test")
    visit.wait("#hs-advice:has-text('Changed after it was taught: '), #hs-test:has-text('removed fruit')")
    assert judge.found == [], "\n".join(judge.found)
