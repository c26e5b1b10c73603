"""Projects and runs in a real browser: opened from a file, kept apart, listed, deleted, never served."""

from __future__ import annotations

import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from headswap.pipeline.project_file import unpack_project
from tests.e2e.house import NAME, WAIT_MS, House, Visit, visiting

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opened_once(browser: Browser, house: House, project_file: Path) -> Iterator[Visit]:
    """One profile that has opened the saved project, for tests that only look at it."""
    with visiting(browser, house) as visit:
        visit.open_project(project_file)
        yield visit


@pytest.fixture
def opened(opened_once: Visit) -> Iterator[Visit]:
    """The five steps with the saved project, which stays as it is."""
    if urlsplit(opened_once.page.url).path != "/":
        opened_once.go_home()
    yield opened_once
    opened_once.moved_on()
    assert (opened_once.strangers, opened_once.errors) == ([], [])


@pytest.fixture
def opened_alone(visit: Visit, project_file: Path) -> Iterator[Visit]:
    """A fresh profile that has opened the saved project, to change it."""
    visit.open_project(project_file)
    yield visit
    visit.moved_on()


def see_runs(visit: Visit, house: House) -> None:
    visit.page.goto(f"{house.url}runs")
    visit.wait("#hs-runs table, #hs-runs .hs-empty")


def networks(visit: Visit) -> list[str]:
    return visit.page.locator("#hs-runs tbody code").all_inner_texts()


def told(visit: Visit) -> list[str]:
    """Everything that the report says, piece by piece."""
    visit.open_step("test")
    visit.wait("#hs-verdict .verdict")
    visit.wait("#hs-answer .bars")
    return [
        visit.page.inner_text(piece)
        for piece in ("#hs-verdict", "#hs-grid", "#hs-hardest", "#hs-doubts", "#hs-trust", "#hs-answer .live")
    ]


def test_a_project_saved_and_opened_in_another_workspace_has_the_same_report(
    opened: Visit, browser: Browser, locked: tuple[House, str], project_file: Path, tmp_path: Path
) -> None:
    page, (other, code) = opened.page, locked
    first = told(opened)

    with page.expect_download(timeout=WAIT_MS) as download:
        page.click("#hs-save")
    download.value.save_as(tmp_path / "again.zip")
    before = set(other.workspace.rglob("report.json"))
    with visiting(browser, other, path="?step=model") as stranger:
        stranger.page.fill("input >> nth=0", "ada")
        stranger.page.fill("input[type=password]", code)
        stranger.page.keyboard.press("Enter")
        stranger.wait("#hs-chip .hs-status")
        stranger.open_project(tmp_path / "again.zip")

        assert told(stranger) == first
        assert stranger.page.input_value("#hs-name :is(input, textarea)") == NAME
        assert len(set(other.workspace.rglob("report.json")) - before) == 3

    with zipfile.ZipFile(project_file) as one, zipfile.ZipFile(tmp_path / "again.zip") as again:
        names = [name for name in one.namelist() if name.endswith("report.json")]
        assert names
        assert all(one.read(name) == again.read(name) for name in names)
    (tmp_path / "open").mkdir()
    assert len(unpack_project(tmp_path / "again.zip", tmp_path / "open").runs) == 3


def test_a_second_profile_sees_nothing_of_the_first(
    opened: Visit, enter: Callable[..., Visit], house: House
) -> None:
    stranger = enter()

    stranger.page.click("#hs-open")
    stranger.wait("#hs-known .known")
    assert stranger.page.locator("#hs-known li").count() == 1, "their own new project"
    assert "Birds" not in stranger.page.inner_text("body")
    stranger.page.click("#hs-open-close")
    stranger.reload()
    stranger.open_step("pictures")
    stranger.wait("#hs-classes .hs-empty")
    stranger.open_step("teaching")
    assert stranger.page.is_disabled("#hs-teach")
    assert "First add pictures, then teach." in stranger.page.inner_text("#hs-live")
    see_runs(stranger, house)
    assert "No run yet." in stranger.page.inner_text("#hs-runs")
    stranger.moved_on()
    see_runs(opened, house)
    assert len(networks(opened)) == 3


