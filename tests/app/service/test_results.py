"""Results of one run on a few drawings."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from headswap.app.service.service import Service
from headswap.errors import BadSetting, NotFound


@pytest.fixture(scope="module")
def project(service: Service, finished: Path) -> str:
    return service.archive.open("ada", finished)


@pytest.fixture(scope="module")
def job(service: Service, project: str) -> str:
    job = service.project("ada", project).done_job
    assert job is not None
    return job


def test_several_images_are_answered_as_each_alone(service: Service, job: str, sample: Path) -> None:
    paths = tuple(sorted((sample / "try").glob("*.png")))[:3]

    together = service.results.predict("ada", job, paths)

    alone = service.results.predict("ada", job, paths[2:])[0]
    assert len(together) == 3
    assert together[2].label == alone.label
    assert together[2].probabilities[alone.label] == pytest.approx(alone.probabilities[alone.label], abs=1e-4)
    assert together[0].old_head
    assert len(together[0].old_head) == 5
    for wrong in ((), paths * 20):
        with pytest.raises(BadSetting, match="pictures were given"):
            service.results.predict("ada", job, wrong)


def test_a_camera_s_image_is_answered_without_a_file(service: Service, job: str, sample: Path) -> None:
    path = sample / "try" / "vehicle_rocket.png"
    frame = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()

    said = service.results.predict_frame("ada", job, frame)

    assert said.label == service.results.predict("ada", job, (path,))[0].label
    for wrong in ("", "data:image/png;base64,%%%", "A" * 4_000_000):
        with pytest.raises(BadSetting, match="did not arrive whole"):
            service.results.predict_frame("ada", job, wrong)


def test_a_run_shows_the_images_it_was_taught_on(service: Service, project: str, job: str) -> None:
    report = service.results.report("ada", job)
    first = report.answers[0]

    thumbnails = service.results.thumbnails("ada", job, (first.sha256, "0" * 64, first.sha256))
    heat = service.results.heat_map("ada", job, service.results.image_file("ada", job, first.sha256))

    assert list(thumbnails) == [first.sha256]
    assert thumbnails[first.sha256][0] == report.classes[first.truth]
    assert thumbnails[first.sha256][1].startswith(b"\xff\xd8")
    assert heat.png.startswith(b"\x89PNG")
    with pytest.raises(NotFound, match="not kept any more"):
        service.results.image_file("ada", job, "0" * 64)


def test_a_doubt_that_is_decided_is_not_brought_up_again(
    service: Service, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from headswap.evaluation.report import LabelIssue

    report = service.results.report("ada", job)
    two = tuple(
        LabelIssue(file=one.file, sha256=one.sha256, label=one.truth, suggested=0, sure=0.5)
        for one in report.answers[:2]
    )
    monkeypatch.setattr(
        "headswap.app.service.results.read_report", lambda _: replace(report, label_issues=two)
    )

    service.results.dismiss("ada", job, two[0].sha256)
    service.results.dismiss("ada", job, "0" * 64)  # no one doubted that

    assert service.results.label_issues("ada", job) == two[1:]
    assert service.results.dismissed("ada", job) == two[:1]

    service.results.restore("ada", job, two[0].sha256)

    assert service.results.label_issues("ada", job) == two


def test_nobody_else_is_told_anything(service: Service, job: str, sample: Path) -> None:
    image = sample / "try" / "vehicle_rocket.png"
    for ask in (
        lambda: service.results.report("eve", job),
        lambda: service.results.predict("eve", job, (image,)),
        lambda: service.results.predict_frame("eve", job, "QQ=="),
        lambda: service.results.heat_map("eve", job, image),
        lambda: service.results.thumbnails("eve", job, ("0" * 64,)),
        lambda: service.results.image_file("eve", job, "0" * 64),
        lambda: service.results.label_issues("eve", job),
        lambda: service.results.dismiss("eve", job, "0" * 64),
        lambda: service.results.restore("eve", job, "0" * 64),
        lambda: service.results.dismissed("eve", job),
    ):
        with pytest.raises(NotFound, match="There is no such run"):
            ask()
