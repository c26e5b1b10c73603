"""Projects and runs in a real browser: opened from a file, kept apart, listed, deleted, never served."""

from __future__ import annotations

import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from headswap.pipeline.project_file import unpack_project
from tests.e2e.house import NAME, WAIT_MS, House, Visit, app_running, visiting

pytestmark = pytest.mark.browser


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
    opened: Visit, browser: Browser, project_file: Path, tmp_path: Path
) -> None:
    page = opened.page
    first = told(opened)

    with page.expect_download(timeout=WAIT_MS) as download:
        page.click("#hs-save")
    download.value.save_as(tmp_path / "again.zip")
    with app_running(tmp_path / "elsewhere") as other, visiting(browser, other) as stranger:
        stranger.open_project(tmp_path / "again.zip")

        assert told(stranger) == first
        assert stranger.page.input_value("#hs-name :is(input, textarea)") == NAME
        assert len(list((tmp_path / "elsewhere").rglob("report.json"))) == 3

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


def test_networks_are_compared_on_the_same_images(opened: Visit, house: House) -> None:
    page = opened.page
    see_runs(opened, house)
    for row in ("lite1", "resnet50"):
        page.click(f"#hs-runs tr:has-text('{row}') [data-run^=ask]")
        page.click("#hs-runs [data-run^=delete]")
        opened.wait(f"#hs-runs tr:has-text('{row}')", state="detached")

    page.click("#hs-compare")
    opened.wait("#hs-compare-status .mistake")
    opened.compare("efficientnet_lite1")

    opened.wait("#hs-runs tr:has-text('lite1') .tag.good")
    assert networks(opened) == ["tf_efficientnet_lite1", "tf_efficientnet_lite0"]
    tests = [line.split(",")[0] for line in page.locator("#hs-runs .of-right .hs-note").all_inner_texts()]
    assert len({test.split(" of ")[1] for test in tests}) == 1, "not the same exam"
    assert page.locator("#hs-runs-plot svg.wide circle").count() == 2


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
