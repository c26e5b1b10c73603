"""Projects and runs in a real browser: opened from a file, kept apart, listed, deleted, never served."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headswap.project_file import unpack_project
from tests.e2e.house import WAIT_MS, House, Visit
from tests.e2e.saved import make_project

pytestmark = pytest.mark.browser

NAME = "Birds & <b>fruit</b>"


@pytest.fixture(scope="session")
def project_file(few_drawings: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("saved"), few_drawings, bundle, NAME, time.time())


@pytest.fixture
def opened(visit: Visit, project_file: Path) -> Iterator[Visit]:
    """A browser that has opened the saved project."""
    visit.page.click("#hs-open")
    visit.wait("#hs-opener")
    visit.page.set_input_files("#hs-opener input[type=file]", project_file)
    visit.wait("#hs-chip [data-done~=test]")
    yield visit
    visit.moved_on()


def see_runs(visit: Visit, house: House) -> None:
    visit.page.goto(f"{house.url}runs")
    visit.wait("#hs-runs table, #hs-runs .hs-empty")


def networks(visit: Visit) -> list[str]:
    return visit.page.locator("#hs-runs tbody code").all_inner_texts()


def test_a_project_saved_and_opened_elsewhere_has_the_same_report(
    opened: Visit, project_file: Path, tmp_path: Path
) -> None:
    page = opened.page
    opened.open_step("test")
    opened.wait("#hs-verdict .verdict")
    first = page.inner_text("#hs-verdict")

    with page.expect_download(timeout=WAIT_MS) as download:
        page.click("#hs-save")
    download.value.save_as(tmp_path / "again.zip")
    page.click("#hs-new")
    opened.wait("#hs-chip [data-done=model]")
    page.click("#hs-open")
    opened.wait("#hs-opener")
    page.set_input_files("#hs-opener input[type=file]", tmp_path / "again.zip")
    opened.wait("#hs-chip [data-done~=test]")
    opened.open_step("test")
    opened.wait("#hs-verdict .verdict")

    assert page.inner_text("#hs-verdict") == first
    assert page.input_value("#hs-name :is(input, textarea)") == NAME
    with zipfile.ZipFile(project_file) as one, zipfile.ZipFile(tmp_path / "again.zip") as other:
        names = [name for name in one.namelist() if name.endswith("report.json")]
        assert names
        assert all(one.read(name) == other.read(name) for name in names)
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
    see_runs(stranger, house)
    assert "No run yet." in stranger.page.inner_text("#hs-runs")
    stranger.moved_on()
    see_runs(opened, house)
    assert len(networks(opened)) == 3


def test_runs_are_sorted_opened_again_and_deleted_after_a_question(opened: Visit, house: House) -> None:
    page = opened.page
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


def test_an_old_project_is_opened_again_and_a_file_that_is_none_is_refused_in_words(
    opened: Visit, tmp_path: Path
) -> None:
    page = opened.page
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
                urllib.request.urlopen(f"{house.url}{route}{path}", timeout=20)
            assert refusal.value.code in (403, 404, 405), path
