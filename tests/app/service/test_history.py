"""Every run is kept and only its owner sees it; nothing is started twice."""

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
from headswap.app.service.history import History
from headswap.app.service.projects import Project, Projects
from headswap.errors import BadSetting, ModelNotFound, NotFound
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.stats import RunStats, keep_figures
from headswap.storage.files import to_json
from headswap.threads import machine_text
from headswap.zoos.catalogue import describe_network

LITE, FULL = "tf_efficientnet_lite0", "timm/tf_efficientnet_lite0"


@dataclass
class Place:
    """Projects, jobs and their history, with no worker to disturb them."""

    projects: Projects
    store: Store
    history: History
    bundle: Path

    def project(self, owner: str = "ada") -> Project:
        made = self.projects.create(owner)
        folder = self.projects.new_data_folder(made)
        (folder / "dataset.json").write_text("{}")
        return self.projects.save(replace(made, name="Mugs & pens", data=folder.name))

    def run(self, project: Project, model: str = LITE, seconds: float = 5.0, machine: str = "") -> str:
        """A run that is done."""
        job, folder = new_job_id(), None
        folder = self.store.folder(job)
        shutil.copytree(self.bundle, folder / "bundle")
        figures = RunStats(
            seconds=seconds, parameters=3_374_851, size_bytes=13_600_000, ms_per_image=9.5, machine=machine
        )
        keep_figures(folder, figures)
        dataset = self.projects.dataset(project)
        experiment = Experiment(data=DataConfig(source=str(dataset)), model=model)
        self.store.adopt(project.owner, project.id, to_json(experiment), job, "bundle", 1_700_000_000.0)
        return job


@pytest.fixture
def place(tmp_path: Path, bundle: Path) -> Iterator[Place]:
    projects, store = Projects(tmp_path / "projects"), Store(tmp_path / "jobs.sqlite")
    queue = Queue(store, LocalRunner())
    cards = lambda names: tuple(describe_network(name) for name in names)  # noqa: E731
    yield Place(projects, store, History(projects, queue, cards), bundle)
    store.close()


def test_what_a_run_was_asked_to_do_is_told_to_its_owner_alone(place: Place) -> None:
    project = place.project()
    job = place.run(project, FULL)

    experiment = place.history.experiment("ada", job)

    assert (experiment.model, experiment.data.source) == (FULL, str(place.projects.dataset(project)))
    with pytest.raises(NotFound):
        place.history.experiment("bob", job)


def test_a_run_is_listed_with_all_its_figures(place: Place) -> None:
    project = place.project()
    job = place.run(project)

    (row,) = place.history.rows("ada", [project.id])

    assert (row.id, row.project_name, row.model, row.state) == (job, "Mugs & pens", LITE, "done")
    assert row.summary is not None
    assert row.summary.images == 24
    assert row.summary.interval[0] < row.summary.accuracy <= row.summary.interval[1]
    assert (row.seconds, row.parameters, row.ms_per_image) == (5.0, 3_374_851, 9.5)
    assert row.depth == "head"
    assert row.is_shown


def test_how_long_runs_took_here_is_told_newest_first_and_of_their_owner_alone(place: Place) -> None:
    project = place.project()
    place.run(project, seconds=5.0, machine=machine_text())
    place.run(project, seconds=7.0, machine="another machine, 64 cores")
    place.run(project, seconds=9.0, machine=machine_text())

    assert [(run.images, run.seconds) for run in place.history.taken("ada")] == [(24, 9.0), (24, 5.0)]
    assert place.history.taken("bob") == ()


def test_nobody_sees_the_runs_of_another_or_can_open_or_delete_one(place: Place) -> None:
    project = place.project()
    job = place.run(project)

    assert place.history.rows("bob", [project.id, "../../etc", "f" * 32]) == ()
    for edit in (place.history.show, place.history.delete):
        with pytest.raises(NotFound, match="There is no such run"):
            edit("bob", job)
        with pytest.raises(NotFound, match="There is no such run"):
            edit("ada", "../" + job)
    with pytest.raises(NotFound, match="There is no such project"):
        place.history.compare("bob", project.id, [LITE])
    assert len(place.history.rows("ada", [project.id])) == 1


