"""Many pictures tried with one real run: read, answered, named, sorted, and let go."""

from __future__ import annotations

import csv
import io
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from headswap.app.processes.importing import Imported, ReadUpload
from headswap.app.service import batches
from headswap.app.service.batch_files import BatchView
from headswap.app.service.batches import Batches
from headswap.app.service.leftovers import BATCH
from headswap.app.service.retention import sweep_projects
from headswap.app.service.service import Service
from headswap.bundle.prediction import Prediction
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BadSetting, HeadswapError, NotFound, TooMuch
from headswap.pipeline.kept_answers import KeptAnswers
from headswap.pipeline.many import NOT_SURE, OOD, TABLE
from tests.e2e.saved import RUNS, make_project


@pytest.fixture(scope="module")
def trained(
    service: Service, few_drawings: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """A project of ada and the newer of its two runs."""
    place = tmp_path_factory.mktemp("two-runs")
    saved = make_project(place, few_drawings, bundle, "two", 0.0, runs=RUNS[:2])
    project = service.archive.open("ada", saved)
    job = service.project("ada", project).done_job
    assert job is not None
    return project, job


@pytest.fixture
def unknown(sample: Path, tmp_path: Path) -> Callable[[], Path]:
    """A zip of 20 mirrored drawings in folders that mean nothing, one file that is none, and litter."""

    def make() -> Path:
        place = tmp_path / "holiday.zip"
        with zipfile.ZipFile(place, "w") as archive:
            drawings = [
                path for name in ("bird", "bug") for path in sorted((sample / "train" / name).iterdir())
            ]
            for number, path in enumerate(drawings[:10] + drawings[-10:]):
                with Image.open(path) as drawing:
                    file = io.BytesIO()
                    ImageOps.mirror(drawing.convert("RGB")).save(file, "PNG")
                archive.writestr(f"day {number % 3}/photo {number}.png", file.getvalue())
            archive.writestr("broken.jpg", b"\xff\xd8 no picture")
            archive.writestr("__MACOSX/._photo 1.png", b"litter")
        return place

    return make


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def over(service: Service, project: str) -> BatchView:
    until(lambda: not service.batches.view("ada", project).is_busy)
    return service.batches.view("ada", project)


@pytest.fixture
def tried(service: Service, trained: tuple[str, str], unknown: Callable[[], Path]) -> str:
    """The project, with the unknown pictures tried."""
    project, job = trained
    service.batches.begin("ada", project, job, unknown())
    assert over(service, project).state == "done"
    return project


def test_every_picture_is_answered_under_its_name_and_what_is_none_is_named(
    service: Service, tried: str, trained: tuple[str, str]
) -> None:
    view, found = service.batches.view("ada", tried), service.batches.answers("ada", tried)

    assert (view.done, view.total, view.is_stopped, view.job) == (20, 20, False, trained[1])
    assert [one.said.file for one in found.tried] == [one.image.file for one in found.tried]
    assert "day 0/photo 0.png" in [one.said.file for one in found.tried]
    assert [(left.file, "broken.jpg" in left.reason) for left in found.manifest.left_out] == [
        ("broken.jpg", True)
    ]
    alone = service.results.predict("ada", trained[1], (found.manifest.path(found.tried[3].image),))[0]
    assert alone.probabilities == pytest.approx(found.tried[3].said.probabilities, abs=1e-4)
    sha256 = found.tried[0].image.sha256
    small = service.batches.thumbnails("ada", tried, (sha256, "0" * 64))
    assert list(small) == [sha256]
    assert small[sha256].startswith(b"\xff\xd8")


def test_the_table_and_the_folders_are_those_of_the_shell(service: Service, tried: str) -> None:
    found = service.batches.answers("ada", tried)

    table = service.batches.table("ada", tried).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(table)))

    assert [row["file"] for row in rows] == [one.said.file for one in found.tried]
    assert list(rows[0]) == [
        "file",
        "label",
        "sure",
        "unlike",
        "is_unlike",
        "nearest",
        "bird",
        "fruit",
        "vehicle",
    ]
    with zipfile.ZipFile(service.batches.sorted_zip("ada", tried)) as packed:
        names = packed.namelist()
        assert packed.read(TABLE).decode() == table
    assert len(names) == 21
    folders = {name.rpartition("/")[2]: name.rpartition("/")[0] for name in names if name != TABLE}
    for one in found.tried:
        wanted = OOD if one.said.is_ood else NOT_SURE if one.is_doubtful else one.said.label
        assert folders[one.image.file.rpartition("/")[2]] == wanted


