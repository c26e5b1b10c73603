"""A CSV of two labels, on a phone: from a zip with a table to a report of each label, and a picture tried."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.data.manifest import NO_LABEL
from tests.collages import make_collages
from tests.e2e.house import SAMPLE, House, Visit

pytestmark = pytest.mark.browser

ANSWER = """() => {
    const answer = document.querySelector("#hs-answer .answered");
    const marked = answer.querySelector(".bars").querySelectorAll("li.top > :first-child");
    return [answer.dataset.label, answer.dataset.probabilities, [...marked].map((name) => name.innerText)];
}"""


def tried_many_saved_and_opened(visit: Visit, folder: Path, tmp_path: Path) -> None:
    """All at once, under each label that they have; the project in a file, and out of it again."""
    page = visit.page
    page.set_input_files("#hs-many-choose input[webkitdirectory]", folder)
    visit.wait("#hs-many .batch")
    assert "Each picture stands under every label" in page.inner_text("#hs-many .batch")
    assert page.locator("#hs-many .pick, #hs-many .it-is").count() == 0
    with page.expect_download() as coming:
        page.click("#hs-many-table")
    with Path(coming.value.path()).open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    with page.expect_download() as sorted_too:
        page.click("#hs-many-sorted")
    with zipfile.ZipFile(sorted_too.value.path()) as archive:
        found = {Path(name).parent.name for name in archive.namelist()} - {""}
    assert found <= {"bird", "fruit", "vehicle", "_not sure", "_unlike", "_no label"}
    assert found
    assert len(rows) == 21
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("bird", "fruit", "vehicle"))
    with_fruit = sum("fruit" in row["label"].split(" + ") for row in rows)
    several = sum("+" in row["label"] for row in rows)
    tiles = page.locator("#hs-many section[aria-label=fruit] .tiles li")
    assert int(page.inner_text("#hs-many .filters [title=fruit] .hs-num")) == tiles.count() == with_fruit
    sections = page.locator("#hs-many section .tiles li")
    assert sections.count() == len(rows) + several
    tiles.first.locator(".look").click()
    visit.wait("#hs-many-view dialog[open] .bars")
    page.keyboard.press("Escape")
    with page.expect_download() as saved:
        page.click("#hs-save")
    saved.value.save_as(tmp_path / "saved.headswap.zip")
    told = page.inner_text("#hs-verdict h1")
    visit.open_project(tmp_path / "saved.headswap.zip")
    visit.moved_on()
    visit.open_step("test")
    visit.wait("#hs-grid tr[data-label]")
    assert page.inner_text("#hs-verdict h1") == told


def raced_and_taken(visit: Visit, house: House) -> None:
    """A race of one network, by mean average precision, and the press that takes the winner."""
    page = visit.page
    page.goto(f"{house.url}runs")
    visit.wait("#hs-race-panel [data-state=none]", "attached")
    visit.moved_on()
    page.fill("#hs-race-mb input", "19")
    page.click("#hs-race")
    visit.wait("#hs-race-panel [data-winner='timm/tf_efficientnet_lite0']")
    said = page.inner_text("#hs-race-panel")
    assert "mean average precision 0." in said
    assert "it has every label right on" in said
    page.click("#hs-race-panel [data-race=take]")
    visit.wait("#hs-race-status:has-text('the network of this project now')")


def test_a_csv_of_two_labels(enter: Callable[..., Visit], house: House, tmp_path: Path) -> None:
    folder = make_collages(SAMPLE, tmp_path / "collages", rounds=3)
    packed = tmp_path / "collages.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)
    visit = enter(width=390, height=844)
    page = visit.page

    visit.open_step("pictures")
    page.set_input_files(".drop input[data-testid$='upload-button']", packed)
    visit.wait("#hs-classes .klass")
    assert page.inner_text("#hs-classes h2") == "21 pictures with 3 labels"
    assert "9 of 21 have more than one" in page.inner_text("#hs-pictures")
    visit.open_step("teaching")
    visit.wait("#hs-teach:not([disabled])")
    page.click("#hs-teach")
    visit.wait("#hs-verdict .verdict")

    assert page.inner_text("#hs-verdict h1").startswith("Every label right on ")
    rows = page.locator("#hs-grid tr[data-label]")
    assert [rows.nth(place).get_attribute("data-label") for place in range(3)] == ["bird", "fruit", "vehicle"]
    assert "said from" in page.inner_text("#hs-grid thead").lower()
    page.set_input_files("#hs-try input[type=file]", folder / "001.jpg")
    visit.wait("#hs-answer .bars .meter b")
    said, shares, marked = page.evaluate(ANSWER)  # at once: an example's answer may come in between
    names = [] if said == NO_LABEL else said.split(" + ")
    assert marked == names
    assert set(names) <= set(json.loads(shares))
    tried_many_saved_and_opened(visit, folder, tmp_path)
    raced_and_taken(visit, house)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
