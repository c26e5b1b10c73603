from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service.projects import Projects
from headswap.errors import NotFound
from headswap.storage import files


def test_a_project_is_found_by_its_owner_only(tmp_path: Path) -> None:
    projects = Projects(tmp_path / "projects")
    made = projects.create("ann")

    assert projects.get("ann", made.id) == made
    for owner, name in (("bob", made.id), ("ann", "0" * 32), ("ann", "../..")):
        with pytest.raises(NotFound, match="There is no such project"):
            projects.get(owner, name)


def test_a_damaged_project_is_read_from_the_record_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    projects = Projects(tmp_path / "projects")
    made = projects.create("ann")
    renamed = projects.save(replace(made, name="Birds"))
    projects.save(replace(renamed, name="Boats"))
    record = projects.folder(made.id) / "project.json"
    record.write_bytes(record.read_bytes().replace(b"Boats", b"Goats"))

    found = projects.get("ann", made.id)

    assert found == renamed
    assert "project.json is damaged; the one before it is used" in caplog.text


def test_no_empty_folder_stays_when_there_is_no_room_for_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = Projects(tmp_path / "projects")

    def no_room(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.disk, "sync", no_room)
    with pytest.raises(files.DiskFull, match="There is no room left"):
        projects.create("ann")

    assert list((tmp_path / "projects").iterdir()) == []
