"""Which network? Judge several on the same pictures, in the same folds.

Flow:  pictures + names --compare--> Comparison: accuracy, seconds, size and pace of each

The head alone is judged: the frozen body runs once (features are kept on disk and shared with
every other run), then heads are solved in folds, plain and wide, each picture judged by a head that
never saw it or a near duplicate of it; the wide one counts where it is clearly better. Penalties are
chosen inside the folds. A finished row is kept, so a comparison that was stopped goes on where it was; a
network that cannot be had is listed with the reason.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.data.upload import store_for
from headswap.errors import BadSetting, HeadswapError, TooFewImages
from headswap.evaluation.metrics import wilson_interval
from headswap.events import Listener, Note, Progress, silent
from headswap.field_types import keys_on_disk
from headswap.network import InputSpec, Network
from headswap.storage.files import from_json, to_json, write_text
from headswap.training.config import HeadKind
from headswap.zoos.catalogue import describe_network, load_network
from headswap.zoos.zoo import ZooSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from headswap.features.bank import FeatureBank
    from headswap.training.head_choice import FeatureSource

_FORMAT = 2  # of a kept row; another number is measured again


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One network."""

    __pydantic_config__ = keys_on_disk(ms_per_image="ms_per_picture")

    model: str  # zoo/name, or the name as it was asked for when there is none
    state: Literal["done", "not done"]
    reason: str = ""  # why not
    right: int = 0  # pictures, each judged by a head that never saw it
    total: int = 0
    accuracy: float | None = None
    interval: tuple[float, float] | None = None  # where the true share lies, 95 of 100 times
    seconds: float | None = None  # to load, to run the body and to solve, when it was measured
    computed: int = 0  # pictures that the body had to look at; of the others features were at hand
    parameters: int | None = None
    size_bytes: int | None = None
    ms_per_image: float | None = None  # one prediction, the best of two tries
    head: HeadKind = "last"  # what the better head reads: the last features, or every block too
    right_last: int = 0  # by a head that reads the last features alone
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of comparing networks, in the order that they were asked for."""

    counts: dict[str, int]  # pictures of each class
    folds: int
    rows: tuple[ComparisonRow, ...]
    left_out: tuple[SkippedFile, ...]
    baseline_class: str  # always saying this
    baseline_accuracy: float  # would get so many right
    stopped: bool = False  # by the person, before all were judged

    @property
    def best(self) -> ComparisonRow | None:
        """The most accurate; of equals the fastest."""
        done = [row for row in self.rows if row.accuracy is not None]
        return min(done, key=lambda row: (-(row.accuracy or 0), row.ms_per_image or 0), default=None)


@dataclass(frozen=True, kw_only=True)
class ComparisonTask:
    """What every network of one comparison has to do."""

    manifest: Manifest
    prepared: Mapping[str, NDArray[np.uint8]]  # sha256 -> (H, W, C), for networks with this input:
    spec: InputSpec | None
    folds: int
    seed: int
    workspace: Path
    settings: ZooSettings


def compare(
    data: str | Path,
    *,
    models: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    workspace: str | Path | None = None,
    listener: Listener = silent,
    on_row: Callable[[ComparisonRow], None] | None = None,
) -> Comparison:
    """Judge several networks on the same pictures.

    Args:
        data: a folder of class folders, or a zip of one.
        models: names of networks.
        folds: 2 or more; the same for every network, near duplicates on one side.
        seed: drives the folds.
        workspace: where features and finished rows are kept; None: the system's cache folder.
        listener: hears the progress of each; what it raises ends that network and is passed on, except
            a KeyboardInterrupt, after which the rows so far are returned.
        on_row: told each row as soon as it is there.

    Raises:
        BadSetting: no network, or a number of folds that cannot be.
        TooFewImages: a class has not two pictures that differ.
    """
    from platformdirs import user_cache_path

    names = tuple(dict.fromkeys(models))
    if not names:
        raise BadSetting("There is no network to compare.", remedy="Name two or more.")
    if not 2 <= folds <= 20:
        raise BadSetting(f"folds is {folds}.", remedy="Choose 2 to 20, such as 5.")
    place = Path(workspace) if workspace else user_cache_path("headswap")
    task = _task_of(Path(data), names, folds, seed, place, listener)
    rows: list[ComparisonRow] = []
    stopped = False
    try:
        for number, name in enumerate(names, start=1):
            listener(Note(f"{name} ({number} of {len(names)})"))
            rows.append(_row(task, name, listener))
            if on_row:
                on_row(rows[-1])
    except KeyboardInterrupt:
        stopped = True
    return _comparison(task, rows, stopped)


def _task_of(
    data: Path, names: Sequence[str], folds: int, seed: int, workspace: Path, listener: Listener
) -> ComparisonTask:
    settings = ZooSettings(allow_code=True)  # the caller runs Python anyway
    spec = None
    for name in names:
        try:
            spec = describe_network(name, settings=settings).input
            break
        except HeadswapError:
            continue  # its row will say why
    intake = ingest(
        data,
        store=store_for(data, workspace),
        prepare=(lambda image: prepare(image, spec)) if spec else None,
        wanted_px=wanted_px(spec) if spec else None,
        listener=listener,
    )
    _check_foldable(intake.manifest)
    return ComparisonTask(
        manifest=intake.manifest,
        prepared=intake.prepared,
        spec=spec,
        folds=folds,
        seed=seed,
        workspace=workspace,
        settings=settings,
    )


def _check_foldable(manifest: Manifest) -> None:
    for name in manifest.classes:
        if len({image.group for image in manifest.images if image.class_name == name}) < 2:
            raise TooFewImages(
                f"{name} has not two pictures that differ, so no head can be judged on one it never saw.",
                remedy="Add pictures of it; ten or more are better.",
            )


def _row(task: ComparisonTask, name: str, listener: Listener) -> ComparisonRow:
    """A network's row: kept from an earlier comparison, or made now; never an error of one network."""
    try:
        start = time.perf_counter()
        full_name = describe_network(name, settings=task.settings).full_name
        kept = task.workspace / "comparisons" / f"{_key(task, full_name)}.json"
        if kept.is_file():
            return _read(kept)
        network = load_network(full_name, listener=listener, settings=task.settings)
        row = _measure(task, network, start, listener)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, to_json(row))
        return row
    except HeadswapError as error:
        return ComparisonRow(model=name, state="not done", reason=str(error))


