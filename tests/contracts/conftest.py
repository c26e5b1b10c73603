"""One installation for all contracts: Ada has a finished run, Bob has none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.service.limits import Limits
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from tests.contracts.house import NOBODY, SECRET, Work


@pytest.fixture(scope="session")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place, limits = tmp_path_factory.mktemp("isolation"), Limits(spare=False)  # for one run
    with Service(Settings(workspace=place, sample=few_drawings, limits=limits)) as running:
        yield running


@pytest.fixture(scope="session")
def adas(
    service: Service, sample: Path, few_drawings: Path, finished: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Work:  # fmt: skip
    project = service.archive.open("ada", finished)
    service.rename_project("ada", project, SECRET)
    manifest, job = service.images.manifest("ada", project), service.project("ada", project).done_job
    assert manifest is not None
    assert job is not None
    upload = shutil.make_archive(str(tmp_path_factory.mktemp("upload") / "upload"), "zip", few_drawings)
    image = sample / "try" / "vehicle_rocket.png"
    progress = service.lessons.open("ada", "").id
    service.following.share("ada", progress)
    service.following.share_job("ada", job)
    return Work(project, job, manifest.images[0].sha256, image, Path(upload), progress)


@pytest.fixture(scope="session")
def nobodys(adas: Work) -> Work:
    return Work(NOBODY, NOBODY, adas.sha256, adas.image, adas.upload, NOBODY)
