"""Other classes for a network that was opened without its pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from headswap.app.service.service import Service
from headswap.errors import BadProject, BadSetting, NotFound, TooFewImages
from headswap.storage.files import SEAL


def packed(files: list[Path], target: Path, folder: str) -> Path:
    with zipfile.ZipFile(target, "w") as file:
        for path in files:
            file.write(path, f"{folder}/{path.name}")
    return target


def test_a_zip_of_a_network_is_opened_and_gets_a_class_without_the_old_pictures(
    service: Service, bundle: Path, sample: Path, tmp_path: Path
) -> None:
    project = service.archive.open("ada", packed(sorted(bundle.iterdir()), tmp_path / "birds.zip", "birds"))
    opened = service.project("ada", project)
    assert (opened.name, opened.has_images, opened.is_stale) == ("birds", False, False)
    first = opened.done_job
    assert first is not None
    before = service.results.report("ada", first)
    bugs = sorted((sample / "train" / "bug").iterdir())[:4]

    done = service.later.add_class("ada", first, packed(bugs, tmp_path / "bugs.zip", "bug"))

    assert done.changes == ("added 4 pictures of bug",)
    assert service.project("ada", project).done_job == done.job
    after = service.results.report("ada", done.job)
    assert after.classes == tuple(sorted((*before.classes, "bug")))
    hardly = [one.sentence for one in after.advice if one.code == "hardly-judged"]
    assert [sentence.split(":")[0] for sentence in hardly] == ["How well it knows bug cannot be said"]
    assert service.predict("ada", done.job, bugs[0]).label in after.classes
    assert service.results.report("ada", first) == before, "the run of before stays"
    merged = service.later.call_class("ada", done.job, "bug", " BIRD ")
    assert service.results.report("ada", merged.job).classes == before.classes
    renamed = service.later.call_class("ada", merged.job, "bird", "owl")
    assert "owl" in service.results.report("ada", renamed.job).classes
    removed = service.later.remove_class("ada", renamed.job, "owl")
    assert service.results.report("ada", removed.job).classes == tuple(
        one for one in before.classes if one != "bird"
    )
    runs = len(service.history.rows("ada", (project,)))
    with pytest.raises(TooFewImages, match="would be left"):
        service.later.remove_class("ada", removed.job, "fruit")
    with pytest.raises(BadSetting, match="There is no class owl"):
        service.later.remove_class("ada", removed.job, "owl")
    with pytest.raises(NotFound):
        service.later.remove_class("eve", removed.job, "fruit")
    assert len(service.history.rows("ada", (project,))) == runs
    left = {path.name for path in (service.settings.workspace / "projects" / project).iterdir()}
    assert not [name for name in left if name.startswith("later")]


def test_a_zip_of_a_network_that_was_altered_is_refused(
    service: Service, bundle: Path, tmp_path: Path
) -> None:
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(altered, "w") as file:
        for path in bundle.iterdir():
            data = path.read_bytes()
            file.writestr(path.name, data if path.name == SEAL else data[:-1] + bytes([data[-1] ^ 1]))

    with pytest.raises(BadProject, match=r"This network is damaged: .* is not what was saved"):
        service.archive.open("ada", altered)
