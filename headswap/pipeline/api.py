"""The verbs as Python functions: what a shell, a notebook and the page call.

Here are `models`, `inspect`, `check`, `train`, `predict` and `evaluate`. The others have modules of their
own: `compare`, `edit`, `label` and `many` (`sort`) next to this one, `headswap.data.film_link`,
`headswap.exports.export` and `headswap.lessons.catalogue`; `headswap` offers all of them by their names.
Libraries are imported when a verb is called: `headswap.models()` loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from headswap.errors import BadSetting, BadUpload
from headswap.events import Listener, silent
from headswap.pipeline.resources import (
    crew_if,
    crew_on,
    loaded,
    path_of,
)
from headswap.storage.files import remove, write_text
from headswap.storage.locations import folder_of_copies, writable
from headswap.training.config import HeadChoice, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL, list_networks

if TYPE_CHECKING:
    from headswap.bundle.evaluate import BundleEvaluation
    from headswap.bundle.prediction import Prediction
    from headswap.bundle.predictor import Bundle
    from headswap.data.manifest import Manifest, SkippedFile
    from headswap.errors import UnreadableImage
    from headswap.network import NetworkCard
    from headswap.pipeline.inspect import Inspection
    from headswap.pipeline.run import Outcome


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a bundle says of several images."""

    answers: tuple[Prediction, ...]  # in the order of the images
    left_out: tuple[SkippedFile, ...]  # what is no image that can be read, with the reason


def models(pattern: str | None = None) -> tuple[NetworkCard, ...]:
    """Every architecture that the zoos know.

    Args:
        pattern: part of a full name such as "timm/resnet50", or a pattern such as "resnet*"; None: all.

    Returns:
        A card for each, without weights: its input, its number of parameters, its licence where stated.
    """
    return list_networks(pattern)


def inspect(model: str, *, head: str | None = None, weights: str | Path | None = None) -> Inspection:
    """Find the head of a network and describe what surrounds it; no weight is loaded.

    Args:
        model: of some zoo, or "package.module:factory".
        head: take this layer as the head; it is proved like any other.
        weights: your own weight file, which decides the number of classes.

    Returns:
        Its card, where the head is, the evidence for it, and how many numbers stay and go.

    Raises:
        ModelNotFound: no zoo knows the name.
        HeadNotFound: it is no classifier, or which layer is the head cannot be told for sure.
        WeightsDamaged: the file is altered, unsafe, or made for another network.
    """
    from headswap.pipeline.inspect import inspect_network

    return inspect_network(model, path=head, weights=weights, allow_code=True)


def check(data: str | Path, *, workspace: str | Path | None = None, listener: Listener = silent) -> Manifest:
    """Read images and say what is wrong with them: `left_out` and `findings` of the manifest.

    Args:
        data: a folder of class folders, a zip of one, tar or Parquet shards, or the address of such, for
            example s3://bucket/birds.
        workspace: where a zip is unpacked, and what lies elsewhere is copied to; None: the system's cache
            folder.
        listener: hears how far it is.

    Raises:
        BadSetting: a package is missing that opens such an address.
        BadUpload: there is nothing there, or it cannot be opened.
        TooFewImages: images of fewer than two classes can be read.
    """
    from headswap.data.ingest import ingest
    from headswap.data.upload import store_for

    source = Path(data)
    store = store_for(source, folder_of_copies(workspace))
    return ingest(source, store=store, listener=listener).manifest


