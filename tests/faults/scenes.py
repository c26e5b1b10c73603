"""What headswap writes, as scenes that are played until each single operation has failed once.

A scene prepares an old state, acts, and looks: "old", "new", or an error when there is less.
`play` acts once for every operation and every fault, and checks after each: the old state or the
new one; two sentences for the person; nothing stale after the sweep; trying again works.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from headswap.errors import HeadswapError
from headswap.storage import files
from headswap.storage.files import sweep_drafts
from tests.faults.faulty_disk import FAULTS, Fault, FaultyDisk, PowerCut


def no_more_than_drafts(folder: Path) -> None:
    """The sweep of most scenes."""
    sweep_drafts(folder)


@dataclass(frozen=True)
class Scene:
    """One thing that is written."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    look: Callable[[Path], str]  # "old" or "new"; anything else, or an error, is a loss
    sweep: Callable[[Path], object] = no_more_than_drafts


@dataclass(frozen=True)
class Played:
    """What was seen."""

    scene: str
    operations: int
    faults: int
    losses: tuple[str, ...]


def play(scene: Scene, room: Path, *, every: int = 1, faults: tuple[Fault, ...] = FAULTS) -> Played:
    """Let every operation (or every so-manieth) fail in every way.

    Args:
        scene: what to play.
        room: an empty folder.
        every: 1 tries every operation; more is for a short form.
        faults: the ways of failing.
    """
    ready = room / "ready"
    ready.mkdir(parents=True)
    scene.prepare(ready)
    shapes = {"old": _shape(ready)}
    stage = _stage(ready, room)
    disk = FaultyDisk()
    with _on(disk):
        scene.act(stage)
    shapes["new"] = _shape(stage)
    losses = [] if scene.look(stage) == "new" else ["without any fault it is not new"]
    tries = [(at, fault) for at in range(1, len(disk.operations) + 1, every) for fault in faults]
    for at, fault in tries:
        stage = _stage(ready, room)
        losses += [
            f"{scene.name}: {fault} at operation {at} ({disk.operations[at - 1]}): {loss}"
            for loss in _try(scene, stage, room / "attic", at, fault, shapes)
        ]
    shutil.rmtree(room)
    return Played(scene.name, len(disk.operations), len(tries), tuple(losses))


def _try(
    scene: Scene, stage: Path, attic: Path, at: int, fault: Fault, shapes: dict[str, list[str]]
) -> Iterator[str]:
    problem = _fail_once(scene, stage, attic, at, fault)
    if problem is not None and not isinstance(problem, HeadswapError | PowerCut):
        yield f"no sentence: {problem!r}"
    try:
        seen = scene.look(stage)
        scene.sweep(stage)
        if scene.look(stage) != seen:
            yield "the sweep changed what is there"
    except Exception as error:  # noqa: BLE001  any error is a finding here
        yield f"less than the old state: {error!r}"
        return
    if seen not in shapes:
        yield f"neither old nor new: {seen}"
    elif problem is None and seen != "new":
        yield "it was said to have worked, and has not"
    elif stale := sorted(set(_shape(stage)) - set(shapes["old"]) - set(shapes["new"])):
        yield f"stale after the sweep: {stale}"
    try:
        if seen == "old":
            scene.act(stage)
        if scene.look(stage) != "new":
            yield "trying again did not work"
    except Exception as error:  # noqa: BLE001
        yield f"trying again failed: {error!r}"


def _fail_once(scene: Scene, stage: Path, attic: Path, at: int, fault: Fault) -> BaseException | None:
    shutil.rmtree(attic, ignore_errors=True)
    attic.mkdir()
    try:
        with _on(FaultyDisk(at=at, fault=fault, attic=attic)):
            scene.act(stage)
    except (Exception, PowerCut) as problem:  # noqa: BLE001
        return problem
    return None


def _stage(ready: Path, room: Path) -> Path:
    """Always the same path: some records hold it."""
    stage = room / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(ready, stage)
    return stage


