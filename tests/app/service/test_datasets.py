"""Pictures of a project with a real import process: adding, correcting, undoing; what is someone else's."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.importing import Imported, ReadUpload
from headswap.app.service.datasets import MOST_CHANGES, Datasets
from headswap.app.service.projects import Project, Projects
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.storage.files import to_json


class Runs:
    """Which datasets some run was started with."""

    def __init__(self) -> None:
        self.wanted: set[str] = set()

    def want(self, project: Project, dataset: Path) -> bool:
        return dataset.parent.name in self.wanted


@pytest.fixture(scope="module")
def child() -> Iterator[ChildProcess]:
    child = ChildProcess("headswap.app.processes.importing:answer")
    yield child
    child.close()


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path / "projects")


@pytest.fixture
def images(projects: Projects, child: ChildProcess, few_drawings: Path, runs: Runs) -> Datasets:
    return Datasets(
        projects,
        lambda question: child.ask(question, Imported),
        sample=few_drawings,
        is_wanted=runs.want,
        came=lambda: None,
        check_room=lambda owner, upload: None,
    )


@pytest.fixture
def project(projects: Projects) -> str:
    return projects.create("ada").id


@pytest.fixture
def drawings_of(sample: Path, tmp_path: Path) -> Callable[[str, int, int], Path]:
    """A zip with one class folder of the sample's bugs: (class name, from, to)."""

    def make(name: str, first: int, last: int) -> Path:
        place = tmp_path / f"{name}-{first}-{last}.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in sorted((sample / "train" / "bug").iterdir())[first:last]:
                archive.write(path, f"{name}/{path.name}")
        return place

    return make


def test_more_images_come_beside_those_that_are_there(
    images: Datasets, projects: Projects, project: str, drawings_of: Callable[[str, int, int], Path]
) -> None:
    first = images.add("ada", project, drawings_of("bug", 0, 3))
    named = projects.get("ada", project).name
    second = images.add("ada", project, drawings_of("BUG", 2, 6))
    third = images.add("ada", project, drawings_of("other", 6, 9))

    assert first.counts == {"bug": 3}
    assert second.counts == {"bug": 6}
    assert third.counts == {"bug": 6, "other": 3}
    assert third.part("test")
    assert images.manifest("ada", project) == third
    assert all(third.path(image).is_file() for image in third.images)
    assert named == projects.get("ada", project).name == "bug-0-3"
    change = images.last_change("ada", project)
    assert change is not None
    assert change.sentence == "3 pictures added."


def test_what_is_there_already_is_counted_and_not_added_twice(
    images: Datasets, project: str, drawings_of: Callable[[str, int, int], Path]
) -> None:
    images.add("ada", project, drawings_of("bug", 0, 4))

    images.add("ada", project, drawings_of("bug", 3, 6))
    some = images.last_change("ada", project)
    images.add("ada", project, drawings_of("bug", 0, 6))
    none = images.last_change("ada", project)

    assert some is not None
    assert some.sentence == "2 pictures added; 1 was there already."
    assert none is not None
    assert none.sentence == "Nothing was added: every picture was there already."


def test_each_action_can_be_undone_back_to_the_first(images: Datasets, project: str) -> None:
    came = images.use_sample("ada", project)
    bird = next(image.file for image in came.images if image.class_name == "bird")
    assert images.last_change("ada", project) is None

    edits: list[Callable[[], object]] = [
        lambda: images.rename_class("ada", project, "fruit", "food"),
        lambda: images.relabel("ada", project, (bird,), "vehicle"),
        lambda: images.drop("ada", project, (bird,)),
        lambda: images.merge_classes("ada", project, "vehicle", "food"),
        lambda: images.drop_class("ada", project, "bird"),
        lambda: images.start_over("ada", project),
    ]
    seen = [images.manifest("ada", project)]
    said = []
    for edit in edits:
        edit()
        seen.append(images.manifest("ada", project))
        change = images.last_change("ada", project)
        assert change is not None
        said.append(change.sentence)

    assert [manifest.counts if manifest else {} for manifest in seen] == [
        {"bird": 8, "fruit": 8, "vehicle": 8},
        {"bird": 8, "food": 8, "vehicle": 8},
        {"bird": 7, "food": 8, "vehicle": 9},
        {"bird": 7, "food": 8, "vehicle": 8},
        {"bird": 7, "food": 16},
        {"food": 16},
        {},
    ]
    assert said[0] == "fruit is now called food."
    assert said[3:] == [
        "The pictures of vehicle are now in food.", "bird was left out.", "All pictures were taken out.",
    ]  # fmt: skip
    for before, sentence in zip(reversed(seen[:-1]), reversed(said), strict=True):
        assert images.undo("ada", project).sentence == sentence
        assert images.manifest("ada", project) == before
    with pytest.raises(BadSetting, match=r"There is nothing to undo. The pictures are as they came"):
        images.undo("ada", project)


def test_a_replaced_set_comes_back_and_its_thumbnails_never_go(
    images: Datasets, project: str, drawings_of: Callable[[str, int, int], Path]
) -> None:
    before = images.use_sample("ada", project)

    after = images.replace_all("ada", project, drawings_of("bug", 0, 3))

    assert after.counts == {"bug": 3}
    change = images.last_change("ada", project)
    assert change is not None
    assert change.sentence == "3 pictures took the place of those before."
    for image in (*before.images[:2], *after.images[:2]):
        assert images.thumbnail("ada", project, image.sha256).startswith(b"\xff\xd8")
    images.undo("ada", project)
    assert images.manifest("ada", project) == before
    for wrong in ("0" * 64, "../" * 21 + "x", ""):
        with pytest.raises(NotFound, match="no such picture"):
            images.thumbnail("ada", project, wrong)