def test_an_old_run_is_brought_back_with_its_network_until_something_newer_is_taught(place: Place) -> None:
    project = place.project()
    old, new = place.run(project, model="resnet50"), place.run(project)
    assert [row.is_shown for row in place.history.rows("ada", [project.id])] == [True, False]

    assert place.history.show("ada", old) == project.id

    found = place.projects.get("ada", project.id)
    assert place.history.shown(found).id == old  # type: ignore[union-attr]
    assert found.model == "resnet50"
    assert [row.id for row in place.history.rows("ada", [project.id]) if row.is_shown] == [old]
    place.history.compare("ada", project.id, ["resnet18"])
    assert place.history.shown(place.projects.get("ada", project.id)).id == new  # type: ignore[union-attr]


def test_the_run_before_is_the_last_one_of_the_project_that_was_done_earlier(place: Place) -> None:
    project, other = place.project(), place.project()
    first, second = place.run(project), place.run(project, model="resnet50")
    alone = place.run(other)

    before = place.history.before("ada", second)

    assert before is not None
    assert (before.id, before.model) == (first, LITE)
    assert place.history.before("ada", first) is None
    assert place.history.before("ada", alone) is None
    with pytest.raises(NotFound, match="There is no such run"):
        place.history.before("bob", second)


def test_a_deleted_run_leaves_nothing_and_one_that_waits_is_not_deleted(place: Place) -> None:
    project = place.project()
    job = place.run(project)
    (waiting,) = place.history.compare("ada", project.id, ["resnet18"])

    with pytest.raises(BadSetting, match="Stop it first"):
        place.history.delete("ada", waiting)
    place.history.delete("ada", job)

    assert [row.id for row in place.history.rows("ada", [project.id])] == [waiting]
    assert not (place.store.path.parent / "jobs" / job).exists()


def test_comparing_twice_starts_each_network_once_and_leaves_out_what_is_done(place: Place) -> None:
    project = place.project()
    place.run(project, model=LITE)

    first = place.history.compare("ada", project.id, [LITE, FULL, "resnet18", "timm/resnet18"])
    again = place.history.compare("ada", project.id, ["resnet18", "torchvision/resnet18"])

    models = [row.model for row in place.history.rows("ada", [project.id])]
    assert len(first) == 2
    assert again == ()
    assert sorted(models) == [LITE, "timm/resnet18", "torchvision/resnet18"]


def test_comparing_asks_for_images_known_networks_and_not_too_many(place: Place) -> None:
    with pytest.raises(BadSetting, match="There are no pictures yet"):
        place.history.compare("ada", place.projects.create("ada").id, [LITE])
    project = place.project()
    with pytest.raises(BadSetting, match="No network was chosen"):
        place.history.compare("ada", project.id, [])
    with pytest.raises(BadSetting, match="Choose 8 at most"):
        place.history.compare("ada", project.id, [f"resnet{i}" for i in range(9)])
    with pytest.raises(ModelNotFound, match="nothing"):
        place.history.compare("ada", project.id, ["nothing"])


def test_the_header_speaks_of_the_run_at_work_then_of_the_next_then_of_the_newest(place: Place) -> None:
    project = place.project()
    assert place.history.current(project) is None
    done = place.run(project)
    first, second = place.history.compare("ada", project.id, ["resnet18", "resnet34"])
    assert place.history.current(project).id == first  # type: ignore[union-attr]

    place.store.request_cancel(first)
    assert place.history.current(project).id == second  # type: ignore[union-attr]
    place.store.request_cancel(second)

    assert place.history.current(project).id == second  # type: ignore[union-attr]
    assert place.history.newest(project) > 0
    assert place.history.shown(project).id == done  # type: ignore[union-attr]


def test_a_damaged_report_hides_no_other_run(place: Place) -> None:
    project = place.project()
    damaged, whole = place.run(project), place.run(project)
    (place.store.folder(damaged) / "bundle" / "report.json").write_text("{")

    rows = {row.id: row for row in place.history.rows("ada", [project.id])}

    assert rows[damaged].summary is None
    assert rows[whole].summary is not None
