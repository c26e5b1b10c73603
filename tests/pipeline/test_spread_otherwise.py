"""A machine of a crew that does not see what the others see ends the work, and nothing is lost by it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import headswap
from headswap.cluster import crew
from headswap.cluster.crew import ClusterRefused, Parcel
from headswap.cluster.ranks import Ranks
from headswap.data import ingest
from headswap.errors import UnopenedFile, UnreadableImage
from headswap.features.engines import Engine
from headswap.pipeline import spread, spread_learner
from headswap.pipeline.spread import SeenBy, see_elsewhere
from headswap.storage.files import SEAL
from headswap.training.config import Depth, FinetuneConfig, TrainConfig
from tests.cluster.here import Here
from tests.pipeline.small_chunks import use_crew

NOWHERE = "locked.jpg"  # a file that no machine can open


@pytest.fixture(autouse=True)
def crew_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crew of this process takes the place of a cluster."""
    use_crew(monkeypatch, Here())


@pytest.fixture
def bundle(tiny_bundle: Path) -> Path:
    """Every network is asked in the same way; the small one takes least."""
    return tiny_bundle


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """(task, name of a file) that cannot be opened there. Not by modes: root opens all."""
    pairs: set[tuple[str, str]] = set()
    inside: list[str] = []
    run_task, read_bytes = crew.run_task, Path.read_bytes

    def run(name: str, parcel: Parcel) -> Parcel:
        inside.append(name.partition(":")[2])
        try:
            return run_task(name, parcel)
        finally:
            inside.pop()

    def read(path: Path) -> bytes:
        if path.name == NOWHERE or (inside and (inside[-1], path.name) in pairs):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read_bytes(path)

    monkeypatch.setattr(crew, "run_task", run)
    monkeypatch.setattr(Path, "read_bytes", read)
    return pairs


@pytest.fixture
def data(few_drawings: Path, tmp_path: Path) -> Path:
    """The drawings, a file that is no picture, and one that no machine can open."""
    folder = tmp_path / "data"
    shutil.copytree(few_drawings, folder)
    for name in ("broken.jpg", NOWHERE):
        (folder / "vehicle" / name).write_bytes(b"no picture")
    return folder


def taught(
    data: Path, out: Path, workspace: Path, *, on: str | None = None, depth: Depth = "head"
) -> headswap.Outcome:
    config = TrainConfig(px=32, depth=depth, finetune=FinetuneConfig(epochs=1, batch_size=8))
    return headswap.teach(
        data, model="tests.pipeline.tiny_network:tiny_network", head="last", config=config,
        out=out, workspace=workspace, on=on,
    )  # fmt: skip


def last_image(data: Path) -> str:
    return max(path.name for path in (data / "vehicle").iterdir() if path.name not in ("broken.jpg", NOWHERE))


def refused(problem: str) -> str:
    return rf"^On {re.escape(socket.gethostname())}, {problem}; this machine can open it\. Let every machine"


def check_same(one: Path, other: Path) -> None:
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_an_image_that_only_another_machine_cannot_open_is_not_left_out(
    data: Path, tmp_path: Path, shut: set[tuple[str, str]]
) -> None:
    name = last_image(data)
    one = taught(data, tmp_path / "one", tmp_path / "mine")
    shut.add(("read_and_see", name))

    with pytest.raises(ClusterRefused, match=refused(f"{name} cannot be opened: Permission denied")):
        taught(data, tmp_path / "many", tmp_path / "w", on="auto")
    shut.clear()
    many = taught(data, tmp_path / "many", tmp_path / "w", on="auto")

    assert {left.file for left in one.left_out} == {"vehicle/broken.jpg", f"vehicle/{NOWHERE}"}
    assert many.left_out == one.left_out
    check_same(tmp_path / "one", tmp_path / "many")


def test_an_image_that_only_another_machine_cannot_open_is_not_missing_among_the_answers(
    data: Path, bundle: Path, shut: set[tuple[str, str]]
) -> None:
    path = data / "vehicle" / last_image(data)
    one = headswap.predict(bundle, data)
    shut.add(("answer_chunk", path.name))

    with pytest.raises(ClusterRefused, match=refused(f"{path} cannot be read: Permission denied")):
        headswap.predict(bundle, data, on="auto")
    shut.clear()
    many = headswap.predict(bundle, data, on="auto")

    assert [said.file for said in many.answers] == [said.file for said in one.answers]
    assert many.left_out == one.left_out
    assert len(one.left_out) == 2


