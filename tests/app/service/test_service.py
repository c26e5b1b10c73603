"""The service with real children: an import process, an inference process, a worker."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.app.service.service import Service
from headswap.app.service.views import JobView
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.training.config import TrainConfig

PATIENCE_S = 600.0


def wait(ask: Callable[[], JobView], until: Callable[[JobView], bool]) -> JobView:
    deadline = time.monotonic() + PATIENCE_S
    while not until(view := ask()):
        assert time.monotonic() < deadline, view
        time.sleep(0.1)
    return view


@pytest.fixture(scope="module")
def done_job(service: Service) -> tuple[str, str]:
    """A project of Ada's and its finished run."""
    project = service.new_project("ada").id
    service.images.use_sample("ada", project)
    job = service.start_teaching("ada", project)
    view = wait(lambda: service.job("ada", job), lambda view: view.is_over)
    assert view.state == "done", (view.problem, view.remedy)
    return project, job


def test_the_journey_from_sample_to_prediction(
    service: Service, done_job: tuple[str, str], sample: Path
) -> None:
    project, job = done_job

    view, report = service.job("ada", job), service.results.report("ada", job)
    prediction = service.predict("ada", job, sample / "try" / "vehicle_rocket.png")
    heat = service.results.heat_map("ada", job, sample / "try" / "vehicle_rocket.png")

    assert service.project("ada", project).done_job == job
    assert view.share == 1.0
    assert view.epochs[-1].test_right == report.test_right
    assert len(view.guesses) == min(6, report.test_total)
    assert set(prediction.probabilities) == {"bird", "fruit", "vehicle"}
    assert prediction.nearest
    assert heat.label == prediction.label
    assert heat.png.startswith(b"\x89PNG")


def test_images_come_as_a_zip_and_a_broken_one_leaves_the_old_ones(
    service: Service, few_drawings: Path, tmp_path: Path
) -> None:
    project = service.new_project("ada").id
    with zipfile.ZipFile(tmp_path / "my pictures.zip", "w") as archive:
        for path in sorted(few_drawings.rglob("*.png")):
            archive.write(path, f"wrapper/{path.parent.name}/{path.name}")

    manifest = service.images.add("ada", project, tmp_path / "my pictures.zip")
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(HeadswapError):
        service.images.add("ada", project, tmp_path / "broken.zip")

    assert manifest.counts == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert service.images.manifest("ada", project) == manifest
    assert manifest.part("test")
    small = service.images.thumbnail("ada", project, manifest.images[0].sha256)
    assert small.startswith(b"\xff\xd8")


def test_nobody_sees_what_is_somebody_else_s(
    service: Service, done_job: tuple[str, str], sample: Path
) -> None:
    project, job = done_job
    image = sample / "try" / "vehicle_rocket.png"
    questions: list[Callable[[str, str, str], object]] = [
        lambda who, p, j: service.project(who, p),
        lambda who, p, j: service.rename_project(who, p, "mine"),
        lambda who, p, j: service.choose_model(who, p, "tf_efficientnet_lite0"),
        lambda who, p, j: service.use_weights(who, p, image),
        lambda who, p, j: service.images.use_sample(who, p),
        lambda who, p, j: service.images.add(who, p, sample),
        lambda who, p, j: service.images.manifest(who, p),
        lambda who, p, j: service.images.thumbnail(who, p, "0" * 64),
        lambda who, p, j: service.start_teaching(who, p),
        lambda who, p, j: service.job(who, j),
        lambda who, p, j: service.cancel(who, j),
        lambda who, p, j: service.finish_early(who, j),
        lambda who, p, j: service.results.report(who, j),
        lambda who, p, j: service.predict(who, j, image),
        lambda who, p, j: service.take_home.file(who, j),
    ]
    for ask in questions:
        with pytest.raises(NotFound) as theirs:
            ask("eve", project, job)
        with pytest.raises(NotFound) as nothing:
            ask("eve", "0" * 32, "0" * 32)
        assert str(theirs.value) == str(nothing.value)
    for bad in ("", "../..", "0" * 31, "G" * 32):
        with pytest.raises(NotFound):
            service.project("ada", bad)
        with pytest.raises(NotFound):
            service.job("ada", bad)


def test_a_double_click_makes_one_job_and_a_stop_is_heard(service: Service) -> None:
    project = service.new_project("bob").id
    with pytest.raises(BadSetting, match="no pictures yet"):
        service.start_teaching("bob", project)
    service.images.use_sample("bob", project)

    long = TrainConfig(depth="everything")  # there is a middle to be stopped in
    first = service.start_teaching("bob", project, long, key="click")
    second = service.start_teaching("bob", project, long, key="click")
    service.cancel("bob", first)
    view = wait(lambda: service.job("bob", first), lambda view: view.is_over)

    assert first == second
    assert view.state == "cancelled"
    assert view.sentence == "Stopped. Your pictures are still here."
    with pytest.raises(NotFound, match="no result yet"):
        service.results.report("bob", first)


def test_networks_are_listed_and_opened_without_torch_in_the_server(service: Service) -> None:
    cards = service.networks.models()
    inspection = service.networks.inspect("torchvision/resnet18")
    project = service.new_project("ada").id

    chosen = service.choose_model("ada", project, "torchvision/resnet18")

    assert "torchvision/resnet18" in [card.full_name for card in cards]
    assert inspection.site.paths == ("fc",)
    assert inspection.backbone_parameters + inspection.head_parameters == 11_689_512
    assert inspection.stages
    assert chosen.model == "torchvision/resnet18"
    with pytest.raises(HeadswapError, match="resnet18"):
        service.choose_model("ada", project, "resnet18x")


def test_a_person_s_own_weights_are_taken_only_when_they_fit(
    service: Service, shared_data: Path, tmp_path: Path
) -> None:
    project = service.new_project("ada").id
    weights = shared_data / "weights" / "torchvision_squeezenet1_1.safetensors"
    with pytest.raises(HeadswapError, match="tf_efficientnet_lite0"):
        service.use_weights("ada", project, weights)
    assert not service.project("ada", project).has_own_weights
    with pytest.raises(BadSetting, match="not a weight file"):
        service.use_weights("ada", project, tmp_path / "weights.exe")

    service.choose_model("ada", project, "squeezenet1_1")
    inspection = service.use_weights("ada", project, weights)

    assert inspection.site.paths == ("classifier.1",)
    assert inspection.card.weights.state == "here"
    assert service.project("ada", project).has_own_weights

    service.choose_model("ada", project, "torchvision/squeezenet1_1", path="classifier.1")
    assert service.project("ada", project).has_own_weights, "another layer is no reason to lose them"
    with pytest.raises(HeadswapError):
        service.choose_model("ada", project, "squeezenet1_1", path="no.such.layer")
    assert service.project("ada", project).has_own_weights
    service.choose_model("ada", project, "torchvision/resnet18")
    assert not service.project("ada", project).has_own_weights


def test_a_weight_file_that_is_refused_is_called_as_the_person_calls_it(
    service: Service, tmp_path: Path
) -> None:
    project = service.new_project("ada").id
    (tmp_path / "my mugs.pt").write_bytes(b"no weights at all")

    with pytest.raises(HeadswapError, match=r"my mugs\.pt") as refusal:
        service.use_weights("ada", project, tmp_path / "my mugs.pt")

    assert "weights-" not in str(refusal.value)
