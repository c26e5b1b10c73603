"""Files with one flipped bit or a lost end: none is taken for a good one."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.app.service.projects import Project, Projects
from headswap.errors import BundleDamaged, HeadswapError
from headswap.storage import files
from headswap.storage.records import is_record_whole, write_record
from tests.faults.scenes import small_images, tiny_result
from tests.soak.board import Line, Size, line


@dataclass(frozen=True)
class Victim:
    """A file, and whether its damage is noticed."""

    name: str
    file: Path
    notices: Callable[[], bool]


def damaged_files(size: Size, room: Path) -> list[Line]:
    """Damage files in turn; each must be noticed, and be whole again afterwards."""
    chance = random.Random(7 + size.seed)
    victims = _victims(room)
    missed, false_alarms = [], [one.name for one in victims if one.notices()]
    for number in range(size.damaged):
        victim = victims[number % len(victims)]
        whole = victim.file.read_bytes()
        how = _harm(victim.file, whole, chance, cut=number // len(victims) % 2 == 1)
        if not victim.notices():
            missed.append(f"{victim.name}: {how}")
        victim.file.parent.mkdir(parents=True, exist_ok=True)
        victim.file.write_bytes(whole)
    seen = f"{size.damaged - len(missed)}/{size.damaged} noticed, over {len(victims)} kinds of files"
    return [line("damaged files", "all noticed", seen, missed + false_alarms)]


def _harm(file: Path, whole: bytes, chance: random.Random, *, cut: bool) -> str:
    if cut:
        length = chance.randrange(len(whole))
        file.write_bytes(whole[:length])
        return f"cut to {length} of {len(whole)} bytes"
    at, bit = chance.randrange(len(whole)), chance.randrange(8)
    file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    return f"bit {bit} of byte {at} flipped"


def _victims(room: Path) -> list[Victim]:
    return [*_bundle(room), *_checkpoint(room), *_shard(room), *_records(room)]


def _raises(look: Callable[[], object]) -> bool:
    try:
        look()
    except HeadswapError as error:
        return bool(error.problem and error.remedy)
    return False


def _bundle(room: Path) -> list[Victim]:
    from headswap.bundle.format import opened, pack, save_bundle

    network, card, report, manifest = tiny_result()
    place = room / "bundle"
    save_bundle(place, network, card, "{}", report, manifest)

    def loads() -> None:
        with opened(place):
            pass

    return [
        *(Victim(f"bundle/{p.name}", p, lambda: _raises(loads)) for p in sorted(place.iterdir())),
        *(
            Victim(f"packed {p.name}", p, lambda: _raises(lambda: pack(place, room / "x.zip")))
            for p in sorted(place.iterdir())
        ),
    ]


def _checkpoint(room: Path) -> list[Victim]:
    import torch

    from headswap.training.finetune.checkpoint import (
        Checkpoint,
        RunCounters,
        load_checkpoint,
        save_checkpoint,
    )

    state = RunCounters(stopped="", history=(), best_epoch=0, seconds=1.0, scale=1.0, growth=0)
    run = room / "run"
    for number in (1, 2):
        later = replace(state, best_epoch=number)
        save_checkpoint(run, Checkpoint(later, {"w": torch.full((32, 32), float(number))}))
    newest = run / "00002"
    kept = room / "kept"
    shutil.copytree(newest, kept)

    def falls_back() -> bool:
        found = load_checkpoint(run)
        if not newest.exists():  # the damaged one is cleared away
            shutil.copytree(kept, newest)
        return found is not None and found.state.best_epoch == 1

    return [Victim(f"checkpoint/{path.name}", path, falls_back) for path in sorted(newest.iterdir())]


def _shard(room: Path) -> list[Victim]:
    import numpy as np

    from headswap.features.bank import fill_bank
    from headswap.features.engines import Engine
    from headswap.features.extractor import Extractor

    network, card, _, _ = tiny_result()
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)
    names = [f"{number:064x}" for number in range(20)]

    def fill() -> int:
        body = Extractor(network, card.site, Engine("cpu", "float32"))
        return fill_bank(body, names, lambda n: images[n], folder=room / "features").computed

    fill()
    (shard,) = (room / "features").rglob("*.safetensors")

    def computed_again() -> bool:
        whole = shard.is_file()
        count = fill()
        for path in (room / "features").rglob("*.safetensors"):
            if path != shard and whole:
                path.unlink()
        return count == 20

    return [Victim("shard of features", shard, computed_again)]


def _records(room: Path) -> list[Victim]:
    from headswap.data.ingest import ingest
    from headswap.data.manifest import Manifest

    projects = Projects(room / "projects")
    project = projects.create("ann")
    projects.save(replace(project, name="later"))
    record = projects.folder(project.id) / "project.json"
    dataset = room / "dataset.json"
    images = small_images(room / "shown")
    manifest = ingest(images, store=room / "images").manifest
    write_record(dataset, manifest)
    text = room / "sealed"
    with files.sealed_folder(text) as draft:
        files.write_text(draft / "report.json", "{}")

    def altered() -> bool:
        try:
            files.read_sealed(text, "report.json")
        except BundleDamaged:
            return True
        return False

    def gone_back() -> bool:
        return projects.get("ann", project.id).name == project.name

    return [
        Victim("project.json", record, lambda: not is_record_whole(Project, record) and gone_back()),
        Victim("dataset.json", dataset, lambda: not is_record_whole(Manifest, dataset)),
        Victim("one file of a sealed folder", text / "report.json", altered),
    ]