def _shape(folder: Path) -> list[str]:
    """Every name in a folder, with what is random in names masked."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return [re.sub(r"[0-9a-f]{8,}", "#", name) for name in names]


@contextmanager
def _on(disk: FaultyDisk) -> Iterator[None]:
    """While this lasts, every operation goes to another disk."""
    before = files.disk
    files.disk = disk
    try:
        yield
    finally:
        files.disk = before


# The scenes ---------------------------------------------------------------------------


def record_scene() -> Scene:
    """A project record is saved for the third time."""
    from headswap.app.service.projects import Projects

    def prepare(folder: Path) -> None:
        projects = Projects(folder)
        made = projects.create("ann")
        projects.save(replace(made, name="middle"))

    def only(folder: Path) -> str:
        return next(path.name for path in folder.iterdir() if path.is_dir())

    def act(folder: Path) -> None:
        projects = Projects(folder)
        projects.save(replace(projects.get("ann", only(folder)), name="new"))

    def look(folder: Path) -> str:
        return {"middle": "old", "new": "new"}[Projects(folder).get("ann", only(folder)).name]

    return Scene("project record", prepare, act, look)


def new_project_scene() -> Scene:
    """A project is begun."""
    from headswap.app.service.projects import Projects
    from headswap.app.service.retention import sweep_projects

    def act(folder: Path) -> None:
        Projects(folder).create("ann")

    def look(folder: Path) -> str:
        whole = list(folder.glob("*/project.json"))
        for path in whole:
            Projects(folder).get("ann", path.parent.name)
        return "new" if whole else "old"

    return Scene("new project", lambda folder: None, act, look, lambda folder: sweep_projects(folder))


def intake_scene(images: Path) -> Scene:
    """Pictures are taken into a project that has others."""
    from headswap.app.service.projects import Project, Projects
    from headswap.app.service.retention import sweep_projects
    from headswap.data.ingest import ingest
    from headswap.data.split import split
    from headswap.data.store import reread
    from headswap.storage.records import write_record

    def take(folder: Path, name: str) -> None:
        projects = Projects(folder)
        project = _only_project(projects, folder)
        place = projects.new_data_folder(project)
        manifest = split(ingest(images, store=place / "images", threads=2).manifest)
        write_record(place / "dataset.json", manifest)
        projects.save(replace(project, data=place.name, name=name))

    def _only_project(projects: Projects, folder: Path) -> Project:
        return projects.get("ann", next(path.name for path in folder.iterdir() if path.is_dir()))

    def prepare(folder: Path) -> None:
        Projects(folder).create("ann")

    def look(folder: Path) -> str:
        projects = Projects(folder)
        project = _only_project(projects, folder)
        manifest = projects.manifest(project)
        if manifest is None:
            return "old"
        for image in manifest.images:
            reread(manifest, image)
        return "new"

    return Scene(
        "taking pictures in",
        prepare,
        lambda folder: take(folder, "new"),
        look,
        lambda folder: sweep_projects(folder),
    )


def bundle_scene() -> Scene:
    """A bundle is sealed."""
    from headswap.bundle.format import load_weights, opened, read_card, read_report, save_bundle

    def act(folder: Path) -> None:
        network, card, report, manifest = tiny_result()
        save_bundle(folder / "bundle", network, card, "{}", report, manifest)

    def look(folder: Path) -> str:
        if not (folder / "bundle").exists():
            return "old"
        with opened(folder / "bundle") as place:
            read_card(place)
            read_report(place)
            load_weights(place, tiny_result()[0])
        return "new"

    return Scene("sealing a bundle", lambda folder: None, act, look)


def export_scene() -> Scene:
    """A bundle is packed, over an older zip."""
    from headswap.bundle.format import opened, pack, save_bundle

    def prepare(folder: Path) -> None:
        network, card, report, manifest = tiny_result()
        save_bundle(folder / "bundle", network, card, "{}", report, manifest)
        (folder / "export.zip").write_bytes(b"old")

    def look(folder: Path) -> str:
        if (folder / "export.zip").read_bytes() == b"old":
            return "old"
        with opened(folder / "export.zip"):
            return "new"

    return Scene(
        "exporting", prepare, lambda folder: (pack(folder / "bundle", folder / "export.zip"), None)[1], look
    )


def take_home_scene() -> Scene:
    """Everything that is taken home is packed into one zip."""
    import zipfile

    from headswap.exports.package import _pack

    def prepare(folder: Path) -> None:
        (folder / "bird").mkdir()
        for name in ("model.onnx", "README.md", "predict.py"):
            (folder / "bird" / name).write_bytes(name.encode() * 20_000)

    def look(folder: Path) -> str:
        if not (folder / "bird.zip").exists():
            return "old"
        with zipfile.ZipFile(folder / "bird.zip") as packed:
            return "new" if packed.testzip() is None and len(packed.namelist()) == 3 else "half"

    return Scene("taking home", prepare, lambda f: _pack(f / "bird", f / "bird.zip"), look)


def undo_scene(images: Path) -> Scene:
    """A class is renamed: another data set, a way back, another record."""
    from headswap.app.service.datasets import Datasets
    from headswap.app.service.projects import Projects
    from headswap.app.service.retention import sweep_projects
    from headswap.data.ingest import ingest
    from headswap.data.split import split
    from headswap.storage.records import write_record

    def of(folder: Path) -> tuple[Datasets, str]:
        project = next(path.name for path in folder.iterdir() if path.is_dir())
        verbs = Datasets(
            Projects(folder),
            lambda question: pytest.fail(f"{question} is not read here"),
            sample=images,
            is_wanted=lambda *_: True,
            came=lambda: None,
            check_room=lambda *_: None,
        )
        return verbs, project

    def prepare(folder: Path) -> None:
        projects = Projects(folder)
        project = projects.create("ann")
        place = projects.new_data_folder(project)
        store = projects.folder(project.id) / "images"
        write_record(place / "dataset.json", split(ingest(images, store=store).manifest))
        projects.save(replace(project, data=place.name, name="pictures"))

    def act(folder: Path) -> None:
        verbs, project = of(folder)
        verbs.rename_class("ann", project, "cat", "lion")

    def look(folder: Path) -> str:
        verbs, project = of(folder)
        manifest, change = verbs.manifest("ann", project), verbs.last_change("ann", project)
        if manifest is None or not all(manifest.path(image).is_file() for image in manifest.images):
            return "lost"
        if "lion" not in manifest.classes:
            return "old"
        return "new" if change is not None and "lion" in change.sentence else "no way back"

    return Scene("correcting pictures", prepare, act, look, lambda folder: (sweep_projects(folder), None)[1])


def shards_scene() -> Scene:
    """Features of 300 pictures, in two shards; those of 20 are there."""
    import numpy as np

    from headswap.features.bank import fill_bank
    from headswap.features.engines import Engine
    from headswap.features.extractor import Extractor

    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3)).astype(np.uint8)
    names = [f"{number:064x}" for number in range(300)]

    def fill(folder: Path, count: int) -> int:
        network, card, _, _ = tiny_result()
        body = Extractor(network, card.site, Engine("cpu", "float32"))
        bank = fill_bank(body, names[:count], lambda number: images[number], folder=folder, batch_size=64)
        exact = body.features(images[:count])
        if (bank.features - exact).abs().max() > 1e-5:
            raise ValueError("features are not what they should be")
        return bank.computed

    def look(folder: Path) -> str:
        before = files.disk
        files.disk = FaultyDisk(at=1, fault="cut")  # nothing may be written while looking
        try:
            fill(folder, 20)
            return "new" if fill(folder, 300) == 0 else "?"
        except PowerCut:
            return "old"
        finally:
            files.disk = before

    return Scene(
        "feature shards", lambda folder: (fill(folder, 20), None)[1], lambda f: (fill(f, 300), None)[1], look
    )


def checkpoint_scene() -> Scene:
    """The fourth checkpoint of a run."""
    import torch

    from headswap.training.finetune.checkpoint import (
        Checkpoint,
        RunCounters,
        load_checkpoint,
        save_checkpoint,
    )

    def save(folder: Path, number: int) -> None:
        state = RunCounters(
            stopped="", history=(), best_epoch=number, seconds=float(number), scale=1.0, growth=0
        )
        save_checkpoint(folder / "run", Checkpoint(state, {"w": torch.full((64, 64), float(number))}))

    def prepare(folder: Path) -> None:
        for number in (1, 2, 3):
            save(folder, number)

    def look(folder: Path) -> str:
        found = load_checkpoint(folder / "run")
        if found is None or not bool((found.tensors["w"] == found.state.seconds).all()):
            return "lost"
        return {3: "old", 4: "new"}[found.state.best_epoch]

    return Scene("checkpoint", prepare, lambda folder: save(folder, 4), look)


def journal_scene() -> Scene:
    """An event is added to those of a job."""
    from headswap.app.jobs.journal import Journal, read_events
    from headswap.events import Note

    def prepare(folder: Path) -> None:
        Journal(folder).append(Note("first"))

    def look(folder: Path) -> str:
        said = [event.sentence for event in read_events(folder) if isinstance(event, Note)]
        return {("first",): "old", ("first", "second"): "new"}[tuple(said)]

    return Scene("journal", prepare, lambda folder: Journal(folder).append(Note("second")), look)


def all_scenes(images: Path) -> tuple[Scene, ...]:
    """Every one; `images` is a folder of class folders with few small pictures."""
    return (
        record_scene(),
        new_project_scene(),
        intake_scene(images),
        journal_scene(),
        shards_scene(),
        checkpoint_scene(),
        bundle_scene(),
        export_scene(),
        take_home_scene(),
        undo_scene(images),
    )


def small_images(folder: Path, *, count: int = 2) -> Path:
    """Class folders with a few small, different pictures."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.kron(random.integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@cache
