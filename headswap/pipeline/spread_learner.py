"""A run of fine-tuning in a process of a crew: the network as the one who asked for it has it, and the task.

Flow:  a folder with network, heads, images, choices + PlannedRun --make_run--> checkpoints in that folder

A run is the same wherever it is made: its seed, its threads and the head that it begins with are those of
the process that asked, and so are its checkpoints. A try whose machine died goes on from its last one
(docs/decisions/0058-tries-as-tasks.md).
"""

from __future__ import annotations

import hashlib
import socket
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from headswap.cluster.crew import Parcel, task
from headswap.cluster.ranks import hear, ranks_here
from headswap.data.manifest import Manifest
from headswap.data.store import reread
from headswap.data.transforms import prepare, uncut, wanted_px
from headswap.errors import BadSetting, UnopenedFile
from headswap.features.engines import Engine
from headswap.heads.detect import locate_head
from headswap.heads.site import HeadSite
from headswap.heads.swap import swap_located
from headswap.heads.wide import widen
from headswap.network import InputSpec
from headswap.pipeline.loading import NetworkOrigin, load_as_asked
from headswap.pipeline.spread import named_here, unopened_here
from headswap.storage.files import from_json, from_plain, make_folder, to_json, write_bytes, write_text
from headswap.threads import torch_threads
from headswap.training.budget import Budget
from headswap.training.config import TrainConfig
from headswap.training.finetune.batches import KEEP_BYTES, ImageBatches
from headswap.training.finetune.candidates import CandidateRunner, FinetuneSetup
from headswap.training.finetune.checkpoint import EpochResult
from headswap.training.finetune.records import Answer, PlannedRun
from headswap.training.targets import labels_of
from headswap.zoos.zoo import ZooSettings

SETUP, NETWORK, COUNT, PASSES = "setup.json", "network.safetensors", "count", "passes"
_TELL_S = 1.0  # how often a run says how far it is


@dataclass(frozen=True, kw_only=True)
class RunsSetup:
    """All that a machine needs to make runs of one search, but for the tensors."""

    origin: NetworkOrigin
    head_path: str | None
    manifest: Manifest
    input: InputSpec
    site: HeadSite  # of the new head
    config: TrainConfig
    seed: int
    engine: Engine
    flip: bool
    threads: int  # of torch: the last digits depend on them


@dataclass(frozen=True, kw_only=True)
class RunAsked:
    """One run of a search."""

    folder: str  # of the search
    planned: PlannedRun


@task
def make_run(parcel: Parcel) -> Parcel:
    """Make a run, or go on with it; what came of it is its last checkpoint.

    Raises:
        UnopenedFile: one of several processes that make it together cannot open an image.
    """
    asked: RunAsked = from_plain(RunAsked, parcel.facts)
    try:
        learner = _learner(asked.folder)
        with torch_threads(learner.about.threads):
            learner.run(asked.planned)
    except UnopenedFile as error:
        if not ranks_here().is_alone:  # an answer would leave the others waiting for this process
            raise named_here(error) from error
        return unopened_here(error)
    return Parcel()


class _Learner:
    """A network of this process that runs are made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: RunsSetup = from_json(RunsSetup, (folder / SETUP).read_bytes())
        with torch_threads(self.about.threads):
            self.setup = self._setup()
            self.runner = CandidateRunner(self.setup)
        self._is_filled = False

    def run(self, planned: PlannedRun) -> None:
        depth = planned.run_config.depth
        if depth == "last" and not self._is_filled:
            self._is_filled = self.runner.fill(frozenset({depth}), unheard)
        folder = self.folder / planned.name
        make_folder(folder / PASSES)
        test = _rows(self.about.manifest, "test")

        def on_epoch(result: EpochResult, answer: Answer) -> None:
            if planned.part is not None:
                return
            said = answer(test).contiguous()  # by all processes of a gang
            if self.setup.ranks.is_first:
                kept = save({"said": said}, {"result": to_json(result)})
                write_bytes(folder / PASSES / f"{result.number:05}", kept)

        ticks = _Ticks(folder / COUNT)
        self.runner.run(planned, tick=ticks, on_epoch=on_epoch)
        if self.setup.ranks.is_first:
            ticks.write()

    def _setup(self) -> FinetuneSetup:
        about = self.about
        network = load_as_asked(about.origin, settings=ZooSettings(allow_code=True)).seeing(about.input)
        located = locate_head(network, head=about.head_path)
        images, classes = about.manifest.images, len(about.manifest.classes)
        site = swap_located(located, classes).site
        if about.site.taps:
            network, site = widen(network, site, about.site.taps, classes)
        if site.all_paths != about.site.all_paths or not _fill(network.module.eval(), self.folder):
            raise BadSetting(
                f"{socket.gethostname()} finds another head in {about.origin.model} than the one that asks.",
                remedy="Install the same packages on every machine.",
            )
        train = _rows(about.manifest, "train")
        return FinetuneSetup(
            module=network.module,
            site=site,
            image_batches=_batches(about),
            train=train,
            labels=labels_of(about.manifest, images),
            groups=[images[row].group for row in train.tolist()],
            start=self._start,
            engine=about.engine,
            config=about.config,
            seed=about.seed,
            budget=Budget(None),
            folder=self.folder,
            flip=about.flip,
            ranks=ranks_here(),
        )

    @torch.no_grad()
    def _start(self, rows: Tensor) -> None:
        named = self.setup.module.state_dict()
        for name, value in load((self.folder / start_name(rows)).read_bytes()).items():
            named[name].copy_(value)


@lru_cache(maxsize=1)  # one network is in the memory of a process
def _learner(folder: str) -> _Learner:
    return _Learner(Path(folder))


class _Ticks:
    """Counts the images that a run has trained on, for the process that asked for it."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self._written = path, 0, time.monotonic()

    def __call__(self, images: int) -> None:
        self.count += images
        if time.monotonic() - self._written >= _TELL_S:
            self.write()
            hear()

    def write(self) -> None:
        self._written = time.monotonic()
        write_text(self.path, str(self.count))


def unheard(images: int) -> None:
    """No one listens."""


def _rows(manifest: Manifest, part: str) -> Tensor:
    return torch.tensor([row for row, image in enumerate(manifest.images) if image.part == part])


def _batches(about: RunsSetup) -> ImageBatches:
    images, spec = about.manifest.images, about.input
    fit = KEEP_BYTES // (spec.channels * spec.height * spec.width)
    return ImageBatches(
        spec,
        read_input=lru_cache(fit)(
            lambda row: prepare(reread(about.manifest, images[row], wanted_px=wanted_px(spec)), spec)
        ),
        read_uncut=lambda row: uncut(reread(about.manifest, images[row], wanted_px=wanted_px(spec)), spec),
    )


def start_name(rows: Tensor) -> str:
    """The file of a head that was solved on (n,) rows."""
    digest = hashlib.sha256(rows.numpy().tobytes()).hexdigest()
    return f"start-{digest[:16]}.safetensors"


def kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As they are written: on the processor, none sharing memory with another."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


@torch.no_grad()
def _fill(module: nn.Module, folder: Path) -> bool:
    """Give a network the weights that are on the shelf; whether they are its own."""
    own, theirs = module.state_dict(), load((folder / NETWORK).read_bytes())
    if {name: value.shape for name, value in own.items()} != {
        name: value.shape for name, value in theirs.items()
    }:
        return False
    for name, value in theirs.items():
        own[name].copy_(value)
    return True
