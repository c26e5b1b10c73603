"""The data path in one readable function: images in, sealed bundle out.

    bytes -> Manifest -> Network -> HeadSite -> swapped Network -> FeatureBank
          -> solved head -> Report -> Bundle

The network is loaded while the images are read; the backbone runs once over all images,
training and test alike, but only training images reach the solver.
"""

from __future__ import annotations

import gc
import hashlib
import platform
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from headswap.cluster.crew import Crew
from headswap.data.ingest import KEEP_BYTES, Elsewhere, FileRecords, IngestedImages, ingest
from headswap.data.layout import PlacedFile
from headswap.data.manifest import Manifest, SkippedFile
from headswap.data.split import split, split_as
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import store_for
from headswap.errors import TooFewImages
from headswap.evaluation.report import Report
from headswap.events import Listener, Note, Progress, silent
from headswap.features.latency import pace_of, size_of
from headswap.network import InputSpec, Network
from headswap.pipeline.bundle_writer import bind, report_of
from headswap.pipeline.dataset_elsewhere import NOT_CAUGHT, backbone_of, is_worth_a_cluster, see_dataset
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.loading import NetworkOrigin, load_as_asked
from headswap.pipeline.spread import read_elsewhere
from headswap.pipeline.spread_runs import runs_on
from headswap.pipeline.stats import RunStats
from headswap.pipeline.together import with_processes
from headswap.pipeline.unlabeled import read_unlabeled
from headswap.storage.files import discard
from headswap.storage.records import read_record
from headswap.threads import machine_text, torch_threads
from headswap.training.budget import Budget
from headswap.training.config import TrainConfig, replayed
from headswap.training.progress import LastWord
from headswap.training.streaming import FeatureStream
from headswap.training.task import TrainingTask
from headswap.training.train import train_head
from headswap.zoos.catalogue import DEFAULT_SETTINGS, describe_network
from headswap.zoos.zoo import ZooSettings

# The images of an experiment, from a folder, a zip or dataset.json, on their way through the backbone.

DATASET = "dataset.json"
_A_FEW_BYTES = 16 * 2**20  # of prepared images are kept when the head alone is trained: some are seen again


def read_images(
    experiment: Experiment,
    spec: InputSpec,
    workspace: Path,
    listener: Listener,
    stream: FeatureStream | None = None,
    crew: Crew | None = None,
) -> IngestedImages:
    """Decode every image once, as the network wants it; the stream takes it from there.

    The source is a folder, a zip, or the dataset.json that the page keeps for a project. A crew reads most of
    a folder or zip elsewhere, and sees what the page keeps; features are found where they were put.
    """
    source = Path(experiment.data.source)
    if source.name == DATASET and source.is_file():
        manifest: Manifest = read_record(Manifest, source)
        if crew and stream:
            see_dataset(crew, experiment, _config_of(experiment), manifest, stream, listener)
        return IngestedImages(manifest=manifest, prepared={})
    store = store_for(source, workspace)
    intake = ingest(
        source,
        store=store,
        prepare=lambda image: prepare(image, spec),
        wanted_px=wanted_px(spec),
        keep_bytes=KEEP_BYTES if experiment.train.depth != "head" else _A_FEW_BYTES,
        sink=stream,
        elsewhere=_elsewhere(crew, experiment, store, stream, listener) if crew and stream else None,
        listener=listener,
    )
    if crew and stream and stream.builder:
        stream.builder.refresh_index()
    return intake


def _elsewhere(
    crew: Crew, experiment: Experiment, store: Path | None, stream: FeatureStream, listener: Listener
) -> Elsewhere:
    """What reads files on a crew, once this machine has settled which engine sees them."""

    def read(source: Path, placed: Sequence[PlacedFile]) -> Generator[FileRecords, None, None] | None:
        backbone = backbone_of(experiment, _config_of(experiment), stream) if placed else None
        if backbone is None:
            if placed:
                listener(NOT_CAUGHT)
            return None
        return read_elsewhere(crew, source, store, placed, backbone)

    return read


def stream_of(
    experiment: Experiment,
    spec: InputSpec,
    workspace: Path,
    network: Callable[[], Network],
) -> FeatureStream:
    """Where the images go while they are decoded: through the backbone of a network that still loads."""
    config = _config_of(experiment)
    return FeatureStream(
        network=network,
        spec=spec,
        head_path=experiment.head_path,
        head=config.head,
        engine=experiment.replay.engine if experiment.replay else None,
        folder=workspace / "features",
        batch_size=experiment.train.batch_size,
        flip=config.flip,
    )


