"""Which network? Judge several on the same images, in the same folds; or let them race for it.

Flow:  images + names --compare--> Comparison: accuracy, seconds, size and pace of each
       images + "auto" --compare--> the same from a race (`headswap.pipeline.race`), with its winner

The head alone is judged: the frozen backbone runs once (features are kept on disk and shared with
every other run), then heads are solved in folds, plain and wide, each image judged by a head that
never saw it or a near duplicate of it; the wide one counts where it is clearly better. Penalties are
chosen inside the folds. Where an image may have several labels, mean average precision counts instead of
accuracy. A finished row is kept, so a comparison that was stopped goes on where it was; a
network that cannot be had is listed with the reason.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from headswap.errors import BadSetting, HeadswapError
from headswap.events import Listener, Note, silent
from headswap.network import Network
from headswap.pipeline.comparison import Comparison, ComparisonRow, dots_of
from headswap.pipeline.resources import crew_if
from headswap.pipeline.scoring import (
    NOT_LINEAR,
    ScoringTask,
    check_foldable,
    comparison_of,
    score_network,
    task_of,
)
from headswap.storage.files import from_json, to_json, write_text
from headswap.storage.locations import folder_of_copies, writable
from headswap.zoos.candidates import NetworkLimits
from headswap.zoos.catalogue import describe_network, load_network
from headswap.zoos.zoo import ZooSettings

_FORMAT = 3  # of a kept row and of the rules that made it; another number is measured again
AUTO = "auto"


def compare(  # noqa: PLR0913
    data: str | Path,
    *,
    models: Sequence[str] | Literal["auto"],
    folds: int = 5,
    seed: int = 0,
    fetch: bool = False,
    most_ms: float | None = None,
    most_mb: float | None = None,
    any_use: bool = False,
    plot: str | Path | None = None,
    workspace: str | Path | None = None,
    on: str | None = None,
    listener: Listener = silent,
    on_row: Callable[[ComparisonRow], None] | None = None,
) -> Comparison:
    """Judge several networks on the same images, or find the right one.

    Args:
        data: a folder of class folders, or a zip of one, shards, or an address, as for `train`. Where a table
            says several labels of an image, networks are compared by mean average precision.
        models: names of networks; or "auto": a race among all whose weights are on this machine. It is
            decided inside the training part, on some of its images first and on all of them at the end;
            the winner alone answers the test (`Comparison.race`).
        folds: 2 to 20; the same for every network, near duplicates on one side.
        seed: drives the folds, and in a race the split that `train` makes with the same seed.
        fetch: a race includes a short list of good networks, which are downloaded (some 390 MB).
        most_ms: a race leaves out what takes longer for one prediction on this machine, in milliseconds.
        most_mb: a race leaves out larger weights, in millions of bytes.
        any_use: a race leaves out whatever has no licence that allows any use, as its library states it.
        plot: a file that ends in .svg: accuracy against speed is drawn there. None: no drawing.
        workspace: where features and finished rows are kept; None: the system's cache folder.
        on: a cluster that reads and sees the images, as for `train`; None: this machine alone.
        listener: hears the progress of each; what it raises ends that network and is passed on, except
            a KeyboardInterrupt, after which the rows so far are returned.
        on_row: told each row as soon as it is there.

    Raises:
        BadSetting: no network, limits that no network keeps to or that were given without a race, or a
            number of folds that cannot be.
        TooFewImages: a class has not two images that differ.
    """
    if not 2 <= folds <= 20:
        raise BadSetting(f"folds is {folds}.", remedy="Choose 2 to 20, such as 5.")
    target = _plot_file(plot)
    limits = NetworkLimits(fetch=fetch, most_ms=most_ms, most_mb=most_mb, any_use=any_use)
    folder = folder_of_copies(workspace)
    with crew_if(on, data, workspace=folder) as crew:
        if models in (AUTO, [AUTO], (AUTO,)):
            from headswap.pipeline.race import RaceSetting, race

            setting = RaceSetting(limits=limits, folds=folds, seed=seed)
            raced = race(
                Path(data), setting, workspace=folder, crew=crew, listener=listener,
                on_row=on_row,
            )  # fmt: skip
            return _drawn(raced, target)
        names = _names_of(models, limits)
        settings = ZooSettings(allow_code=True)  # the caller runs Python anyway
        task = task_of(
            Path(data), names, folds=folds, seed=seed, workspace=folder, settings=settings,
            crew=crew, listener=listener,
        )  # fmt: skip
        return _drawn(_compared(task, names, listener, on_row), target)


def _plot_file(plot: str | Path | None) -> Path | None:
    path = Path(plot) if plot else None
    if path is not None and path.suffix.lower() != ".svg":
        raise BadSetting(f"The plot would be called {path.name}.", remedy="Let its name end in .svg.")
    if path is not None and not path.resolve().parent.is_dir():
        raise BadSetting(f"There is no folder {path.parent}.", remedy="Make it, or choose another.")
    return writable(path, "plot")


def _drawn(found: Comparison, path: Path | None) -> Comparison:
    """The same, with its networks in a drawing."""
    if path is not None:
        from headswap.plots.scatter import svg_file

        dots = dots_of(found)
        if not dots:
            why = found.rows[0].reason if found.rows else "Let it run longer."
            raise BadSetting("No network could be judged, so there is nothing to draw.", remedy=why)
        write_text(path, svg_file(dots, f"{found.scale.subject} against speed", found.scale))
    return found


def _compared(
    task: ScoringTask,
    names: Sequence[str],
    listener: Listener,
    on_row: Callable[[ComparisonRow], None] | None,
) -> Comparison:
    """Each network in its turn, as far as no one stops it."""
    check_foldable(task.manifest.classes, task.manifest.images)
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
    return comparison_of(task, rows, stopped=stopped)


def _names_of(models: Sequence[str], limits: NetworkLimits) -> tuple[str, ...]:
    names = (models,) if isinstance(models, str) else tuple(dict.fromkeys(models))
    if not names:
        raise BadSetting("There is no network to compare.", remedy="Name two or more.")
    if AUTO in names:
        raise BadSetting(
            "auto was given together with names of networks.",
            remedy="Give auto alone for a race, or names alone.",
        )
    if limits != NetworkLimits():
        raise BadSetting(
            "Limits and fetching are for a race among networks.",
            remedy="Give auto in the place of the names, or leave them out.",
        )
    return names


def _row(task: ScoringTask, name: str, listener: Listener) -> ComparisonRow:
    """A network's row: kept from an earlier comparison, or made now; never an error of one network."""
    try:
        start = time.perf_counter()
        full_name = describe_network(name, settings=task.settings).full_name
        network = load_network(full_name, listener=listener, settings=task.settings)
        kept = task.workspace / "comparisons" / f"{_key(task, network)}.json"
        if kept.is_file():
            return _read(kept)
        row = _measure(task, network, start, listener)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, to_json(row))
        return row
    except HeadswapError as error:
        return ComparisonRow(model=name, state="not done", reason=str(error))


