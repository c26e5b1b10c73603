"""The zip of a run: packed once by a child, seen by anyone who comes back, no one else's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headswap.app.service.exports import ExportView
from headswap.app.service.service import Service
from headswap.bundle.predictor import load_bundle
from headswap.errors import NotFound
from headswap.exports.package import read_check

PATIENCE_S = 600.0


@pytest.fixture(scope="module")
def run(service: Service, finished: Path) -> tuple[str, str]:
    """A project of Ada's and its finished run, whose head every format takes."""
    project = service.archive.open("ada", finished)
    service.rename_project("ada", project, "My Drawings")
    job = service.project("ada", project).done_job
    assert job is not None
    return project, job


def test_every_way_to_ask_is_measured_the_page_among_them(
    service: Service, run: tuple[str, str], sample: Path
) -> None:
    _, job = run
    assert service.take_home.view("ada", job).state == "not begun"

    sentences, view = [], service.take_home.begin("ada", job)
    deadline = time.monotonic() + PATIENCE_S
    while view.state == "packing":
        assert time.monotonic() < deadline, view
        if view.sentence not in sentences:
            sentences.append(view.sentence)
        time.sleep(0.02)
        view = service.take_home.view("ada", job)

    assert view.state == "ready", (view.problem, view.remedy)
    assert view.zip_file is not None
    assert view.zip_file.name == "my-drawings-tf_efficientnet_lite0.zip"
    assert view.check is not None
    assert view.check == read_check(view.zip_file)
    assert [way.name for way in view.check.routes] == ["page", "bundle", "predict.py", "model.onnx"]
    assert [(way.problem, way.same, way.agrees) for way in view.check.routes] == [("", 16, True)] * 4
    assert len(view.check.images) == 10
    assert "Running predict.py, without headswap." in sentences
    assert {"README.md", "predict.py", "check/rotated.jpg"} <= {entry.name for entry in view.contents}
    assert [path.name for path in view.zip_file.parent.iterdir()] == [
        view.zip_file.name
    ]  # nothing is left over
    image = sample / "try" / "vehicle_rocket.png"
    assert load_bundle(view.zip_file).predict(image).label == service.predict("ada", job, image).label


def test_it_is_packed_once_and_anew_under_another_name(service: Service, run: tuple[str, str]) -> None:
    project, job = run
    first = service.take_home.file("ada", job)
    packed_at = first.stat().st_mtime_ns

    assert service.take_home.file("ada", job) == first
    assert first.stat().st_mtime_ns == packed_at
    service.rename_project("ada", project, "Other")
    assert service.take_home.view("ada", job).state in ("not begun", "packing")
    service.rename_project("ada", project, "My Drawings")
    assert service.take_home.view("ada", job).zip_file == first


def test_a_web_page_is_made_once_and_opened_by_its_own_link_only(
    service: Service, run: tuple[str, str]
) -> None:
    _, job = run
    assert service.take_home.page_view("ada", job).state == "not begun"

    view = service.take_home.begin_page("ada", job)
    deadline = time.monotonic() + PATIENCE_S
    while view.state == "packing":
        assert time.monotonic() < deadline, view
        time.sleep(0.05)
        view = service.take_home.page_view("ada", job)

    assert view.state == "ready", (view.problem, view.remedy)
    assert view.page is not None
    assert view.site is not None
    assert sorted(path.name for path in view.page.parent.iterdir()) == sorted(
        (view.page.name, view.site.name)
    )
    assert "<h1><bdi>My Drawings</bdi></h1>" in view.page.read_text(encoding="utf-8")
    made_at = view.page.stat().st_mtime_ns
    assert service.take_home.begin_page("ada", job).page == view.page
    assert view.page.stat().st_mtime_ns == made_at

    key, watched = service.following.share_job("ada", job, "page"), service.following.share_job("ada", job)
    assert service.exported_page(key) == view.page
    for lost in (watched, "0" * 32):
        with pytest.raises(NotFound, match="There is nothing to follow here"):
            service.exported_page(lost)
    with pytest.raises(NotFound, match="There is nothing to follow here"):
        service.following.view(key)
    service.following.unshare_job("ada", job, "page")
    with pytest.raises(NotFound, match="There is nothing to follow here"):
        service.exported_page(key)
    assert service.following.job_share_key("ada", job) == watched


def test_programs_of_teachable_machine_get_a_zip_with_how_far_they_differ(
    service: Service, run: tuple[str, str]
) -> None:
    _, job = run
    packs = service.take_home
    assert packs.teachable_machine_view("ada", job).state == "not begun"

    view = packs.begin_teachable_machine("ada", job)
    deadline = time.monotonic() + PATIENCE_S
    while view.state == "packing":
        assert time.monotonic() < deadline, view
        time.sleep(0.05)
        view = packs.teachable_machine_view("ada", job)

    assert view.state == "ready", (view.problem, view.remedy)
    assert view.zip_file is not None
    assert view.route is not None
    assert view.route.largest_difference is not None
    assert view.route.images > 4  # of the exam, not the drawings
    assert "Only drawings" not in view.route.note
    assert (read_check(view.zip_file).routes, read_check(view.zip_file).images) == ((view.route,), ())


def test_nobody_packs_or_sees_what_is_somebody_else_s(service: Service, run: tuple[str, str]) -> None:
    packs = service.take_home
    for ask in (
        packs.begin, packs.view, packs.file, packs.begin_page, packs.page_view,
        packs.begin_teachable_machine, packs.teachable_machine_view,
    ):  # fmt: skip
        with pytest.raises(NotFound, match="There is no such run"):
            ask("eve", run[1])


def test_a_page_that_comes_too_early_sees_nothing_begun() -> None:
    assert ExportView(state="not begun").zip_file is None
