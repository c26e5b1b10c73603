"""Drawings that no one has sorted: named by groups, then one by one with digit keys."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.e2e.house import SAMPLE, WAIT_MS, Visit
from tests.e2e.test_access import Judge

pytestmark = pytest.mark.browser

KINDS, EACH = ("bird", "bug", "fruit", "vehicle"), 15
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HAS_CHANGED = "(said) => document.querySelector('#hs-label-card .so-far h2')?.innerText !== said"
SO_FAR = "#hs-label-card .so-far h2"


@pytest.fixture
def heap(tmp_path: Path) -> Path:
    """60 drawings in one folder, and a file that is no picture."""
    folder = tmp_path / "heap"
    folder.mkdir()
    for kind in KINDS:
        for number, path in enumerate(sorted((SAMPLE / "train" / kind).iterdir())[:EACH]):
            shutil.copy(path, folder / f"{kind} {number:02}{path.suffix}")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    return folder


def kind_of(file: str) -> str:
    return file.rpartition("/")[2].split()[0]


def line_after(visit: Visit, press: Callable[[], None]) -> str:
    """Do something, and read how many have a name when that has changed."""
    before = visit.page.inner_text(SO_FAR)
    press()
    visit.page.wait_for_function(HAS_CHANGED, arg=before, timeout=WAIT_MS)
    return visit.page.inner_text(SO_FAR)


def name_group(visit: Visit, group: Locator) -> None:
    """Take out what does not belong to most of them, and name the rest."""
    files = group.locator(".heap label").evaluate_all("(all) => all.map((one) => one.title)")
    kind, _ = Counter(map(kind_of, files)).most_common(1)[0]
    for place, file in enumerate(files):
        if kind_of(file) != kind:
            group.locator(".heap label").nth(place).click()
    field = group.locator("form input")
    field.fill(kind)
    line_after(visit, lambda: field.press("Enter"))


def answer(visit: Visit) -> None:
    """The picture that is asked: with the digit of its class, or with the name of a new one."""
    kind = kind_of(visit.page.locator("#hs-label-card .asked img").get_attribute("alt") or "")
    button = visit.page.locator(f"#hs-label-card .asked [data-name='{kind}']")
    if button.count():
        digit = button.get_attribute("data-digit") or ""
        line_after(visit, lambda: visit.page.keyboard.press(digit))
    else:
        visit.page.fill("#hs-label-card .asked input", kind)
        line_after(visit, lambda: visit.page.press("#hs-label-card .asked input", "Enter"))


def test_a_heap_is_named_by_groups_and_digits_and_is_a_set_of_classes(visit: Visit, heap: Path) -> None:
    page, judge = visit.page, Judge(visit)
    visit.open_step("pictures")
    page.set_input_files("#hs-label-choose input[webkitdirectory]", heap)
    visit.wait("#hs-label-groups .alike-group")
    assert page.inner_text(SO_FAR) == "0 of 60 have a name"
    assert "heap/broken.jpg" in page.inner_text("#hs-label-card .left-out")

    for _ in range(3):
        name_group(visit, page.locator("#hs-label-groups .alike-group").first)
    visit.wait("#hs-label-card .asked img")
    for _ in range(4):
        answer(visit)
    judge.look("pictures, label with help")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate(TOO_WIDE) <= 0
    named = page.inner_text(SO_FAR)
    undone = line_after(visit, lambda: page.click("#hs-label-card [data-edit=label-undo]"))
    assert int(undone.split()[0]) == int(named.split()[0]) - 1
    answer(visit)
    visit.reload()
    visit.wait("#hs-label-card .asked img")
    assert page.inner_text(SO_FAR) == named

    page.click("#hs-label-card [data-edit=label-finish]")
    visit.wait("#hs-teach:not([disabled])")
    visit.open_step("pictures")
    assert page.inner_text("#hs-classes h2").startswith(f"{named.split()[0]} pictures in ")
    assert "The head also learns from its guesses" in page.inner_text("#hs-label-card .ends-of")
    visit.open_step("teaching")
    visit.teach()
    assert judge.found == [], "\n".join(judge.found)