def _read(kept: Path) -> ComparisonRow:
    row: ComparisonRow = from_json(ComparisonRow, kept.read_bytes())
    return row


def _key(task: ScoringTask, network: Network) -> str:
    """The key of a kept row: images, labels, folds, network and weights."""
    from headswap.features.extractor import weights_hash

    lines = [f"{image.sha256} {image.class_name} {image.group}" for image in task.manifest.images]
    several = [" ".join(image.labels or ()) for image in task.manifest.images if image.labels is not None]
    names = (network.card.full_name, weights_hash(network))
    parts = (str(_FORMAT), *names, str(task.folds), str(task.seed), *lines, *several)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _measure(task: ScoringTask, network: Network, start: float, listener: Listener) -> ComparisonRow:
    """Run the backbone, solve heads in folds, measure."""
    from headswap.features.latency import pace_of, size_of
    from headswap.heads.detect import locate_head
    from headswap.heads.swap import swap_located
    from headswap.training.head_choice import source_of
    from headswap.training.linear.heads import can_hold

    images = task.manifest.images
    located = locate_head(network)
    linear = can_hold(network.module, located.site, located.site.num_classes)
    source = source_of(network, located, "auto", len(images))
    judged = score_network(task, source, images, listener)
    seconds = time.perf_counter() - start
    network, _ = source.with_head(judged.head, swap_located(located, len(task.manifest.classes)))
    parameters, size_bytes = size_of(network.module)
    return ComparisonRow(
        model=network.card.full_name,
        state="done",
        right=judged.right,
        total=len(images),
        accuracy=judged.accuracy,
        interval=judged.interval,
        seconds=round(seconds, 2),
        computed=judged.computed,
        parameters=parameters,
        size_bytes=size_bytes,
        ms_per_image=round(pace_of(network, task.ready(network, images[0])), 2),
        head=judged.head,
        right_last=judged.right_last,
        note="" if linear else NOT_LINEAR,
        licence=network.card.licence,
        mean_average_precision=judged.mean_average_precision,
    )
