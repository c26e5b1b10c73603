"""The pictures of an experiment, from wherever they lie, on their way through the body.

Flow:  folder | zip | dataset.json --read_images--> IngestedImages;  each prepared picture
           --FeatureStream--> features
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from headswap.data.ingest import KEEP_BYTES, IngestedImages, ingest
from headswap.data.manifest import Manifest
from headswap.data.transforms import prepare, wanted_px
from headswap.events import Listener
from headswap.network import InputSpec, Network
from headswap.pipeline.experiment import Experiment
from headswap.storage.records import read_record
from headswap.training.replay import replayed
from headswap.training.streaming import FeatureStream

DATASET = "dataset.json"
_A_FEW_BYTES = 16 * 2**20  # of prepared pictures are kept when the head alone is taught: some are seen again


def read_images(
    experiment: Experiment,
    spec: InputSpec,
    workspace: Path,
    listener: Listener,
    stream: FeatureStream | None = None,
) -> IngestedImages:
    """Decode every picture once, as the network wants it; the stream takes it from there.

    The source is a folder, a zip, or the dataset.json that the page keeps for a project.
    """
    source = Path(experiment.data.source)
    if source.name == DATASET and source.is_file():
        manifest: Manifest = read_record(Manifest, source)
        return IngestedImages(manifest=manifest, prepared={})
    return ingest(
        source,
        store=workspace / "unpacked" if source.is_file() else None,
        prepare=lambda image: prepare(image, spec),
        wanted_px=wanted_px(spec),
        keep_bytes=KEEP_BYTES if experiment.teach.depth != "head" else _A_FEW_BYTES,
        sink=stream,
        listener=listener,
    )


def stream_of(
    experiment: Experiment, spec: InputSpec, workspace: Path, network: Callable[[], Network]
) -> FeatureStream:
    """Where the pictures go while they are decoded: through the body of a network that still loads."""
    replay = experiment.replay
    config = replayed(experiment.teach, replay) if replay else experiment.teach
    return FeatureStream(
        network=network,
        spec=spec,
        head_path=experiment.head_path,
        engine=replay.engine if replay else None,
        folder=workspace / "features",
        batch_size=experiment.teach.batch_size,
        mirror=config.mirror,
    )
