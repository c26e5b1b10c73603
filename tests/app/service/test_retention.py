from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.service.limits import Limits
from headswap.app.service.projects import Project, Projects
from headswap.app.service.retention import Retention, steady_clock
from headswap.errors import NotFound, TooMuch
from headswap.storage.files import DiskFull

HOUR_S = 3600.0
Open = Callable[..., Retention]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "jobs.sqlite")
    yield made
    made.close()


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path / "projects")


def keep(projects: Projects, store: Store, *, later_s: float = 0.0, **limits: float) -> Retention:
    return Retention(projects, store, Limits(**limits), clock=lambda: time.time() + later_s)  # type: ignore[arg-type]


def run(store: Store, project: Project, state: JobState = JobState.DONE) -> str:
    """One run of a project, ended so."""
    job = store.submit(project.owner, project.id, "{}", os.urandom(8).hex())
    (store.folder(job.id) / "weights").write_bytes(b"x" * 1_000_000)
    begun = store.assign_next(99)
    while begun is not None and begun.id != job.id:
        begun = store.assign_next(99)
    if begun is not None and state is not JobState.RUNNING:
        store.finish(job.id, begun.attempt, state)
    return job.id


def test_an_untouched_project_goes_with_its_images_and_runs_when_its_time_is_up(
    projects: Projects, store: Store
) -> None:
    project = projects.create("ada")
    job = run(store, project)

    assert keep(projects, store, hours_kept=2, later_s=1.9 * HOUR_S).tidy() == 0
    assert keep(projects, store, hours_kept=2, later_s=2.1 * HOUR_S).tidy() == 1

    with pytest.raises(NotFound, match="no such project"):
        projects.get("ada", project.id)
    with pytest.raises(NotFound, match="no such run"):
        store.get(job)
    assert job not in [folder.name for folder in store.folders()]


def test_a_look_keeps_a_project_and_so_does_a_run_at_work(projects: Projects, store: Store) -> None:
    looked_at, at_work = projects.create("ada"), projects.create("bob")
    run(store, at_work, JobState.RUNNING)
    for project in (looked_at, at_work):
        os.utime(projects.folder(project.id) / "project.json", (0, 0))
    projects.get("ada", looked_at.id)

    assert keep(projects, store, hours_kept=2).tidy() == 0
    assert len(projects.all()) == 2


def test_nothing_ages_where_no_hours_are_set(projects: Projects, store: Store) -> None:
    projects.create("ada")

    assert keep(projects, store, later_s=1e9).tidy() == 0


