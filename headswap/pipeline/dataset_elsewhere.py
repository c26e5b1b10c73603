"""The images that the page keeps for a project, seen by a crew: they were read when they came.

Flow:  manifest, stream --a few here--> the engine is settled --the rest elsewhere--> features on the shelf

What one machine sees while the others would still begin is left to this one.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from headswap.cluster.crew import Crew
from headswap.data.ingest import HERE_FIRST
from headswap.data.manifest import Manifest
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.events import Listener, Note, Progress
from headswap.pipeline import spread
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.spread import SeenBy, new_run, see_elsewhere
from headswap.training.config import TrainConfig
from headswap.training.streaming import FeatureStream

NOT_CAUGHT = Note("This network's features cannot be caught elsewhere: all is done here.")


def is_worth_a_cluster(images: int) -> bool:
    """Whether so many images take longer here than a cluster takes to begin."""
    return images > HERE_FIRST + spread.CHUNK


def backbone_of(experiment: Experiment, config: TrainConfig, stream: FeatureStream) -> SeenBy | None:
    """What all machines run for a stream that has begun; None: its features cannot be caught elsewhere."""
    if stream.builder is None or stream.builder.decoder != "pillow":  # machines of a crew have that one
        return None
    return SeenBy(
        run=new_run(),
        model=experiment.model,
        weights=str(Path(experiment.weights).resolve()) if experiment.weights else None,
        px=config.px,
        crop_mode=config.crop_mode,
        head_path=experiment.head_path,
        head=stream.head,
        expected=stream.expected,
        flip=stream.flip,
        engine=stream.builder.extractor.engine.name,
        batch_size=stream.batch_size,
        folder=str(stream.folder.resolve()),
    )


def see_dataset(
    crew: Crew,
    experiment: Experiment,
    config: TrainConfig,
    manifest: Manifest,
    stream: FeatureStream,
    listener: Listener,
) -> None:
    """Put the features of a project's images onto the shelf, if that is worth asking a crew.

    Args:
        crew: sees all but the first few.
        experiment: whose source the manifest is.
        config: as it counts, for a repeated run too.
        manifest: images that were read before, and lie where all machines see them.
        stream: not begun; is afterwards, unless all is left to this machine.
        listener: hears Progress("features").

    Raises:
        ClusterLost: the crew's cluster does not answer; what was seen is on the shelf.
    """
    total = len(manifest.images)
    if not is_worth_a_cluster(total):
        return
    stream.expect(total)
    stream.begin()
    if stream.builder is None:
        listener(NOT_CAUGHT)
        return
    lacking = [image for image in manifest.images if stream.builder.lacks(image.sha256)]
    if not is_worth_a_cluster(len(lacking)):
        return
    for image in lacking[:HERE_FIRST]:
        stream.builder.add(
            image.sha256, prepare(reread(manifest, image, wanted_px(stream.spec)), stream.spec)
        )
    stream.builder.flush()
    backbone = backbone_of(experiment, config, stream)  # after a few images: which engine is settled
    rest = [image for image in lacking if stream.builder.lacks(image.sha256)]
    listener(Progress("features", total - len(rest), total))
    if backbone is not None:
        with closing(see_elsewhere(crew, manifest, rest, backbone)) as told:
            for seen in told:
                listener(Progress("features", total - len(rest) + seen, total))
    stream.builder.refresh_index()