def _config_of(experiment: Experiment) -> TrainConfig:
    """How the head is trained: as chosen, and where a run is repeated as it was measured then."""
    replay = experiment.replay
    return replayed(experiment.train, replay) if replay else experiment.train


_TOLD = ("leak", "two-classes", "two-labels")  # findings that change how far a result can be trusted


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave, for the shell and for Python."""

    bundle: str  # the sealed folder
    model: str  # with its zoo, such as "timm/resnet18"
    report: Report  # how good it is
    counts: dict[str, int]  # images of each class
    train_images: int  # in the training part
    test_images: int  # in the test part
    left_out: tuple[SkippedFile, ...]  # what could not be read
    engine: str  # what ran the backbone
    seconds: dict[str, float]  # of each step, and "total"
    figures: RunStats  # what it cost, how large and how fast the network is


@dataclass
class _Clock:
    """Seconds of each step, as they add up."""

    seconds: dict[str, float] = field(default_factory=dict)
    start: float = field(default_factory=time.perf_counter)

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.perf_counter() - begin, 3)

    @property
    def passed_s(self) -> float:
        return time.perf_counter() - self.start

    def stop(self) -> dict[str, float]:
        return {**self.seconds, "total": round(self.passed_s, 3)}


def run_experiment(  # noqa: PLR0913
    experiment: Experiment,
    out: Path,
    *,
    workspace: Path,
    settings: ZooSettings = DEFAULT_SETTINGS,
    recorded: Manifest | None = None,
    crew: Crew | None = None,
    processes: int | None = None,
    listener: Listener = silent,
) -> Outcome:
    """Train a new head and leave a bundle.

    Args:
        experiment: every choice.
        out: where the bundle goes; must not exist.
        workspace: a folder for features and unpacked zips; safe to delete between runs.
        settings: where weights come from, and whether the model may be Python code.
        recorded: the images of a run that is repeated: their groups and parts hold for the same ones.
        crew: reads and sees the images, and tries how far to go; None: this process. Same bundle.
        processes: that make each run of fine-tuning together; None: one on each GPU, and for a run that is
            repeated as many as then.
        listener: hears every step; may raise `Cancelled`.

    Returns:
        Where the bundle is, its report, and what was taught with which images.

    Raises:
        BadSetting: a choice that this network or these images do not allow.
        ModelNotFound, WeightsNotHere, WeightsDamaged: as `load_network`.
        HeadNotFound, SwapFailed: as `swap_head`.
        BadUpload, TooFewImages: the images cannot be read, or are too few to train and to test with.
        DiskFull: the bundle could not be written; there is none then.
    """
    clock, config = _Clock(), _config_of(experiment)
    listener = listener if listener is silent else LastWord(listener)
    unfinished = _unfinished(out, workspace if crew else None)
    own = describe_network(experiment.model, settings=settings).input
    spec = own.sized(config.px).fitted(config.crop_mode)
    with torch_threads(experiment.replay.threads if experiment.replay else None), _libraries_uncollected():
        with ThreadPoolExecutor(1) as background:  # torch and weights load meanwhile
            loading = background.submit(_load, experiment, config, settings, clock, listener)
            stream = stream_of(experiment, spec, workspace, loading.result)
            with clock.timing("pictures"):
                intake = read_images(experiment, spec, workspace, listener, stream, crew)
            network = loading.result()
        intake = _parted(intake, experiment, recorded, workspace, listener)
        task = _task(experiment, processes, intake, workspace, unfinished, stream, crew)
        task = replace(task, budget=Budget(config.budget_s, spent_s=clock.passed_s))
        trained = train_head(task, network, timing=clock.timing, listener=listener)
        network = trained.network
        listener(Progress("evaluate", 0, 1))
        with clock.timing("evaluate"):
            report = report_of(trained, intake.manifest)
        if isinstance(listener, LastWord):
            listener.conclude(report)
        with _saving(clock, listener):
            bind(out, experiment, task, trained, network, report)
    discard(unfinished)
    seconds = clock.stop()
    return Outcome(
        bundle=str(out),
        model=network.card.full_name,
        report=report,
        counts=intake.manifest.counts,
        train_images=len(intake.manifest.part("train")),
        test_images=len(intake.manifest.part("test")),
        left_out=intake.manifest.left_out,
        engine=trained.engine,
        seconds=seconds,
        figures=_figures(task, network, seconds["total"]),
    )


def _load(
    experiment: Experiment, config: TrainConfig, settings: ZooSettings, clock: _Clock, listener: Listener
) -> Network:
    with clock.timing("load"):
        return load_as_asked(_origin(experiment, config), settings=settings, listener=listener)


def _origin(experiment: Experiment, config: TrainConfig) -> NetworkOrigin:
    return NetworkOrigin(
        model=experiment.model,
        weights=str(Path(experiment.weights).resolve()) if experiment.weights else None,
        px=config.px,
        crop_mode=config.crop_mode,
    )


def _unfinished(bundle: Path, common: Path | None) -> Path:
    """Where checkpoints are: next to the bundle, or where all machines of a crew see them.

    There the name of this machine tells them from those of another one whose bundle has the same path.
    """
    if common is None or bundle.resolve().is_relative_to(common.resolve()):
        return bundle.with_name(f".{bundle.name}.unfinished")
    digest = hashlib.sha256(f"{platform.node()}:{bundle.resolve()}".encode()).hexdigest()
    return common / "unfinished" / digest[:16]


def _task(
    experiment: Experiment,
    processes: int | None,
    intake: IngestedImages,
    workspace: Path,
    unfinished: Path,
    stream: FeatureStream,
    crew: Crew | None,
) -> TrainingTask:
    """What is trained; when a run is repeated, with nothing left to be measured."""
    replay, config = experiment.replay, _config_of(experiment)
    origin = _origin(experiment, config)
    task = TrainingTask(
        manifest=intake.manifest,
        intake=intake,
        config=config,
        features_folder=workspace / "features",
        head_path=experiment.head_path,
        seed=experiment.data.seed,
        engine=replay.engine if replay else None,
        prepared_for=stream.spec,
        head=replay.head if replay else None,
        takes_guesses=bool(replay.unlabeled) if replay else None,
        source=stream.source,
        builder=stream.builder,
        checkpoints=unfinished,
        runs_elsewhere=runs_on(crew, origin, experiment.head_path, intake.manifest)
        if crew and _are_tries_spread(experiment, intake)
        else None,
    )
    if processes is None and replay:
        processes = replay.processes
    return with_processes(task, processes, origin, experiment.head_path, crew)


def _are_tries_spread(experiment: Experiment, intake: IngestedImages) -> bool:
    """A project of few images is tried where it is: no one asked a cluster for this run alone."""
    return Path(experiment.data.source).name != DATASET or is_worth_a_cluster(len(intake.manifest.images))


def _figures(task: TrainingTask, network: Network, seconds: float) -> RunStats:
    """Its pace is measured last of all, when the run itself does nothing any more."""
    parameters, size_bytes = size_of(network.module)
    pace_ms = pace_of(network, task.prepared(task.manifest.images[0], network))
    return RunStats(
        seconds=seconds,
        parameters=parameters,
        size_bytes=size_bytes,
        ms_per_image=round(pace_ms, 2),
        machine=machine_text(),
    )


@contextmanager
def _saving(clock: _Clock, listener: Listener) -> Iterator[None]:
    """Announce the save before it begins: from here on nothing is cut."""
    listener(Progress("save", 0, 1))
    with clock.timing("save"):
        yield


@contextmanager
def _libraries_uncollected() -> Iterator[None]:
    """Inside, the garbage collector leaves alone what there was before: half a million objects.

    Searching them again and again takes a twentieth of a short run. Anyone who has set something
    aside before keeps it so.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _parted(
    intake: IngestedImages,
    experiment: Experiment,
    recorded: Manifest | None,
    workspace: Path,
    listener: Listener,
) -> IngestedImages:
    """The same images with their parts, and others without a label; what a split cannot correct is told."""
    data, replay, unlabeled = experiment.data, experiment.replay, None
    manifest = split_as(intake.manifest, recorded) if recorded is not None else None
    manifest = manifest or split(intake.manifest, test_share=data.test_share, seed=data.seed)
    if not manifest.part("test"):
        raise TooFewImages(
            "There are too few pictures to lock any away for the test.",
            remedy="Give each class at least two different pictures, or films; ten or more are better.",
        )
    for finding in manifest.findings:
        if finding.code in _TOLD:
            listener(Note(finding.sentence))
    if data.unlabeled and not (replay and not replay.unlabeled):
        unlabeled = read_unlabeled(Path(data.unlabeled), manifest, workspace, listener, seed=data.seed)
    return replace(intake, manifest=manifest, unlabeled=unlabeled)