def test_a_finding_is_mended_by_leaving_its_spare_images_out(
    images: Datasets, project: str, few_drawings: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "with copies"
    shutil.copytree(few_drawings, folder)
    for path in sorted((folder / "bird").iterdir())[:2]:
        shutil.copy(path, path.with_stem(f"{path.stem} copy"))
    came = images.add("ada", project, folder)
    assert came.counts["bird"] == 10

    mended = images.mend("ada", project, "duplicates")

    assert mended.counts["bird"] == 8
    assert "duplicates" not in [finding.code for finding in mended.findings]
    with pytest.raises(NotFound, match="already settled"):
        images.mend("ada", project, "duplicates")


def test_an_upload_that_fails_leaves_everything_as_it_was(
    images: Datasets, projects: Projects, project: str, tmp_path: Path
) -> None:
    before = images.use_sample("ada", project)
    folders = sorted(projects.folder(project).iterdir())
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")

    with pytest.raises(HeadswapError, match="is not a zip that can be opened"):
        images.add("ada", project, tmp_path / "broken.zip")

    assert images.manifest("ada", project) == before
    assert sorted(projects.folder(project).iterdir()) == folders


def test_a_change_during_an_upload_is_refused_and_the_next_upload_waits(
    images: Datasets, project: str, drawings_of: Callable[[str, int, int], Path], child: ChildProcess
) -> None:
    images.use_sample("ada", project)
    reading, go_on = Event(), Event()

    def slow(question: ReadUpload) -> Imported:
        reading.set()
        assert go_on.wait(timeout=600)
        return child.ask(question, Imported)

    images._ask = slow
    uploads = [
        Thread(target=images.add, args=("ada", project, drawings_of(name, first, first + 2)))
        for name, first in (("bug", 0), ("fly", 2))
    ]
    for upload in uploads:
        upload.start()
    assert reading.wait(timeout=600)
    with pytest.raises(BadSetting, match="Pictures are still being read"):
        images.rename_class("ada", project, "bird", "robin")
    go_on.set()
    for upload in uploads:
        upload.join(timeout=600)

    after = images.manifest("ada", project)
    assert after is not None
    assert after.counts == {"bird": 8, "bug": 2, "fly": 2, "fruit": 8, "vehicle": 8}


def test_old_datasets_are_let_go_unless_a_run_wants_them(
    images: Datasets, projects: Projects, project: str, runs: Runs
) -> None:
    images.use_sample("ada", project)
    names = ["food"]
    images.rename_class("ada", project, "fruit", "food")
    for number in range(MOST_CHANGES + 3):
        if number == 0:
            runs.wanted.add(projects.get("ada", project).data or "")
        names.append(f"food {number}")
        images.rename_class("ada", project, names[-2], names[-1])

    kept = {path.name for path in projects.folder(project).glob("data-*")}

    assert runs.wanted <= kept
    assert len(kept) == MOST_CHANGES + 2
    for _ in range(MOST_CHANGES):
        images.undo("ada", project)
    with pytest.raises(BadSetting, match="nothing to undo"):
        images.undo("ada", project)


def test_without_images_there_is_nothing_to_mend(images: Datasets, project: str) -> None:
    with pytest.raises(NotFound, match="There are no pictures any more"):
        images.drop_class("ada", project, "mug")
    with pytest.raises(BadSetting, match="There are no pictures yet"):
        images.for_teaching("ada", project)
    with pytest.raises(NotFound, match="already settled"):
        images.mend("ada", project, "duplicates")
    images.start_over("ada", project)
    assert images.last_change("ada", project) is None


def test_one_class_alone_is_not_taught(
    images: Datasets, project: str, drawings_of: Callable[[str, int, int], Path]
) -> None:
    images.add("ada", project, drawings_of("bug", 0, 3))

    with pytest.raises(BadSetting, match=r"only bug. Add pictures of a second class"):
        images.for_teaching("ada", project)

    images.add("ada", project, drawings_of("fly", 3, 6))
    assert images.for_teaching("ada", project).is_file()


def test_nobody_mends_what_is_somebody_else_s(images: Datasets, project: str, few_drawings: Path) -> None:
    before = to_json(images.use_sample("ada", project))
    edits: list[Callable[[], object]] = [
        lambda: images.add("eve", project, few_drawings),
        lambda: images.replace_all("eve", project, few_drawings),
        lambda: images.use_sample("eve", project),
        lambda: images.rename_class("eve", project, "bird", "x"),
        lambda: images.merge_classes("eve", project, "bird", "fruit"),
        lambda: images.drop_class("eve", project, "bird"),
        lambda: images.relabel("eve", project, ("bird/x.png",), "fruit"),
        lambda: images.drop("eve", project, ("bird/x.png",)),
        lambda: images.mend("eve", project, "duplicates"),
        lambda: images.start_over("eve", project),
        lambda: images.undo("eve", project),
        lambda: images.last_change("eve", project),
        lambda: images.manifest("eve", project),
        lambda: images.for_teaching("eve", project),
        lambda: images.thumbnail("eve", project, "0" * 64),
    ]
    for edit in edits:
        with pytest.raises(NotFound, match="There is no such project"):
            edit()
    after = images.manifest("ada", project)
    assert after is not None
    assert to_json(after) == before