def test_a_clock_set_ahead_by_a_day_removes_nothing(
    projects: Projects, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects.create("ada")
    clock = steady_clock()
    monkeypatch.setattr(time, "time", lambda: 4e9)

    assert Retention(projects, store, Limits(hours_kept=2), clock=clock).tidy() == 0


def test_of_many_runs_the_newest_stay_and_the_one_that_is_shown(projects: Projects, store: Store) -> None:
    project = projects.create("ada")
    first, second, third, fourth = (run(store, project) for _ in range(4))
    waiting = store.submit("ada", project.id, "{}", "waits").id
    projects.save(Project(id=project.id, owner="ada", name="", shown=first))

    assert keep(projects, store, runs_kept=2).tidy() == 1

    assert store.ids() == {first, third, fourth, waiting}
    assert second not in [folder.name for folder in store.folders()]


def test_a_person_has_room_of_their_own(projects: Projects, store: Store, tmp_path: Path) -> None:
    run(store, projects.create("ada"))
    upload = tmp_path / "upload.zip"
    upload.write_bytes(b"x" * 600_000)
    keeping = keep(projects, store, disk_gb=0.0015)

    assert 1_000_000 < keeping.used_bytes("ada") < 1_010_000
    with pytest.raises(
        TooMuch, match=r"take 0\.00 of your 0\.0015 GB, and this would not fit\. Delete a run"
    ):
        keeping.check_room("ada", upload)
    keeping.check_room("ada")
    keeping.check_room("bob", upload)
    with pytest.raises(TooMuch, match=r"take 0\.00 of your 0\.001 GB\. Delete"):
        keep(projects, store, disk_gb=0.001).check_room("ada")


def test_an_upload_may_not_be_larger_than_allowed(projects: Projects, store: Store, tmp_path: Path) -> None:
    upload = tmp_path / "upload.zip"
    upload.write_bytes(b"x" * 2_500_000)

    with pytest.raises(TooMuch, match=r"This upload has 2 MB; 1 MB are allowed here|has 3 MB"):
        keep(projects, store, upload_mb=1).check_room("ada", upload)


def test_what_a_killed_server_left_is_swept(projects: Projects, store: Store, tmp_path: Path) -> None:
    job = run(store, projects.create("ada"))
    store.folder("0" * 32)
    (tmp_path / "tries" / "copy").mkdir(parents=True)

    keep(projects, store).sweep()

    assert [folder.name for folder in store.folders()] == [job]
    assert not (tmp_path / "tries").exists()


def test_an_upload_that_would_fill_the_disk_is_refused_before_it_is_read(
    projects: Projects, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = tmp_path / "pictures.zip"
    upload.write_bytes(b"x" * 1_000_000)
    free = [50_999_999]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))

    with pytest.raises(
        DiskFull, match=r"not enough room left on the server's disk for these 1 MB\. Choose fewer"
    ):
        keep(projects, store).check_room("ada", upload)

    keep(projects, store).check_room("ada")
    free[0] = 51_000_000
    keep(projects, store).check_room("ada", upload)


def test_what_a_killed_server_left_in_projects_and_features_is_swept(
    projects: Projects, store: Store, tmp_path: Path
) -> None:
    project = projects.create("ada")
    half = projects.new_data_folder(project)
    draft = tmp_path / "features" / "key" / "shard.draft-12345678"
    draft.parent.mkdir(parents=True)
    draft.write_bytes(b"half")

    keep(projects, store).sweep()

    assert not half.exists()
    assert not draft.exists()
    assert projects.get("ada", project.id) == project


def shards(root: Path, count: int) -> list[Path]:
    """Kept features of 1 MB each, the oldest first."""
    (root / "features" / "body").mkdir(parents=True)
    made = [root / "features" / "body" / f"{number}.safetensors" for number in range(count)]
    for age, path in enumerate(reversed(made)):
        path.write_bytes(bytes(1_000_000))
        os.utime(path, (time.time() - age, time.time() - age))
    return made


def test_of_too_many_features_the_oldest_go_and_none_while_somebody_reads_them(
    projects: Projects, store: Store
) -> None:
    made = shards(store.path.parent, 4)
    working = run(store, projects.create("ada"), JobState.RUNNING)

    keep(projects, store, features_gb=0.0025).tidy()
    assert all(path.exists() for path in made)
    store.finish(working, store.get(working).attempt, JobState.DONE)
    keep(projects, store).tidy()
    assert all(path.exists() for path in made)
    keep(projects, store, features_gb=0.0025).tidy()

    assert [path.exists() for path in made] == [False, False, True, True]


def test_what_waits_to_be_taken_in_counts_towards_a_persons_disk(
    projects: Projects, store: Store, tmp_path: Path
) -> None:
    upload = tmp_path / "a.zip"
    upload.write_bytes(bytes(600_000))
    waiting = {None: 900_000, upload: 300_000}
    keeping = Retention(projects, store, Limits(disk_gb=0.001), waiting=lambda owner, but=None: waiting[but])

    keeping.check_room("ada", upload)
    assert keeping.room_of("ada") == 100_000
    waiting[upload] = 500_000
    with pytest.raises(TooMuch, match="Your projects, runs and uploads take"):
        keeping.check_room("ada", upload)
    assert keep(projects, store).room_of("ada") > 10**15