def train(  # noqa: PLR0913
    data: str | Path,
    *,
    unlabeled: str | Path | None = None,
    model: str = DEFAULT_MODEL,
    out: str | Path | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    weights: str | Path | None = None,
    head: str | None = None,
    config: TrainConfig | None = None,
    from_bundle: str | Path | None = None,
    workspace: str | Path | None = None,
    on: str | None = None,
    processes: int | None = None,
    listener: Listener = silent,
) -> Outcome:
    """Replace the head of a network and train it on the classes of a folder.

    Args:
        data: a folder of class folders, a zip of one, or a table next to its images; tar or Parquet
            shards; or the address of such, for example s3://bucket/birds. Where a table says several labels
            of an image, the head has a yes or no for each label.
        unlabeled: a folder or zip of other images that no one has labelled, or the one that `label` was
            given; the head also learns from its own guesses for those that have no label in `data`, unless
            cross-validation finds that worse. None of them is tested or counted. For one class per image.
        model: a network of some zoo, or "package.module:factory".
        out: where the bundle goes; must not exist. None: in the current folder, named after the data.
        test_share: of the images, locked away for the test, in (0, 0.9].
        seed: drives the split and the folds, 0 to 4294967295.
        weights: your own weight file for `model`.
        head: what the new head reads: "last" layer, "wide" (every layer), or "auto": whichever
            cross-validation finds better. Or the name of a layer to take as the head instead of finding it.
            None: as `config` says, which is usually "auto".
        config: how the head is trained.
        from_bundle: repeat the run that left this bundle, choice by choice: on the same images and machine
            the same head, bit for bit. Then only `data`, `unlabeled`, `out`, `weights` and `workspace`
            count.
        workspace: where features are kept between runs; None: the system's cache folder.
        on: "auto": the machines of the Ray cluster that this one has joined read and see the images; or the
            HOST:PORT of its head. `data`, `weights` and `workspace` must be seen by all of them. The bundle
            is the same. None: this machine alone.
        processes: of this machine that train more than the head together, each with its part of every batch;
            the last digits differ from those of one process. None: as HEADSWAP_PROCESSES says, or else one
            on each GPU.
        listener: hears events while it runs; may raise `Cancelled`.

    Raises:
        HeadswapError: anything you can put right, in two sentences.
    """
    _refuse_early(on, processes)
    from headswap.pipeline.experiment import DataConfig, Experiment
    from headswap.pipeline.replay import train_again
    from headswap.pipeline.run import run_experiment
    from headswap.storage.locations import path_for_bundle
    from headswap.zoos.zoo import ZooSettings

    folder = folder_of_copies(workspace)
    if from_bundle is not None:
        if (model, test_share, seed, head, config) != (DEFAULT_MODEL, 0.2, 0, None, None):
            raise BadSetting(
                "--from (from_bundle) repeats a run choice by choice, so no other choice can be followed.",
                remedy="Leave the other choices out, or leave that out and give every choice.",
            )
        with crew_if(on, data, weights, workspace=folder) as crew:
            return train_again(
                from_bundle, data, unlabeled=unlabeled, out=out, weights=weights, workspace=folder,
                crew=crew, processes=processes, listener=listener,
            )  # fmt: skip
    target, others = path_for_bundle(out, Path(data)), _named(unlabeled)
    train_config, path = _read_by(config or TrainConfig(), head)
    experiment = Experiment(
        data=DataConfig(source=str(Path(data)), test_share=test_share, seed=seed, unlabeled=others),
        model=model, weights=str(weights) if weights else None, head_path=path, train=train_config,
    )  # fmt: skip
    with crew_if(on, data, weights, workspace=folder) as crew:
        return run_experiment(
            experiment, target, workspace=folder, crew=crew, processes=processes,
            settings=ZooSettings(allow_code=True), listener=listener,  # the caller runs Python anyway
        )  # fmt: skip


teach = train


def _named(source: str | Path | None) -> str | None:
    from headswap.data.remote import url_of

    if source and not url_of(source) and not Path(source).exists():  # before all the others are read
        raise BadUpload(f"There is nothing at {source}.", remedy="Check --unlabeled: a folder or a zip.")
    return str(Path(source)) if source else None


def _read_by(config: TrainConfig, head: str | None) -> tuple[TrainConfig, str | None]:
    """The choices with what the new head reads, and the layer that a person points at."""
    if head in get_args(HeadChoice):
        return replace(config, head=cast(HeadChoice, head)), None
    if head is not None:  # who points at a layer wants that layer replaced
        return replace(config, head="last"), head
    return config, None


