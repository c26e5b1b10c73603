"""The pictures of the page, seen by a crew: the same bundle to the byte, and nothing asked that is known."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from headswap.cluster.crew import ClusterLost, Parcel, Task
from headswap.data.ingest import HERE_FIRST, ingest
from headswap.data.manifest import Manifest
from headswap.events import Progress
from headswap.features import autotune
from headswap.pipeline import spread
from headswap.pipeline.dataset_elsewhere import is_worth_a_cluster
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.run import run_experiment
from headswap.pipeline.spread import ImageChunk
from headswap.storage.files import from_plain
from headswap.storage.records import read_record, write_record
from headswap.training.config import TrainConfig
from tests.cluster.here import Here
from tests.pipeline.tiny_network import TINY, TINY_PX


class Told(Here):
    """This process, which remembers what it was asked for, and may be lost after some parcels."""

    def __init__(self, lost_after: int = 1_000) -> None:
        self.images: list[str] = []
        self._lost_after = lost_after

    def each(
        self, task: Task, parcels: Iterable[Parcel], **_more: Any
    ) -> Generator[tuple[int, Parcel], None, None]:
        for number, parcel in enumerate(parcels):
            if number == self._lost_after:
                raise ClusterLost("It does not answer any more.", remedy="Wait.")
            chunk: ImageChunk = from_plain(ImageChunk, parcel.facts)
            self.images += [image.sha256 for image in chunk.manifest.images]
            yield number, next(super().each(task, [parcel]))[1]


@pytest.fixture
def dataset(sample: Path, tmp_path: Path) -> Path:
    """As the page keeps it."""
    path = tmp_path / "dataset.json"
    write_record(path, ingest(sample / "train", store=tmp_path / "images").manifest)
    return path


def test_a_crew_sees_what_the_page_keeps_goes_on_after_a_loss_and_the_bundle_is_the_same(
    dataset: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "CHUNK", 8)
    monkeypatch.setattr(autotune, "WORTH_S", 1e9)  # which engine is fastest is a question of the moment
    experiment, told = (
        Experiment(
            data=DataConfig(source=str(dataset)),
            model=TINY,
            weights=str(tiny_weights),
            train=TrainConfig(px=TINY_PX),
        ),
        list[Progress](),
    )
    lost, later = Told(lost_after=1), Told()
    total = len({image.sha256 for image in read_record(Manifest, dataset).images})

    with pytest.raises(ClusterLost):
        run_experiment(experiment, tmp_path / "many", workspace=tmp_path / "w", crew=lost)
    run_experiment(
        experiment,
        tmp_path / "many",
        workspace=tmp_path / "w",
        crew=later,
        listener=lambda event: told.append(event) if isinstance(event, Progress) else None,
    )
    run_experiment(experiment, tmp_path / "one", workspace=tmp_path / "mine")

    assert len(lost.images) == 8
    assert (
        len({*lost.images, *later.images}) == len(lost.images) + len(later.images) == total - 2 * HERE_FIRST
    )
    seen = [event.done for event in told if event.step == "features"]
    assert seen == sorted(seen)
    assert seen[-1] == total
    same = [
        (tmp_path / "many" / file.name).read_bytes() == file.read_bytes()
        for file in (tmp_path / "one").iterdir()
    ]
    assert same
    assert all(same)


def test_few_pictures_are_not_worth_a_cluster() -> None:
    assert is_worth_a_cluster(HERE_FIRST + spread.CHUNK + 1)
    assert not is_worth_a_cluster(HERE_FIRST + spread.CHUNK)
