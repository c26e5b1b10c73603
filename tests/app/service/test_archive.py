"""A project saved here and opened elsewhere: the same pictures, choices, runs and reports, byte by byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headswap.app.jobs.job import new_job_id
from headswap.app.jobs.queue import Queue
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from headswap.app.service.archive import ProjectArchive, archive_of
from headswap.app.service.datasets import Datasets
from headswap.app.service.history import History
from headswap.app.service.projects import Project, Projects
from headswap.app.service.settings import Settings
from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.errors import BadProject, BadSetting, NotFound, TooMuch
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.stats import RunStats, keep_figures
from headswap.storage.files import to_json, write_text
from headswap.zoos.catalogue import describe_network


@dataclass
class House:
    """One installation without workers."""

    projects: Projects
    store: Store
    archive: ProjectArchive
    history: History
    images: Datasets


def no_check(owner: str, file: Path) -> None:
    if owner == "greedy":
        raise TooMuch("There is no room.", remedy="Delete something.")


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[tuple[House, House]]:
    made = []
    for name in ("here", "elsewhere"):
        root = tmp_path / name
        projects, store = Projects(root / "projects"), Store(root / "jobs.sqlite")
        settings = Settings(workspace=root, sample=root)
        history = History(
            projects, Queue(store, LocalRunner()), lambda names: tuple(map(describe_network, names))
        )
        images = Datasets(
            projects, lambda question: pytest.fail(f"{question} is not read here"), sample=root,
            is_wanted=lambda *_: True, came=lambda: None, check_room=lambda *_: None,
        )  # fmt: skip
        made.append(House(projects, store, archive_of(settings, projects, store, no_check), history, images))
    yield made[0], made[1]
    for house in made:
        house.archive.close()
        house.store.close()


def trained(house: House, few_drawings: Path, bundle: Path) -> tuple[Project, str, str]:
    """Ada's project with an old run on other pictures, and a new one; ids of both."""
    project = house.projects.create("ada")
    project = house.projects.save(replace(project, name="Birds / & “vehicles”"))
    home = house.projects.folder(project.id)
    manifest = split(ingest(few_drawings, store=home / "images").manifest)
    for images in (manifest, replace(manifest, name="after mending")):
        folder = house.projects.new_data_folder(project)
        write_text(folder / "dataset.json", to_json(images))
        project = house.projects.save(replace(project, data=folder.name))
        job = new_job_id()
        place = house.store.folder(job)
        shutil.copytree(bundle, place / "bundle")
        (place / "events.jsonl").write_text('{"sentence":"hello","kind":"note"}\n')
        keep_figures(place, RunStats(seconds=5.0, parameters=7, size_bytes=28, ms_per_image=0.5))
        source = str(house.projects.dataset(project))
        experiment = Experiment(data=DataConfig(source=source, seed=3), model="tf_efficientnet_lite0")
        house.store.adopt("ada", project.id, to_json(experiment), job, "bundle", 1_700_000_000.0)
    new, old = (job.id for job in house.store.of_project("ada", project.id))
    house.history.show("ada", old)
    return house.projects.get("ada", project.id), old, new


@pytest.mark.parametrize(
    ("name", "file"),
    [("CON", "project CON"), ("nul.", "project nul"), ("Aux. 1", "project Aux. 1"), ("Console", "Console")],
)
def test_a_project_whose_name_is_a_device_on_windows_is_saved_under_another(
    name: str, file: str, houses: tuple[House, House], tmp_path: Path
) -> None:
    projects = houses[0].projects
    project = projects.save(replace(projects.create("ada"), name=name))

    assert houses[0].archive.save("ada", project.id, tmp_path).name == f"{file}.headswap.zip"


def test_a_project_opened_elsewhere_has_the_very_same_reports(
    houses: tuple[House, House], few_drawings: Path, bundle: Path, tmp_path: Path
) -> None:
    here, there = houses
    project, old, _ = trained(here, few_drawings, bundle)

    file = here.archive.save("ada", project.id, tmp_path / "out")
    shutil.rmtree(here.projects.folder(project.id))
    opened = there.archive.open("bob", file)

    assert file.name == "Birds vehicles.headswap.zip"
    rows = there.history.rows("bob", [opened])
    mine = here.store.of_project("ada", project.id)
    assert len(rows) == len(mine) == 2
    assert not {row.id for row in rows} & {job.id for job in mine}, "ids are made new"
    for row, job in zip(rows, mine, strict=True):
        theirs = there.store.folder(row.id) / "bundle"
        for name in ("report.json", "weights.safetensors", "seal.json"):
            assert (theirs / name).read_bytes() == (here.store.folder(job.id) / "bundle" / name).read_bytes()
        assert (there.store.folder(row.id) / "events.jsonl").is_file()
        assert row.ms_per_image == 0.5
    assert [row.is_shown for row in rows] == [False, True], "the run that was opened is still the one shown"
    assert rows[1].id != old
    found = there.projects.get("bob", opened)
    manifest = there.projects.manifest(found)
    assert found.name == project.name
    assert manifest is not None
    assert manifest.name == "after mending"
    assert all(manifest.path(image).is_file() for image in manifest.images)
    assert there.images.thumbnail("bob", opened, manifest.images[0].sha256).startswith(b"\xff\xd8")
    shown = [path for path in there.projects.folder(opened).iterdir() if "draft" in path.name]
    assert shown == []