def test_runs_are_sorted_opened_again_deleted_after_a_question_and_compared_on_the_same_images(
    opened_alone: Visit, house: House
) -> None:
    opened, page = opened_alone, opened_alone.page
    see_runs(opened, house)
    assert networks(opened) == ["resnet50", "tf_efficientnet_lite1", "tf_efficientnet_lite0"]
    assert page.locator("#hs-runs-plot svg.wide circle").count() == 3

    page.click("#hs-runs [data-run='sort:ms']")
    opened.wait("#hs-runs th[aria-sort=ascending].of-ms")
    assert networks(opened) == ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "resnet50"]

    page.click("#hs-runs tr:has-text('lite1') [data-run^=ask]")
    opened.wait("#hs-runs [data-run^=delete]")
    page.click("#hs-runs [data-run^=keep]")
    opened.wait("#hs-runs [data-run^=delete]", state="detached")
    page.click("#hs-runs tr:has-text('lite1') [data-run^=ask]")
    page.click("#hs-runs [data-run^=delete]")
    opened.wait("#hs-runs tr:has-text('lite1')", state="detached")
    see_runs(opened, house)
    assert len(networks(opened)) == 2

    page.click("#hs-runs tr:has-text('lite0') [data-run^=open]")
    page.wait_for_url("**/?step=test", timeout=WAIT_MS)
    opened.wait("#hs-verdict .verdict")
    opened.open_step("model")
    opened.wait("#hs-head h2:has-text('tf_efficientnet_lite0')")
    see_runs(opened, house)
    assert page.locator("#hs-runs tr.shown").inner_text().find("lite0") > 0

    page.click("#hs-runs tr:has-text('resnet50') [data-run^=ask]")
    page.click("#hs-runs [data-run^=delete]")
    opened.wait("#hs-runs tr:has-text('resnet50')", state="detached")

    page.click("#hs-compare")
    opened.wait("#hs-compare-status .mistake")
    opened.compare("efficientnet_lite1")

    opened.wait("#hs-runs tr:has-text('lite1') .tag.good")
    assert networks(opened) == ["tf_efficientnet_lite1", "tf_efficientnet_lite0"]
    tests = [line.split(",")[0] for line in page.locator("#hs-runs .of-right .hs-note").all_inner_texts()]
    assert len({test.split(" of ")[1] for test in tests}) == 1, "not the same exam"
    assert page.locator("#hs-runs-plot svg.wide circle").count() == 2


def test_an_old_project_is_opened_again_and_a_file_that_is_none_is_refused_in_words(
    opened_alone: Visit, tmp_path: Path
) -> None:
    opened, page = opened_alone, opened_alone.page
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    page.click("#hs-new")
    opened.wait("#hs-chip [data-done=model]")
    page.click("#hs-open")
    opened.wait("#hs-known .known")

    page.set_input_files("#hs-opener input[type=file]", tmp_path / "no.zip")
    opened.wait(".mistake")
    assert "Choose the file that Save gave you" in page.inner_text(".mistake")
    page.click(f"#hs-known button:has-text('{NAME[:5]}')")
    opened.wait("#hs-chip [data-done~=test]")

    assert page.input_value("#hs-name :is(input, textarea)") == NAME

    page.click("#hs-open")
    row = f"#hs-known li:has-text('{NAME[:5]}')"
    opened.wait(f"{row} .examples img")
    page.click(f"{row} [data-project^=ask]")
    opened.wait("#hs-known .asking")
    page.click("#hs-known [data-project^=delete]")
    opened.wait("#hs-chip [data-done=model]")
    page.click("#hs-open")
    opened.wait("#hs-known .known")
    assert NAME[:5] not in page.inner_text("#hs-known")


def test_the_file_route_gives_nothing_of_ours(opened: Visit, house: House) -> None:
    kept = [path for path in house.workspace.rglob("*") if path.is_file()]
    wanted = (
        "project.json",
        "dataset.json",
        "report.json",
        "weights.safetensors",
        "events.jsonl",
        "browser.key",
    )
    files = [
        path for path in kept if path.name in (*wanted, "jobs.sqlite") or path.suffix in (".png", ".log")
    ]
    assert {path.name for path in files} >= {"project.json", "report.json", "weights.safetensors"}

    for path in [*files[:40], Path("/etc/passwd"), Path(__file__)]:
        for route in ("gradio_api/file=", "file=", "gradio_api/file/", "gradio_api/stream/"):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(f"{house.url}{route}{path}", timeout=120)
            assert refusal.value.code in (403, 404, 405), path
