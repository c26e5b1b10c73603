from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.errors import NotFound
from headswap.service.facade import Service
from headswap.service.settings import Settings
from headswap.ui.scene import look, open_project


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(Settings(workspace=tmp_path, sample=tmp_path / "none"))
    yield made
    made.__exit__()


def test_a_browser_that_remembers_nothing_gets_a_new_project(service: Service) -> None:
    first, second = (open_project(service, "", "") for _ in range(2))

    assert first.id != second.id
    assert open_project(service, "", first.id) == first


def test_a_project_of_somebody_else_is_not_opened(service: Service) -> None:
    theirs = service.new_project("ada")

    assert open_project(service, "bob", theirs.id).id != theirs.id
    with pytest.raises(NotFound):
        look(service, "bob", theirs.id)


def test_a_fresh_project_has_no_pictures_no_classes_and_no_lesson(service: Service) -> None:
    scene = look(service, "", service.new_project("").id)

    assert (scene.manifest, scene.job, scene.classes, scene.is_teaching) == (None, None, (), False)