def test_an_image_that_was_read_and_cannot_be_opened_again_is_refused_there_and_missed_if_it_has_gone(
    data: Path, bundle: Path, tmp_path: Path, shut: set[tuple[str, str]]
) -> None:
    name = last_image(data)
    shut.add(("measure_chunk", name))

    with pytest.raises(ClusterRefused, match=refused(f"vehicle/{name} cannot be opened: Permission denied")):
        headswap.evaluate(bundle, data, workspace=tmp_path / "w", on="auto")

    manifest = ingest.ingest(data).manifest
    shut.add(("see", name))
    with pytest.raises(ClusterRefused, match=refused(f"vehicle/{name} cannot be opened: Permission denied")):
        list(see_elsewhere(Here(), manifest, manifest.images, seen_by(tmp_path / "features")))
    (data / "vehicle" / name).unlink()
    with pytest.raises(UnreadableImage, match=r"is no longer where it was\. Give the pictures again"):
        list(see_elsewhere(Here(), manifest, manifest.images, seen_by(tmp_path / "features")))


def seen_by(folder: Path) -> SeenBy:
    return SeenBy(
        run="r", model="tests.pipeline.tiny_network:tiny_network", weights=None, px=32, crop_mode=None,
        head_path=None, head="last", expected=24, flip=False, engine=Engine("cpu", "float32").name,
        batch_size=16, folder=str(folder),
    )  # fmt: skip


