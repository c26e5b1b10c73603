"""Deletions while another program holds a file: they count, they are said, and they are tried again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.service.doctor import diagnose
from headswap.app.service.leftovers import leftovers, try_again
from headswap.app.service.limits import Limits
from headswap.app.service.projects import Projects
from headswap.app.service.retention import Retention
from headswap.errors import NotFound
from headswap.storage import files
from headswap.storage.disk import RealDisk

Hold = Callable[[Path], None]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Files that cannot be removed while they are held, as on Windows; `None` lets all go."""
    held: set[str] = set()
    unlink = os.unlink

    def refuse(path: os.PathLike[str] | str, *, dir_fd: int | None = None) -> None:
        if Path(path).name in held:
            raise PermissionError(13, "Another program holds it", str(path))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)

    def hold_one(path: Path) -> None:
        held.add(path.name)

    hold_one.let_go = held.clear  # type: ignore[attr-defined]
    return hold_one


def test_a_folder_that_cannot_go_at_once_says_so_and_loses_all_but_what_is_held(
    tmp_path: Path, hold: Hold
) -> None:
    folder = tmp_path / "jobs" / "one"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.jpg", "held.jpg", "z.jpg"):
        (folder / "deep" / name).write_bytes(b"x")
    hold(folder / "deep" / "held.jpg")

    with pytest.raises(OSError, match="Another program holds it"):
        RealDisk().remove(folder)
    assert not files.discard(folder)

    assert [path.name for path in (folder / "deep").iterdir()] == ["held.jpg"]
    assert leftovers(tmp_path) == (folder,)
    hold.let_go()  # type: ignore[attr-defined]
    assert try_again(tmp_path) == 1
    assert not folder.exists()


def test_a_deleted_project_is_gone_for_everybody_while_an_image_of_it_is_held(
    tmp_path: Path, hold: Hold, caplog: pytest.LogCaptureFixture
) -> None:
    projects = Projects(tmp_path / "projects")
    project = projects.create("ada")
    image = projects.folder(project.id) / "project.json"
    hold(image)

    projects.remove(project)

    with pytest.raises(NotFound):
        projects.get("ada", project.id)
    assert projects.all() == ()
    assert "is deleted, and not all of it could be removed yet" in caplog.text
    part = next(part for part in diagnose(tmp_path).parts if part.name == "deletions")
    assert "1 deleted thing still on the disk" in part.finding
    assert "the server tries again" in part.remedy


def test_a_deleted_run_is_tried_again_while_the_server_runs(tmp_path: Path, hold: Hold) -> None:
    store, projects = Store(tmp_path / "jobs.sqlite"), Projects(tmp_path / "projects")
    keeping = Retention(projects, store, Limits())
    job = store.submit("ada", "project", "{}", "key")
    store.request_cancel(job.id)
    assert store.get(job.id).state is JobState.CANCELLED
    result = store.folder(job.id) / "picture.png"
    result.write_bytes(b"x")
    hold(result)

    assert store.forget(job.id)
    assert not store.is_all_gone(job.id)
    keeping.tidy()
    assert result.exists()
    hold.let_go()  # type: ignore[attr-defined]
    keeping.tidy()

    assert not result.exists()
    assert store.is_all_gone(job.id)
    assert leftovers(tmp_path) == ()
    store.close()


def test_copies_of_tried_images_are_found_by_their_age(tmp_path: Path) -> None:
    for name in ("tries", "reading"):
        (tmp_path / name / "tmp1").mkdir(parents=True)
        (tmp_path / name / "tmp1" / "given").write_bytes(b"x")
    changed = (tmp_path / "tries" / "tmp1").stat().st_mtime

    assert leftovers(tmp_path, changed + 60) == ()
    assert try_again(tmp_path, changed + 1000) == 2
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_server_starts_although_something_of_the_last_one_is_held(tmp_path: Path, hold: Hold) -> None:
    store, projects = Store(tmp_path / "jobs.sqlite"), Projects(tmp_path / "projects")
    stale = projects.folder(projects.create("ada").id) / "images" / f"{'0' * 64}.png"
    for path in (stale, tmp_path / "tries" / "given"):
        path.parent.mkdir()
        path.write_bytes(b"x")
        hold(path)

    Retention(projects, store, Limits()).sweep()

    assert stale.exists()
    store.close()


def test_the_doctor_finds_nothing_where_every_deletion_succeeded(tmp_path: Path) -> None:
    part = next(part for part in diagnose(tmp_path).parts if part.name == "deletions")

    assert (part.finding, part.remedy) == ("nothing that was deleted is still on the disk", "")