def _read(kept: Path) -> ComparisonRow:
    row: ComparisonRow = from_json(ComparisonRow, kept.read_bytes())
    return row


def _key(task: ComparisonTask, full_name: str) -> str:
    """Another picture, label, fold or network is another row."""
    lines = [f"{image.sha256} {image.class_name} {image.group}" for image in task.manifest.images]
    words = (str(_FORMAT), full_name, str(task.folds), str(task.seed), *lines)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def _measure(task: ComparisonTask, network: Network, start: float, listener: Listener) -> ComparisonRow:
    """Run the body, solve heads in folds, measure."""
    import torch

    from headswap.features.latency import pace_of, size_of
    from headswap.heads.detect import locate_head
    from headswap.heads.swap import swap_located
    from headswap.training.head_choice import is_clearly_better, source_of
    from headswap.training.linear.heads import can_hold

    manifest = task.manifest
    located = locate_head(network)
    linear = can_hold(network.module, located.site, located.site.num_classes)
    source = source_of(network, located, "auto", len(manifest.images))
    labels = torch.tensor([manifest.label(image) for image in manifest.images])
    logits, computed = _answers(task, source, labels, listener)
    is_wide = "wide" in logits and is_clearly_better(logits["last"], logits["wide"], labels)
    better: HeadKind = "wide" if is_wide else "last"
    seconds = time.perf_counter() - start
    network, _ = source.with_head(better, swap_located(located, len(manifest.classes)))
    parameters, size_bytes = size_of(network.module)
    right, total = int((logits[better].argmax(1) == labels).sum()), len(labels)
    return ComparisonRow(
        model=network.card.full_name,
        state="done",
        right=right,
        total=total,
        accuracy=right / total,
        interval=wilson_interval(right, total),
        seconds=round(seconds, 2),
        computed=computed,
        parameters=parameters,
        size_bytes=size_bytes,
        ms_per_image=round(pace_of(network, _prepared(task, network, manifest.images[0])), 2),
        head=better,
        right_last=int((logits["last"].argmax(1) == labels).sum()),
        note="" if linear else "judged by one linear layer; its own head is more than that",
    )


def _answers(
    task: ComparisonTask, source: FeatureSource, labels: Tensor, listener: Listener
) -> tuple[dict[HeadKind, Tensor], int]:
    """(N, C) answers out of fold of each kind of head, and how many pictures the body had to see for them."""
    from headswap.training.linear.cross_validation import cross_validate
    from headswap.training.linear.heads import has_bias

    bank = _bank(task, source, listener)
    kinds: tuple[HeadKind, ...] = ("last", "wide") if source.is_wide else ("last",)
    logits: dict[HeadKind, Tensor] = {}
    for number, kind in enumerate(kinds):
        listener(Progress("head", number, len(kinds), unit="heads"))
        reading = source.reads(kind)
        logits[kind] = cross_validate(
            bank.features[:, reading.columns],
            labels,
            [image.group for image in task.manifest.images],
            reading.site,
            has_bias=has_bias(reading.network.module, reading.site),
            folds=task.folds,
            seed=task.seed,
        )
    listener(Progress("head", len(kinds), len(kinds), unit="heads"))
    return logits, bank.computed


def _bank(task: ComparisonTask, source: FeatureSource, listener: Listener) -> FeatureBank:
    """The features of all pictures: the very same ones that teaching uses."""
    from headswap.features.autotune import extractor_for
    from headswap.features.bank import fill_bank

    images, folder = task.manifest.images, task.workspace / "features"
    return fill_bank(
        extractor_for(source.network, source.site, folder),
        [image.sha256 for image in images],
        lambda number: _prepared(task, source.plain, images[number]),
        folder=folder,
        listener=listener,
    )


def _prepared(task: ComparisonTask, network: Network, image: ImageRecord) -> NDArray[np.uint8]:
    """A picture as the network wants it: from memory where it is there, or read again."""
    ready = task.prepared.get(image.sha256) if network.input == task.spec else None
    if ready is not None:
        return ready
    return prepare(reread(task.manifest, image, wanted_px(network.input)), network.input)


def _comparison(task: ComparisonTask, rows: Sequence[ComparisonRow], stopped: bool) -> Comparison:
    manifest = task.manifest
    common = max(manifest.counts, key=lambda name: manifest.counts[name])
    return Comparison(
        counts=manifest.counts,
        folds=task.folds,
        rows=tuple(rows),
        left_out=manifest.left_out,
        baseline_class=common,
        baseline_accuracy=manifest.counts[common] / len(manifest.images),
        stopped=stopped,
    )