def test_a_run_opened_elsewhere_can_be_saved_and_opened_again(
    houses: tuple[House, House], few_drawings: Path, bundle: Path, tmp_path: Path
) -> None:
    here, there = houses
    project, *_ = trained(here, few_drawings, bundle)
    once = there.archive.open("bob", here.archive.save("ada", project.id, tmp_path / "1"))

    again = there.archive.open("eve", there.archive.save("bob", once, tmp_path / "2"))

    assert len(there.history.rows("eve", [again])) == 2
    assert (tmp_path / "1" / "Birds vehicles.headswap.zip").read_bytes() == (
        tmp_path / "2" / "Birds vehicles.headswap.zip"
    ).read_bytes()


def test_a_refused_file_leaves_nothing_behind(houses: tuple[House, House], tmp_path: Path) -> None:
    _, there = houses
    (tmp_path / "bad.zip").write_bytes(b"PK nothing")

    with pytest.raises(BadProject, match="not a zip that can be opened"):
        there.archive.open("bob", tmp_path / "bad.zip")
    with pytest.raises(TooMuch, match="no room"):
        there.archive.open("greedy", tmp_path / "bad.zip")

    assert there.projects.all() == ()
    assert there.store.folders() == []


def test_a_damaged_run_is_named_and_missing_images_are_said(
    houses: tuple[House, House], few_drawings: Path, bundle: Path, tmp_path: Path
) -> None:
    here, _ = houses
    project, old, _ = trained(here, few_drawings, bundle)
    report = here.store.folder(old) / "bundle" / "report.json"
    whole = report.read_bytes()
    report.write_bytes(whole + b" ")
    with pytest.raises(BadProject, match=r"The run of 14 November 2023 is damaged.*Delete it under Runs"):
        here.archive.save("ada", project.id, tmp_path / "out")
    report.write_bytes(whole)
    next((here.projects.folder(project.id) / "images").iterdir()).unlink()

    with pytest.raises(BadProject, match="Some pictures of this project are gone"):
        here.archive.save("ada", project.id, tmp_path / "out")


def test_a_deleted_project_takes_its_images_and_runs_along_and_nothing_else(
    houses: tuple[House, House], few_drawings: Path, bundle: Path
) -> None:
    here, _ = houses
    project, old, new = trained(here, few_drawings, bundle)
    other, _, kept = trained(here, few_drawings, bundle)

    with pytest.raises(NotFound):
        here.archive.delete("bob", project.id)
    here.archive.delete("ada", project.id)

    assert not here.projects.folder(project.id).exists()
    assert not {old, new} & {folder.name for folder in here.store.folders()}
    assert [line.id for line in here.archive.known("ada", [project.id, other.id])] == [other.id]
    assert here.store.folder(kept).is_dir()


def test_a_project_that_is_being_taught_is_not_deleted(
    houses: tuple[House, House], few_drawings: Path, bundle: Path
) -> None:
    here, _ = houses
    project, old, _ = trained(here, few_drawings, bundle)
    waiting = here.store.get(old, owner="ada").experiment_json
    Queue(here.store, LocalRunner()).submit("ada", project.id, waiting, "again")

    with pytest.raises(BadSetting, match="Stop the run first"):
        here.archive.delete("ada", project.id)

    assert here.projects.folder(project.id).is_dir()


def test_a_run_on_other_images_is_stale_until_the_images_are_back(
    houses: tuple[House, House], few_drawings: Path, bundle: Path
) -> None:
    here, _ = houses
    project, old, new = trained(here, few_drawings, bundle)
    runs = {job: here.store.get(job, owner="ada") for job in (old, new)}

    assert here.history.is_stale(project, runs[old])
    assert not here.history.is_stale(project, runs[new])
    assert here.history.is_stale(here.projects.save(replace(project, data=None)), runs[new])


def test_only_one_s_own_projects_are_listed_and_saved(
    houses: tuple[House, House], few_drawings: Path, bundle: Path, tmp_path: Path
) -> None:
    here, _ = houses
    project, *_ = trained(here, few_drawings, bundle)
    empty = here.projects.create("ada")

    (first, second) = here.archive.known("ada", [project.id, empty.id, project.id, "../x", "0" * 32])
    assert (first.name, first.images, first.classes, first.runs) == (project.name, 24, 3, 2)
    assert (second.images, second.runs, second.last_run_at) == (0, 0, None)
    assert here.archive.known("bob", [project.id]) == ()
    assert {line.id for line in here.archive.known("ada", [])} == {project.id, empty.id}, "logged in"
    nobody = here.projects.create("")
    assert here.archive.known("", []) == ()
    assert [line.id for line in here.archive.known("", [nobody.id, empty.id])] == [nobody.id]
    with pytest.raises(NotFound, match="There is no such project"):
        here.archive.save("bob", project.id, tmp_path / "out")


def test_a_project_with_nothing_in_it_and_one_with_own_weights_survive_the_journey(
    houses: tuple[House, House], tmp_path: Path
) -> None:
    here, there = houses
    project = here.projects.create("ada")
    (here.projects.folder(project.id) / "weights-00000000.pt").write_bytes(b"numbers")
    here.projects.save(replace(project, name="...", weights="weights-00000000.pt", model="resnet18"))

    file = here.archive.save("ada", project.id, tmp_path)
    opened = there.projects.get("", there.archive.open("", file))

    weights = there.projects.weights(opened)
    assert file.name == "project.headswap.zip"
    assert opened.model == "resnet18"
    assert weights is not None
    assert weights.name != "weights-00000000.pt"
    assert weights.read_bytes() == b"numbers"
