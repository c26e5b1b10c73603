from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.context import open_project, page_context
from headswap.data.manifest import Manifest
from headswap.errors import NotFound


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
        page_context(service, "bob", theirs.id)


def test_a_fresh_project_has_no_images_no_classes_and_no_lesson(service: Service) -> None:
    context = page_context(service, "", service.new_project("").id)

    assert (context.manifest, context.job, context.classes, context.is_teaching) == (None, None, (), False)


def test_what_is_missing_before_a_lesson_is_one_sentence(service: Service, manifest: Manifest) -> None:
    context = page_context(service, "", service.new_project("").id)
    alone = tuple(replace(p, class_name="mug", part="train") for p in manifest.images)

    assert context.lacks == "It needs pictures of at least two classes."
    assert replace(context, manifest=manifest).lacks == ""
    one = replace(context, manifest=replace(manifest, classes=("mug",), images=alone))
    assert one.lacks == "So far there is only mug. It needs a second class to tell it from."
    no_test = replace(context, manifest=replace(manifest, images=alone))
    assert no_test.lacks.startswith("There are too few pictures to lock any away for the exam.")
