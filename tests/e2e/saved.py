"""A project file as Save writes one, made without a browser: pictures, and runs of some networks.

`make_project` is for tests and pictures that need finished runs and must not wait for teaching.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headswap.app.jobs.job import new_job_id
from headswap.app.jobs.store import Store
from headswap.app.service.archive import archive_of
from headswap.app.service.projects import Projects
from headswap.app.service.settings import Settings
from headswap.bundle.format import read_dataset
from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.stats import RunStats, keep_figures
from headswap.storage.files import SEAL, discard, sealed_folder, to_json, write_text

Run = tuple[str, float, float, float]
RUNS: tuple[Run, ...] = (  # network, seconds, milliseconds, age in seconds
    ("tf_efficientnet_lite0", 5.8, 9.5, 90_000.0),
    ("tf_efficientnet_lite1", 7.9, 14.0, 3_600.0),
    ("torchvision/resnet50", 14.2, 38.0, 600.0),
)


def make_project(
    root: Path, images: Path, bundle: Path, name: str, now: float, *, runs: Sequence[Run] = RUNS
) -> Path:
    """A project on these pictures with the same bundle as the result of several runs."""
    projects, store = Projects(root / "projects"), Store(root / "jobs.sqlite")
    project = projects.create("")
    manifest = split(ingest(images, store=projects.folder(project.id) / "images").manifest)
    folder = projects.new_data_folder(project)
    write_text(folder / "dataset.json", to_json(replace(manifest, name=name)))
    project = projects.save(replace(project, data=folder.name, name=name))
    for model, seconds, ms, age in runs:
        job = new_job_id()
        place = store.folder(job)
        _taught_on(manifest, bundle, place / "bundle")
        size = (bundle / "weights.safetensors").stat().st_size
        figures = RunStats(seconds=seconds, parameters=size // 4, size_bytes=size, ms_per_image=ms)
        keep_figures(place, figures)
        experiment = Experiment(data=DataConfig(source=str(folder / "dataset.json")), model=model)
        store.adopt("", project.id, to_json(experiment), job, "bundle", now - age)
    archive = archive_of(Settings(workspace=root, sample=images), projects, store, lambda _owner, _file: None)
    try:
        return archive.save("", project.id, root / "out")
    finally:
        archive.close()
        store.close()


def _taught_on(manifest: Manifest, bundle: Path, target: Path) -> None:
    """The bundle as a run of the project leaves it: it calls every picture what the project calls it."""
    sources, kept = {image.sha256: image.source for image in manifest.images}, read_dataset(bundle)
    images = tuple(replace(one, source=sources[one.sha256]) for one in kept.images)
    with sealed_folder(target) as draft:
        shutil.copytree(bundle, draft, dirs_exist_ok=True)
        discard(draft / SEAL)
        write_text(draft / "dataset.json", to_json(replace(kept, images=images)))