def tiny_result() -> tuple:
    """A network of a few hundred numbers, with everything that a bundle says of it."""
    import torch
    from torch import nn

    from headswap.bundle.format import FORMAT, BundleCard
    from headswap.data.manifest import ImageRecord, Manifest
    from headswap.evaluation.report import Report
    from headswap.heads.detect import find_head
    from headswap.network import InputSpec, Network, NetworkCard, Weights

    torch.manual_seed(0)
    spec = InputSpec(height=8, width=8, resize_px=8)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]
    card = NetworkCard(name="tiny", zoo="test", input=spec, weights=Weights(state="here"))
    network = Network(card=card, module=nn.Sequential(*layers).eval())
    about = BundleCard(
        format=FORMAT, model="test/tiny", classes=("cat", "dog"), input=spec, site=find_head(network),
        temperature=1.0, head_path=None, engine="cpu float32", l2=0.1, backbone_sha256="0" * 64,
        versions={"torch": "2"}, parameters=10, licence=None,
    )  # fmt: skip
    report = Report(
        classes=("cat", "dog"), method="exam", answers=(), right=1, total=2, accuracy=0.5,
        interval=(0.1, 0.9), baseline_class="cat", baseline_accuracy=0.5, train_right=2,
        train_total=2, class_scores=(), confusion=((1, 0), (1, 0)), calibration=None,
    )  # fmt: skip
    image = ImageRecord(
        file="cat/1.png", source="1.png", class_name="cat", sha256="1" * 64, width=8, height=8,
        fingerprint="0" * 64, brightness=0.5,
    )  # fmt: skip
    return network, about, report, Manifest(name="n", root="", classes=("cat", "dog"), images=(image,))