def test_a_zip_that_is_not_there_on_another_machine_is_no_fault_of_the_program(
    data: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, aside = Path(shutil.make_archive(str(data), "zip", data)), tmp_path / "aside"
    run_task = crew.run_task

    def run(name: str, parcel: Parcel) -> Parcel:
        packed.rename(aside)
        try:
            return run_task(name, parcel)
        finally:
            aside.rename(packed)

    monkeypatch.setattr(crew, "run_task", run)
    said = refused(f"{packed} cannot be opened: No such file or directory")
    with pytest.raises(ClusterRefused, match=said):
        headswap.evaluate(bundle, packed, workspace=tmp_path / "w", on="auto")
    with pytest.raises(ClusterRefused, match=said):
        headswap.predict(bundle, packed, on="auto")


@contextmanager
def exchanged(folder: Path, other: Path) -> Iterator[None]:
    """Inside, another folder lies where one lay."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    other.rename(folder)
    try:
        yield
    finally:
        folder.rename(other)
        aside.rename(folder)


def test_a_machine_that_joins_late_with_a_bundle_of_its_own_at_that_path_does_not_answer(
    data: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        shutil.copytree(bundle, folder)
    with (other / SEAL).open("a") as seal:
        seal.write("\n")
    one, run_task = headswap.predict(mine, data), crew.run_task

    def run(name: str, parcel: Parcel) -> Parcel:
        with exchanged(mine, other):
            return run_task(name, parcel)

    with monkeypatch.context() as late:
        late.setattr(crew, "run_task", run)
        with pytest.raises(ClusterRefused, match=rf"does not see {mine} as this machine does\. Put it"):
            headswap.predict(mine, data, on="auto")
        with pytest.raises(ClusterRefused, match=rf"does not see {mine} as this machine does\. Put it"):
            headswap.evaluate(mine, data, workspace=tmp_path / "w", on="auto")
    many = headswap.predict(mine, data, on="auto")

    assert [(said.file, said.label) for said in many.answers] == [
        (said.file, said.label) for said in one.answers
    ]


@pytest.fixture
def unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """When it says so, an empty folder lies in a task where the workspace was: "always", or "in the end"."""
    when: list[str] = []
    workspace, aside = tmp_path / "w", tmp_path / "aside"
    workspace.mkdir()
    run_task, read_some = crew.run_task, ingest.read_some

    def unmount() -> None:
        workspace.rename(aside)
        workspace.mkdir()

    def run(name: str, parcel: Parcel) -> Parcel:
        if "always" in when:
            unmount()
        try:
            return run_task(name, parcel)
        finally:
            if aside.exists():
                shutil.rmtree(workspace)
                aside.rename(workspace)

    def read(*given: Any, **named: Any) -> Iterator[Any]:
        yield from read_some(*given, **named)
        if "in the end" in when:
            unmount()

    monkeypatch.setattr(crew, "run_task", run)
    monkeypatch.setattr(spread, "read_some", read)
    return when


def unseen(folder: Path) -> str:
    return rf"^{re.escape(socket.gethostname())} does not see {folder} as the other machines do\. Mount there"


@pytest.mark.parametrize("when", ["always", pytest.param("in the end", marks=pytest.mark.thorough)])
def test_features_that_another_machine_puts_onto_a_disk_of_its_own_do_not_count(
    when: str, data: Path, tmp_path: Path, unmounted: list[str]
) -> None:
    taught(data, tmp_path / "one", tmp_path / "mine")
    unmounted.append(when)

    with pytest.raises(ClusterRefused, match=unseen(tmp_path / "w" / "features")):
        taught(data, tmp_path / "many", tmp_path / "w", on="auto")
    unmounted.clear()
    left = list((tmp_path / "w").rglob(".headswap-*"))
    taught(data, tmp_path / "many", tmp_path / "w", on="auto")

    assert left == list((tmp_path / "w").rglob(".headswap-*")) == [], "no mark stays"
    check_same(tmp_path / "one", tmp_path / "many")


def test_copies_and_features_of_the_page_are_not_put_onto_a_disk_of_its_own_either(
    data: Path, tmp_path: Path, unmounted: list[str]
) -> None:
    packed = Path(shutil.make_archive(str(data), "zip", data))
    manifest = ingest.ingest(data).manifest
    unmounted.append("always")

    with pytest.raises(ClusterRefused, match=unseen(tmp_path / "w" / "unpacked")):
        headswap.compare(
            packed,
            models=["tests.pipeline.tiny_network:tiny_network"],
            folds=2,
            workspace=tmp_path / "w",
            on="auto",
        )
    with pytest.raises(ClusterRefused, match=unseen(tmp_path / "w" / "features")):
        list(see_elsewhere(Here(), manifest, manifest.images, seen_by(tmp_path / "w" / "features")))
    assert list((tmp_path / "w").rglob(".headswap-*")) == []


def test_a_try_whose_machine_cannot_open_an_image_is_refused_and_gone_on_with(
    sample: Path, tmp_path: Path, shut: set[tuple[str, str]]
) -> None:
    data = sample / "train"  # few drawings are too few for a try
    name = last_image(data)
    taught(data, tmp_path / "one", tmp_path / "mine", depth="everything")
    shut.add(("make_run", name))

    with pytest.raises(ClusterRefused, match=refused(f"vehicle/{name} cannot be opened: Permission denied")):
        taught(data, tmp_path / "many", tmp_path / "w", on="auto", depth="everything")
    shut.clear()
    taught(data, tmp_path / "many", tmp_path / "w", on="auto", depth="everything")

    check_same(tmp_path / "one", tmp_path / "many")


@pytest.mark.parametrize(
    "ranks",
    [pytest.param(Ranks(), marks=pytest.mark.thorough), Ranks(rank=1, size=2)],
    ids=["alone", "one of two"],
)
def test_a_try_whose_machine_cannot_open_its_first_image_is_refused_too(
    ranks: Ranks, sample: Path, tmp_path: Path, shut: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run_task = tmp_path / "data", crew.run_task
    shutil.copytree(sample / "train", data)
    images = sorted(path for path in data.rglob("*") if path.is_file())

    def run(name: str, parcel: Parcel) -> Parcel:
        """It cannot open an image when it looks where the network can be cut: nothing is exchanged before."""
        with monkeypatch.context() as there:
            if name.endswith(":make_run"):
                there.setattr(spread_learner, "ranks_here", lambda: ranks)
            return run_task(name, parcel)

    monkeypatch.setattr(crew, "run_task", run)
    shut.update(("make_run", path.name) for path in images)
    with pytest.raises(ClusterRefused, match=refused(r"\w+/\S+ cannot be opened: Permission denied")):
        taught(data, tmp_path / "many", tmp_path / "w", on="auto", depth="last")

    def run_and_lose(name: str, parcel: Parcel) -> Parcel:
        if name.endswith(":make_run"):
            for path in images:
                path.unlink()
        return run(name, parcel)

    monkeypatch.setattr(crew, "run_task", run_and_lose)
    with pytest.raises(UnopenedFile, match=r"^\w+/\S+ is no longer where it was\. Give the pictures again"):
        taught(data, tmp_path / "many", tmp_path / "w", on="auto", depth="last")
