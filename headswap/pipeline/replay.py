"""Repeat a run from what its bundle says: nothing is chosen or measured again.

Flow:  bundle + the same images --train_again--> the same head, bit for bit, and what differs in words

Settings, seed, engine, precision, threads, penalty and how far the network went come from
`experiment.json`; hashes of the images, of the pretrained weights and the versions are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headswap.bundle.format import EXPERIMENT, BundleCard, opened, read_card, read_dataset
from headswap.cluster.crew import Crew
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting
from headswap.events import Listener, Note, silent
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.run import Outcome, run_experiment
from headswap.storage.files import from_json
from headswap.storage.locations import folder_of_copies, path_for_bundle
from headswap.zoos.zoo import ZooSettings


def train_again(  # noqa: PLR0913
    bundle: str | Path,
    data: str | Path,
    *,
    unlabeled: str | Path | None = None,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    workspace: str | Path | None = None,
    crew: Crew | None = None,
    processes: int | None = None,
    listener: Listener = silent,
) -> Outcome:
    """Repeat the run that left a bundle: on the same images and machine, the same head bit for bit.

    Args:
        bundle: the folder or zip.
        data: the images again; others are trained on with the same choices, and the listener hears so.
        unlabeled: the images without a label again, when the head learned from some.
        out, workspace, listener: as for `train`; crew, processes: as for `run_experiment`.
        weights: the weight file again, when it was your own.
    """
    with opened(Path(bundle)) as folder:
        before: Experiment = from_json(Experiment, (folder / EXPERIMENT).read_bytes())
        card, known = read_card(folder), read_dataset(folder)
    if before.weights and weights is None:
        raise BadSetting(
            f"This run began from your own weights, {before.weights}.", remedy="Give the file with --weights."
        )
    others = _unlabeled_again(before, unlabeled)
    source = Path(data)
    new_bundle = path_for_bundle(out, source)
    experiment = replace(
        before,
        data=replace(before.data, source=str(source), unlabeled=others),
        weights=str(weights) if weights else None,
    )
    target = folder_of_copies(workspace)
    settings = ZooSettings(allow_code=True)  # the caller runs Python anyway
    outcome = run_experiment(
        experiment,
        new_bundle,
        workspace=target,
        settings=settings,
        recorded=known,
        crew=crew,
        processes=processes,
        listener=listener,
    )
    for sentence in _differences(card, known, new_bundle):
        listener(Note(sentence))
    if before.replay and before.replay.unlabeled != _unlabeled_of(new_bundle):
        listener(Note("The pictures without a label are not the same as then, so the head is another one."))
    return outcome


def _unlabeled_of(bundle: Path) -> str:
    found: Experiment = from_json(Experiment, (bundle / EXPERIMENT).read_bytes())
    return found.replay.unlabeled if found.replay else ""


def _unlabeled_again(before: Experiment, unlabeled: str | Path | None) -> str | None:
    """Where the images without a label are this time; None: that run used none."""
    used = bool(before.replay and before.replay.unlabeled)
    if used and unlabeled is None:
        raise BadSetting(
            f"This run also learned from pictures without a label, {before.data.unlabeled}.",
            remedy="Give them with --unlabeled.",
        )
    if unlabeled is not None and not used:
        raise BadSetting(
            "This run learned from no pictures without a label.",
            remedy="Leave out --unlabeled, or leave out --from and give every choice.",
        )
    return str(Path(unlabeled)) if unlabeled is not None else None


def _differences(card: BundleCard, known: Manifest, folder: Path) -> Iterator[str]:
    """What is not as it was when a run is repeated."""
    now, images = read_card(folder), read_dataset(folder)
    if card.edits:
        yield "The classes of that bundle were changed after it was taught, so the head is another one."
    if {(p.sha256, p.class_name) for p in images.images} != {(p.sha256, p.class_name) for p in known.images}:
        yield "The pictures are not the same as then, so the head is another one."
    if now.backbone_sha256 != card.backbone_sha256:
        yield "The pretrained weights are not the same as then, so the head is another one."
    changed = sorted(name for name, version in card.versions.items() if now.versions.get(name) != version)
    if changed:
        names = ", ".join(changed)
        yield f"Other versions than then: {names}. The head may differ in its last digits."