def predict(  # noqa: PLR0913
    bundle: str | Path | Bundle,
    images: str | Path | Sequence[str | Path],
    *,
    csv: str | Path | None = None,
    kept: str | Path | None = None,
    allow_code: bool = False,
    workspace: str | Path | None = None,
    on: str | None = None,
    listener: Listener = silent,
) -> Predictions:
    """Say what images show; files that cannot be read are left out by name.

    Args:
        bundle: the folder or zip that `train` wrote, or one that is loaded already.
        images: one path or several: files, folders with images at any depth, zips, shards, addresses.
        csv: a table to write: file, label, the share of every class. After a kill the same call goes on
            where it was, but not with `on`. None: no table.
        kept: a file in which every answer is written down at once. A run that was killed goes on from it,
            with the same bundle; it stays until you remove it. None: one next to `csv`, until that is whole.
        allow_code: let a bundle trained on your own code import that code.
        workspace: where what lies elsewhere is copied to; None: the system's cache folder.
        on: a cluster that reads and answers the images, as for `train`; `bundle` is a path then. The last
            digits may differ from those of this machine alone.
        listener: hears how far it is; may raise `Cancelled`.

    Raises:
        BadSetting: the cluster cannot be used, or must not.
        BundleDamaged: there is no whole bundle there.
        UnreadableImage: not one of the images can be read.
        BadUpload: a zip that cannot be opened.
    """
    if kept is not None and on is not None:
        raise BadSetting(
            "Answers of a cluster are not kept one by one.", remedy="Give either `kept` or `on`, not both."
        )
    target = writable(csv, "table")
    _refuse_early(on)
    from headswap.data.manifest import SkippedFile
    from headswap.errors import UnreadableImage

    asked = [images] if isinstance(images, str | Path) else images
    part = target.with_name(f".{target.name}.part") if target and not kept and not on else None
    said: list[Prediction] = []
    left_out, problem = [], None
    known = loaded(bundle, allow_code) if target or not on else None
    first = known if known and not on else bundle
    folder = folder_of_copies(workspace)
    for file, answer in _answers(first, asked, kept or part, allow_code, on, folder, listener):
        if isinstance(answer, UnreadableImage):
            problem = answer
            left_out.append(SkippedFile(file=file, reason=str(answer)))
        else:
            said.append(answer)
    if problem is not None and not said:
        raise problem
    if target is not None and known is not None:
        from headswap.pipeline.many import csv_of

        write_text(target, csv_of(said, known.classes, known.file_names))
    if part is not None:
        remove(part)
    return Predictions(answers=tuple(said), left_out=tuple(left_out))


def _answers(
    bundle: str | Path | Bundle,
    images: Sequence[str | Path],
    kept: str | Path | None,
    allow_code: bool,
    on: str | None,
    workspace: Path,
    listener: Listener,
) -> Iterator[tuple[str, Prediction | UnreadableImage]]:
    """The name of each image with its answer, from this process or from a cluster."""
    if on is None:
        from headswap.pipeline.kept_answers import KeptAnswers, fingerprint
        from headswap.pipeline.many import answers_of, found_in

        known = loaded(bundle, allow_code)
        found = found_in(images, workspace)
        before = KeptAnswers(Path(kept), fingerprint(known)) if kept is not None else None
        yield from ((file, said) for file, _, said in answers_of(known, found, listener, before))
        return
    path = path_of(bundle)
    from headswap.data.remote_upload import address_of

    copies = workspace if any(address_of(Path(one)) for one in images) else None
    with crew_on(on, path, *images, workspace=copies) as crew:
        from headswap.pipeline.spread_answers import answers_elsewhere

        yield from answers_elsewhere(
            crew, path, images, allow_code=allow_code, workspace=workspace, listener=listener
        )


def evaluate(
    bundle: str | Path | Bundle,
    data: str | Path,
    *,
    allow_code: bool = False,
    workspace: str | Path | None = None,
    on: str | None = None,
    listener: Listener = silent,
) -> BundleEvaluation:
    """Measure a bundle on any labelled folder; what it was trained or tested on is counted apart.

    Of several labels per image, right is an image with every label told rightly; `label_scores` say more.

    Args:
        bundle: the folder or zip that `train` wrote, or one that is loaded already.
        data: a folder of class folders, or a zip of one, shards, or an address, as for `train`.
        allow_code: let a bundle trained on your own code import that code.
        workspace: where a zip is unpacked; None: the system's cache folder.
        on: a cluster that reads and answers the images, as for `train`; `bundle` is a path then.
        listener: hears how far it is.

    Raises:
        BadSetting: the cluster cannot be used, or must not.
        BundleDamaged: there is no whole bundle there.
        BadUpload: there is nothing at `data`, or it cannot be opened.
        TooFewImages: no image of a class that the bundle knows.
    """
    source, folder = Path(data), folder_of_copies(workspace)
    if on is None:
        from headswap.bundle.evaluate import evaluate_bundle

        return evaluate_bundle(loaded(bundle, allow_code), source, workspace=folder, listener=listener)
    path = path_of(bundle)
    with crew_on(on, path, source, workspace=folder) as crew:
        from headswap.pipeline.spread_answers import evaluate_elsewhere

        return evaluate_elsewhere(
            crew, path, source, allow_code=allow_code, workspace=folder, listener=listener
        )


def _refuse_early(on: str | None, processes: int | None = None) -> None:
    """Say what speaks against a cluster, or a number of processes, before torch is loaded."""
    from headswap.cluster.gang import processes_asked

    processes_asked(processes)
    if on is not None:
        from headswap.cluster.joining import find_cluster

        find_cluster(on)