def test_what_is_named_is_learned_from_and_the_exam_stays_what_it_was(
    service: Service, tried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = service.images.manifest("ada", tried)
    assert before is not None
    chosen = [one.image.sha256 for one in service.batches.answers("ada", tried).tried]

    service.batches.label("ada", tried, chosen[:3], "bird")
    named = service.batches.label("ada", tried, [*chosen[-2:], "0" * 64], " beetle ")

    assert named.counts == {**before.counts, "bird": before.counts["bird"] + 3, "beetle": 2}
    test = {one.sha256 for one in before.part("test")}
    assert {one.sha256 for one in named.part("test") if one.class_name != "beetle"} == test
    assert all(named.path(one).is_file() for one in named.images)
    change = service.images.last_change("ada", tried)
    assert change is not None
    assert change.sentence == "2 pictures named: they are beetle."
    moved = service.batches.label("ada", tried, chosen[:1], "fruit")
    assert moved.counts["bird"] == before.counts["bird"] + 2
    monkeypatch.setattr(service.images, "_most_images", len(moved.images))
    with pytest.raises(TooMuch, match=f"{len(moved.images)} are allowed here"):
        service.batches.label("ada", tried, chosen[5:6], "bird")
    monkeypatch.undo()
    for _ in range(3):
        service.images.undo("ada", tried)
    assert service.images.manifest("ada", tried) == before
    with pytest.raises(BadSetting, match="No picture was chosen"):
        service.batches.label("ada", tried, ["0" * 64], "bird")
    with pytest.raises(BadSetting, match="The class has no name"):
        service.batches.label("ada", tried, chosen[:1], " ")


def test_another_run_answers_the_same_pictures_again(
    service: Service, tried: str, trained: tuple[str, str]
) -> None:
    before = service.batches.answers("ada", tried)
    rows = service.history.rows("ada", (tried,))  # of all that Ada has
    (job,) = {row.id for row in rows if row.project == tried} - {before.job}

    service.batches.again("ada", tried, job)

    assert over(service, tried).state == "done"
    after = service.batches.answers("ada", tried)
    assert (before.job, after.job) == (trained[1], job)
    assert after.manifest == before.manifest


def test_a_batch_that_is_stopped_keeps_what_was_answered(
    service: Service, trained: tuple[str, str], unknown: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, job = trained
    monkeypatch.setattr(batches, "AT_ONCE", 4)
    predict = service.results.predict

    def stopping(head_module: str, job: str, images: tuple[Path, ...]) -> object:
        service.batches.stop("ada", project)
        return predict(head_module, job, images)

    monkeypatch.setattr(service.results, "predict", stopping)
    service.batches.begin("ada", project, job, unknown())

    view = over(service, project)
    assert (view.state, view.done, view.total, view.is_stopped) == ("done", 4, 20, True)
    assert len(service.batches.answers("ada", project).tried) == 4


class Interrupted(Batches):
    """The batches of a server that is killed when so many questions were asked."""

    def __init__(
        self, service: Service, after: int, read: Callable[[ReadUpload], Imported] | None = None
    ) -> None:
        results = service.results
        super().__init__(
            service._projects, results, service.images, service.uploads, read or service._reader.ask,
            service._keeping.check_room,
        )  # fmt: skip
        self.asked: list[str] = []
        self.after = after

    def _say(
        self, owner: str, job: str, manifest: Manifest, images: Sequence[ImageRecord], kept: KeptAnswers
    ) -> list[Prediction]:
        if len(self.asked) >= self.after:
            raise KilledHere("The server is gone.", remedy="Start it again.")
        self.asked += [
            one.file
            for one in images
            if not isinstance(kept.find(one.sha256, manifest.path(one)), Prediction)
        ]
        return super()._say(owner, job, manifest, images, kept)


class KilledHere(HeadswapError):
    """Nothing is written after it."""


def finished(held: Batches, project: str) -> BatchView:
    until(lambda: not held.view("ada", project).is_busy)
    return held.view("ada", project)


def test_a_server_that_is_started_again_goes_on_where_the_one_before_was_killed(
    service: Service, trained: tuple[str, str], unknown: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, job = trained
    monkeypatch.setattr(batches, "AT_ONCE", 4)

    def cut_off(question: ReadUpload) -> Imported:
        reading._is_closing.set()
        raise KilledHere("The server is gone.", remedy="Start it again.")

    reading = Interrupted(service, 0, cut_off)  # while the pictures are read
    reading.begin("ada", project, job, unknown())
    assert finished(reading, project).state == "failed"
    first = Interrupted(service, 8)  # while they are answered
    view = finished(first, project)
    assert (view.state, view.can_resume, view.done, view.total) == ("failed", True, 8, 20)
    second = Interrupted(service, 99)
    view = finished(second, project)

    assert (view.state, view.is_stopped, view.done, view.total) == ("done", False, 20, 20)
    said = second.answers("ada", project).tried
    assert [*first.asked, *second.asked] == [one.image.file for one in said]
    assert [one.said.file for one in said] == [one.image.file for one in said]
    third = Interrupted(service, 0)  # nothing is left to do: it only shows them
    assert finished(third, project) == view
    assert third.table("ada", project).read_text() == second.table("ada", project).read_text()
    third.forget("ada", project)
    assert Interrupted(service, 0).view("ada", project) == BatchView()


def test_go_on_answers_what_was_left_and_nothing_twice(
    service: Service, trained: tuple[str, str], unknown: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, job = trained
    monkeypatch.setattr(batches, "AT_ONCE", 4)
    held = Interrupted(service, 12)  # the process that answers is gone in the middle
    held.begin("ada", project, job, unknown())
    assert finished(held, project).can_resume
    held.after = 99

    held.resume("ada", project)

    assert finished(held, project) == BatchView(state="done", done=20, total=20, job=job)
    assert len(held.asked) == len(set(held.asked)) == 20
    held.forget("ada", project)


def test_what_was_tried_goes_with_the_next_batch_and_when_it_is_closed_or_not_looked_at(
    service: Service, tried: str, trained: tuple[str, str], unknown: Callable[[], Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = service.settings.workspace / "projects" / tried / BATCH
    first = list(folder.iterdir())
    assert len(first) == 1

    service.batches.begin("ada", tried, trained[1], unknown())
    assert over(service, tried).state == "done"
    second = list(folder.iterdir())
    assert len(second) == 1
    assert second != first
    service.batches.forget("ada", tried)

    assert list(folder.iterdir()) == []
    assert service.batches.view("ada", tried) == BatchView()
    with pytest.raises(NotFound, match="not kept any more"):
        service.batches.answers("ada", tried)
    service.batches.begin("ada", tried, trained[1], unknown())
    assert over(service, tried).state == "done"
    monkeypatch.setattr(batches, "UNSEEN_S", -1.0)
    assert service.batches.tidy() == 1
    assert list(folder.iterdir()) == []
    (folder / "0000").mkdir()
    copy = tmp_path / "copied"
    shutil.copytree(service.settings.workspace / "projects", copy)
    sweep_projects(copy)
    assert not list((copy / tried / BATCH).iterdir())  # a folder without a record


def test_a_zip_that_cannot_be_read_is_told_and_its_upload_is_let_go(
    service: Service, trained: tuple[str, str], tmp_path: Path
) -> None:
    project, job = trained
    upload = tmp_path / "broken.zip"
    upload.write_bytes(b"PK nothing")
    service.uploads.note("ada", upload)

    service.batches.begin("ada", project, job, upload)

    view = over(service, project)
    assert view.state == "failed"
    assert "is not a zip that can be opened" in view.problem
    assert not upload.exists()
    with pytest.raises(NotFound):
        service.batches.again("ada", project, job)


def test_nobody_looks_at_what_somebody_else_tried(
    service: Service, tried: str, trained: tuple[str, str], unknown: Callable[[], Path]
) -> None:
    job, held = trained[1], service.batches
    asks: tuple[Callable[[], object], ...] = (
        lambda: held.begin("eve", tried, job, unknown()),
        lambda: held.again("eve", tried, job),
        lambda: held.view("eve", tried),
        lambda: held.stop("eve", tried),
        lambda: held.answers("eve", tried),
        lambda: held.thumbnails("eve", tried, ("0" * 64,)),
        lambda: held.table("eve", tried),
        lambda: held.label("eve", tried, ("0" * 64,), "bird"),
        lambda: held.forget("eve", tried),
    )
    for ask in asks:
        with pytest.raises(HeadswapError):
            ask()
    assert held.view("ada", tried).state == "done"
