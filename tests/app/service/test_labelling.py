"""Pictures that no one has sorted, with the real reader and the real backbone: grouped, named, taken over."""

from __future__ import annotations

import json
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service import labelling
from headswap.app.service.labels import LabelProgress
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.data.manifest import Manifest
from headswap.errors import BadProject, BadSetting, NotFound
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.project_file import SavedProject, pack_project, unpack_project
from headswap.storage.files import from_json
from headswap.storage.records import read_record, write_record

KINDS, EACH = ("bird", "fruit", "vehicle"), 8


@pytest.fixture(scope="module")
def unsorted(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of 24 drawings of three kinds in one heap, and a file that is no picture."""
    place = tmp_path_factory.mktemp("unsorted") / "heap.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for kind in KINDS:
            for number, path in enumerate(sorted((sample / "train" / kind).iterdir())[:EACH]):
                archive.write(path, f"{kind[0]}{number}{path.suffix}")
        archive.writestr("broken.jpg", b"\xff\xd8 no picture")
    return place


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labelling")


@pytest.fixture(scope="module")
def cut_off(workspace: Path, sample: Path, unsorted: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project of ada whose pictures were read; the server was stopped while they were looked at."""
    begun = Service(Settings(workspace=workspace, sample=sample))
    project = begun.new_project("ada").id
    upload = copied(unsorted, tmp_path_factory.mktemp("upload"))
    begun.labelling.bring("ada", project, upload)  # it has no class folders
    until(lambda: begun.labelling.view("ada", project).state not in ("waiting", "reading"))
    begun.__exit__()
    return project


@pytest.fixture(scope="module")
def service(workspace: Path, sample: Path, cut_off: str) -> Iterator[Service]:
    """No run of it begins, so neither a worker nor the process that answers is started before it is asked."""
    made = Service(Settings(workspace=workspace, sample=sample))
    yield made
    made.__exit__()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def progress(service: Service, project: str) -> LabelProgress:
    found = service.labelling.view("ada", project).progress
    assert found is not None
    return found


def unnamed(service: Service, project: str) -> set[str]:
    """What a run would learn from without a name."""
    path = service.labelling.rest("ada", project)
    assert path is not None
    return {one.sha256 for one in read_record(Manifest, path).images}


def truth(found: LabelProgress, sha256: str) -> str:
    return next(kind for kind in KINDS if kind[0] == found.images[sha256].file[0])


@pytest.fixture(scope="module")
def begun(service: Service, cut_off: str) -> str:
    """The same with a server that has gone on where the last one stopped."""
    until(lambda: not service.labelling.view("ada", cut_off).is_busy)
    assert service.labelling.view("ada", cut_off).state == "ready"
    return cut_off


def copied(upload: Path, folder: Path) -> Path:
    return Path(shutil.copy(upload, folder / upload.name))


@pytest.fixture
def waiting(service: Service, begun: str) -> Iterator[str]:
    """The same, with no answer given, before and after."""
    yield begun
    while progress(service, begun).state.steps:
        service.labelling.undo("ada", begun)


def test_a_heap_is_grouped_and_what_is_no_picture_is_named(service: Service, waiting: str) -> None:
    found = progress(service, waiting)

    assert (found.total, found.named) == (24, 0)
    assert [left.file for left in found.manifest.left_out] == ["broken.jpg"]
    assert len(found.state.questions) == 10
    assert found.state.groups
    assert all(one.name == "" for one in found.state.groups)
    sha256 = found.state.questions[0]
    small = service.labelling.thumbnails("ada", waiting, (sha256, "0" * 64))
    assert list(small) == [sha256]
    assert small[sha256].startswith(b"\xff\xd8")


def test_answers_are_kept_asked_anew_after_ten_and_taken_back_one_by_one(
    service: Service, waiting: str
) -> None:
    def answer() -> None:
        found = progress(service, waiting)
        sha256 = found.state.open_questions[0]
        service.labelling.name("ada", waiting, (sha256,), truth(found, sha256))

    while len(progress(service, waiting).state.classes) < 2:
        answer()
    begun = len(progress(service, waiting).state.steps)
    assert progress(service, waiting).state.advised_at == begun  # a second class: there is a head now
    for _ in range(9):
        answer()
    assert progress(service, waiting).state.advised_at == begun

    unclear = progress(service, waiting).state.open_questions[0]
    service.labelling.skip("ada", waiting, unclear)

    after = progress(service, waiting).state
    assert after.advised_at == begun + 10
    assert after.skipped == {unclear}
    assert not set(after.questions) & set(after.labels)
    assert progress(service, waiting).named == begun + 9
    service.labelling.undo("ada", waiting)
    assert progress(service, waiting).state.skipped == set()
    service.labelling.undo("ada", waiting)
    assert progress(service, waiting).named == begun + 8


def test_a_group_gets_its_name_with_one_press_and_the_spelling_that_is_known(
    service: Service, waiting: str
) -> None:
    group = progress(service, waiting).state.groups[0]

    service.labelling.name("ada", waiting, group.sha256s, " Bird ")
    service.labelling.name("ada", waiting, (progress(service, waiting).state.open_questions[0],), "bird")

    found = progress(service, waiting)
    assert found.named == len(group.sha256s) + 1
    assert found.state.classes == ("Bird",)
    assert group not in found.state.open_groups
    with pytest.raises(BadSetting, match="No picture was chosen"):
        service.labelling.name("ada", waiting, ("0" * 64,), "bird")
    with pytest.raises(BadSetting, match="A class cannot be called"):
        service.labelling.name("ada", waiting, group.sha256s, "a/b")


def test_what_has_a_name_becomes_the_projects_own_and_the_rest_is_said(
    service: Service, waiting: str
) -> None:
    found = progress(service, waiting)
    for sha256, image in found.images.items():
        if image.file[1] in "01234":
            service.labelling.name("ada", waiting, (sha256,), truth(found, sha256))

    assert service.labelling.rest("ada", waiting) is None, "nothing was taken over"

    taken = service.labelling.finish("ada", waiting)

    assert unnamed(service, waiting) == found.images.keys() - {one.sha256 for one in taken.images}
    service.labelling.use_rest("ada", waiting, used=False)
    assert service.labelling.rest("ada", waiting) is None
    service.labelling.use_rest("ada", waiting, used=True)
    assert taken.counts == {"bird": 5, "fruit": 5, "vehicle": 5}
    assert taken.part("test")
    assert all(taken.path(one).is_file() for one in taken.images)
    change = service.images.last_change("ada", waiting)
    assert change is None  # nothing was there before
    more = next(sha for sha, image in found.images.items() if image.file[1] == "7")
    service.labelling.name("ada", waiting, (more,), "kite")
    other = next(sha for sha, image in found.images.items() if image.file.startswith("b0"))
    service.labelling.name("ada", waiting, (other,), "Fruit")  # on second thoughts
    assert service.labelling.finish("ada", waiting).counts == {"bird": 4, "fruit": 6, "kite": 1, "vehicle": 5}
    change = service.images.last_change("ada", waiting)
    assert change is not None
    assert change.sentence == (
        "16 pictures taken over with their names. 8 pictures without a name are in no class."
    )
    service.images.undo("ada", waiting)
    assert service.images.manifest("ada", waiting) == taken
    service.labelling.skip("ada", waiting, (unclear := min(unnamed(service, waiting))))
    assert unclear not in unnamed(service, waiting)
    job = service.start_teaching("ada", waiting)
    experiment: Experiment = from_json(Experiment, service._store.get(job, owner="ada").experiment_json)
    assert experiment.data.unlabeled == str(service.labelling.rest("ada", waiting))
    service.cancel("ada", job)


def test_what_has_no_name_goes_with_the_set_that_is_replaced_and_comes_back_with_it(
    service: Service, waiting: str, sample: Path, tmp_path: Path
) -> None:
    found = progress(service, waiting)
    for sha256, image in found.images.items():
        if image.file[1] in "01234":
            service.labelling.name("ada", waiting, (sha256,), truth(found, sha256))
    service.labelling.finish("ada", waiting)
    before = unnamed(service, waiting)
    with zipfile.ZipFile(tmp_path / "others.zip", "w") as archive:
        for kind in KINDS:
            for path in sorted((sample / "train" / kind).iterdir())[EACH : EACH + 4]:
                archive.write(path, f"{kind}/{path.name}")

    service.labelling.bring("ada", waiting, tmp_path / "others.zip", "replace")

    assert service.labelling.rest("ada", waiting) is None
    assert service.labelling.view("ada", waiting).state == "none"
    with pytest.raises(NotFound, match="No pictures wait for a name"):
        service.labelling.finish("ada", waiting)
    service.images.undo("ada", waiting)
    assert unnamed(service, waiting) == before
    service.images.start_over("ada", waiting)
    assert service.labelling.rest("ada", waiting) is None
    service.images.undo("ada", waiting)
    assert unnamed(service, waiting) == before


def test_a_saved_project_holds_what_waits_and_every_answer_and_is_grouped_where_it_is_opened(
    service: Service, waiting: str, tmp_path: Path
) -> None:
    found = progress(service, waiting)
    by_file = {image.file: sha256 for sha256, image in found.images.items()}
    for name in ("b0", "b1", "f0", "f1"):
        sha256 = by_file[f"{name}.png"]
        service.labelling.name("ada", waiting, (sha256,), truth(found, sha256))
    service.labelling.finish("ada", waiting)
    service.labelling.skip("ada", waiting, by_file["v0.png"])
    service.labelling.name("ada", waiting, (by_file["v1.png"],), "vehicle")
    before, steps = unnamed(service, waiting), progress(service, waiting).state.steps

    file = service.archive.save("ada", waiting, tmp_path / "1")
    opened = service.archive.open("ada", file)
    again = service.archive.save("ada", opened, tmp_path / "2")

    assert again.read_bytes() == file.read_bytes()
    assert unnamed(service, opened) == before, "a run may begin before they are grouped"
    assert service.labelling.view("ada", opened).is_busy
    until(lambda: not service.labelling.view("ada", opened).is_busy)
    state = progress(service, opened).state
    assert (state.steps, state.taken) == (steps, 4)
    assert set(state.questions) <= before
    assert state.questions
    service.labelling.undo("ada", opened)
    there = service.images.manifest("ada", waiting)
    assert there is not None
    assert service.labelling.finish("ada", opened).counts == there.counts
    service.labelling.forget("ada", opened)
    assert service.labelling.view("ada", waiting).progress is not None


def test_where_pictures_have_several_labels_no_one_labels_a_heap_in_vain(
    service: Service, waiting: str, unsorted: Path, tmp_path: Path
) -> None:
    project = service._projects.create("ada")
    found = progress(service, waiting).manifest
    images = tuple(replace(one, class_name="bird", labels=("bird",)) for one in found.images)
    folder = service._projects.new_data_folder(project)
    write_record(folder / "dataset.json", replace(found, classes=("bird",), images=images))
    service._projects.save(replace(project, data=folder.name))

    with pytest.raises(BadSetting, match="Label with help needs one class for each picture"):
        service.labelling.begin("ada", project.id, copied(unsorted, tmp_path))

    assert service.labelling.view("ada", project.id).state == "none"


def test_names_that_are_no_classes_or_of_other_pictures_are_refused_with_the_project(
    service: Service, waiting: str, tmp_path: Path
) -> None:
    sha256 = progress(service, waiting).state.questions[0]
    service.labelling.name("ada", waiting, (sha256,), "bird")
    file, limits = service.archive.save("ada", waiting, tmp_path), service.archive._limits
    for wrong in ({"name": "../bird"}, {"sha256s": ["0" * 64]}, {"sha256s": 3}):
        draft = tmp_path / f"draft-{len(str(wrong))}"
        draft.mkdir()
        unpack_project(file, draft, limits)
        answers = json.loads((draft / "waiting" / "labels.json").read_text())
        answers["steps"][0] |= wrong
        files: dict[str, Path | bytes] = {
            path.relative_to(draft).as_posix(): path for path in draft.rglob("*.*") if path.parent != draft
        }
        files["waiting/labels.json"] = json.dumps(answers).encode()
        project: SavedProject = from_json(SavedProject, (draft / "project.json").read_bytes())
        before = service._projects.all()
        altered = pack_project(tmp_path / "altered.zip", project, files)

        with pytest.raises(BadProject, match="The names that were given cannot be read"):
            service.archive.open("ada", altered)
        assert service._projects.all() == before


def test_what_was_opened_for_a_network_that_may_not_come_waits_until_another_is_chosen(
    service: Service, waiting: str, sample: Path, tmp_path: Path
) -> None:
    file = service.archive.save("ada", waiting, tmp_path)
    elsewhere = Service(Settings(workspace=tmp_path / "elsewhere", sample=sample, networks=("here",)))
    try:
        opened = elsewhere.archive.open("bob", file)
        found = elsewhere._projects.get("bob", opened)
        elsewhere._projects.save(replace(found, model="vit_giant_patch14_dinov2"))

        view = elsewhere.labelling.view("bob", opened)

        assert (view.state, "may not be downloaded here" in view.problem) == ("failed", True)
        elsewhere._projects.save(found)
        assert elsewhere.labelling.view("bob", opened).is_busy
    finally:
        elsewhere.__exit__()


def test_another_server_knows_every_answer_and_what_is_put_away_is_gone(
    service: Service, workspace: Path, sample: Path, unsorted: Path, begun: str, tmp_path: Path
) -> None:
    sha256 = progress(service, begun).state.questions[0]
    service.labelling.name("ada", begun, (sha256,), "bird")

    later = Service(Settings(workspace=workspace, sample=sample))  # what it says is on the disk

    assert progress(later, begun).state.labels == {sha256: "bird"}
    with pytest.raises(BadSetting, match="Other pictures wait for their names"):
        service.labelling.begin("ada", begun, copied(unsorted, tmp_path))
    service.labelling.forget("ada", begun)
    assert service.labelling.view("ada", begun).state == "none"
    with pytest.raises(NotFound, match="No pictures wait for a name"):
        service.labelling.finish("ada", begun)


def test_what_is_put_away_in_the_middle_of_teach_goes_when_the_run_has_noted_it(
    service: Service, unsorted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = service.new_project("ada").id
    service.labelling.bring("ada", project, copied(unsorted, tmp_path))
    until(lambda: not service.labelling.view("ada", project).is_busy)
    found = progress(service, project)
    for sha256, image in found.images.items():
        if image.file[1] in "01234":
            service.labelling.name("ada", project, (sha256,), truth(found, sha256))
    service.labelling.finish("ada", project)
    away, read = threading.Thread(target=service.labelling.forget, args=("ada", project)), labelling._progress

    def read_slowly(folder: Path) -> LabelProgress:
        """*Put them away* is pressed meanwhile, and goes as far as it can."""
        if away.ident is None:
            away.start()
            away.join(0.5)
        return read(folder)

    monkeypatch.setattr(labelling, "_progress", read_slowly)

    job = service.start_teaching("ada", project)

    experiment: Experiment = from_json(Experiment, service._store.get(job, owner="ada").experiment_json)
    assert Path(experiment.data.unlabeled or "").name.startswith("rest-")
    away.join()
    assert service.labelling.view("ada", project).state == "none"
    service.cancel("ada", job)
