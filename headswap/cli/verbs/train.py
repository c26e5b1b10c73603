"""`headswap teach DATA`: replace the head of a network, teach it, leave a bundle."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, get_args

from headswap.cli.verb import (
    DATA,
    VerbAnswer,
    Verbs,
    add_cluster,
    add_shelf,
    add_weights,
    cluster_of,
    left_out_lines,
    left_out_record,
    new_verb,
    shelf_named,
)
from headswap.errors import BadSetting
from headswap.events import Listener
from headswap.network import CropMode
from headswap.pipeline.experiment import DataConfig
from headswap.storage.files import to_plain
from headswap.training.config import Depth, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from headswap.pipeline.run import Outcome

_USUAL = DataConfig(source="")
_CHOICES = {  # that a repeated run brings with it: option -> its name
    "--model": "model",
    "--head": "head",
    "--test-share": "test_share",
    "--seed": "seed",
    "--depth": "depth",
    "--budget": "budget",
    "--flip": "flip",
    "--crop-mode": "crop_mode",
    "--px": "px",
    "--no-features": "no_features",
}


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "teach", run)
    sub.add_argument("data", help=DATA)
    sub.add_argument(
        "--unlabeled",
        metavar="DATA",
        help="a folder or zip of other pictures that no one has labelled, or the folder of `headswap label`: "
        "the head also learns from its own guesses for them, unless cross-validation finds that worse",
    )
    sub.add_argument("--model", help=f"default: {DEFAULT_MODEL}")
    sub.add_argument(
        "--out",
        metavar="BUNDLE",
        help="where the bundle goes; default: in the current folder, named after DATA",
    )
    sub.add_argument(
        "--test-share", type=float, help=f"locked away for the test; default: {_USUAL.test_share}"
    )
    sub.add_argument(
        "--from",
        dest="again",
        metavar="BUNDLE",
        help="repeat the run that left BUNDLE, choice by choice; with it only --out, --unlabeled and "
        "--weights count",
    )
    sub.add_argument("--seed", type=int, help=f"drives the split; default: {_USUAL.seed}")
    sub.add_argument(
        "--depth",
        choices=get_args(Depth),
        help="what may move: the head alone, also the norms, the last blocks or everything; auto: further "
        f"than the head only where validation pictures say that it helps; default: {TrainConfig().depth}",
    )
    sub.add_argument(
        "--budget", type=float, metavar="SECONDS", help="for the whole run; the best found by then is kept"
    )
    _add_preprocessing(sub)
    sub.add_argument(
        "--no-features",
        action="store_true",
        help="keep no features of the pictures in the bundle: its classes can then not be changed later "
        "without the pictures (headswap edit)",
    )
    add_weights(sub)
    _add_machines(sub)
    sub.add_argument(
        "--head",
        metavar="last|wide|auto|LAYER",
        help="what the new head reads: the last layer, every layer, or whichever cross-validation finds "
        "better (the default); or the name of a layer to take as the head instead of finding it",
    )


def _add_machines(sub: argparse.ArgumentParser) -> None:
    """Which machines and processes do the work, and where they leave what others need."""
    add_shelf(sub)
    add_cluster(sub)
    sub.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="so many processes of this machine train more than the head together (--depth); default: "
        "HEADSWAP_PROCESSES, or else one on each GPU",
    )


def _add_preprocessing(sub: argparse.ArgumentParser) -> None:
    """How pictures are shown to the network."""
    sub.add_argument(
        "--flip",
        "--mirror",
        action="store_true",
        help="look at every picture twice, as it is and mirrored: twice the time, a little more often right",
    )
    sub.add_argument(
        "--crop-mode",
        "--fit",
        choices=get_args(CropMode),
        help="how a picture fills the network's frame: cut, squashed, or with a border; default: as the "
        "network's makers did it, and with --depth auto whichever cross-validation prefers",
    )
    sub.add_argument(
        "--px",
        type=int,
        metavar="N",
        help="show the network pictures of N×N px: smaller is faster; convolutional networks "
        "and most transformers take many sizes",
    )


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Replace the head of a network and teach it."""
    from headswap.cluster.launched import follow, launched, launched_rank

    with launched():
        if launched_rank():
            follow()  # rank 0 writes and reports
            sys.exit(0)
        return _trained(choices)


def _trained(choices: argparse.Namespace) -> VerbAnswer:
    with choices.new_bars() as bars:
        outcome = _again(choices, bars) if choices.again else _by_choices(choices, bars)
    from headswap.evaluation.summary import summary_of  # loads torch, which what is refused need not wait for

    lines = [
        *summary_of(outcome.report),
        *left_out_lines(outcome.left_out),
        f"{outcome.bundle} is ready after {outcome.seconds['total']:.1f} s.",
    ]
    return VerbAnswer(_record_of(outcome), "\n".join(lines))


def _again(choices: argparse.Namespace, bars: Listener) -> Outcome:
    from headswap.pipeline.api import train

    given = {option: getattr(choices, name) for option, name in _CHOICES.items()}
    said = [option for option, value in given.items() if value is not None and value is not False]
    if said:
        raise BadSetting(
            f"--from repeats a run choice by choice, so {' and '.join(said)} cannot be followed.",
            remedy="Leave that out, or leave out --from and give every choice.",
        )
    return train(
        choices.data,
        unlabeled=choices.unlabeled,
        from_bundle=choices.again,
        out=choices.out,
        weights=choices.weights,
        workspace=choices.workspace,
        shelf=shelf_named(choices),
        on=cluster_of(choices),
        processes=choices.processes,
        listener=bars,
    )


def _by_choices(choices: argparse.Namespace, bars: Listener) -> Outcome:
    from headswap.pipeline.api import train

    usual = TrainConfig()
    return train(
        choices.data,
        unlabeled=choices.unlabeled,
        model=choices.model or DEFAULT_MODEL,
        out=choices.out,
        test_share=_USUAL.test_share if choices.test_share is None else choices.test_share,
        seed=_USUAL.seed if choices.seed is None else choices.seed,
        weights=choices.weights,
        head=choices.head,
        config=TrainConfig(
            depth=choices.depth or usual.depth,
            budget_s=choices.budget,
            flip=choices.flip,
            crop_mode=choices.crop_mode,
            px=choices.px,
            keep_features=not choices.no_features,
        ),
        workspace=choices.workspace,
        shelf=shelf_named(choices),
        on=cluster_of(choices),
        processes=choices.processes,
        listener=bars,
    )


def _record_of(outcome: Outcome) -> dict[str, Any]:
    report = outcome.report
    return {
        "bundle": outcome.bundle,
        "model": outcome.model.partition("/")[2],
        "zoo": outcome.model.partition("/")[0],
        "classes": outcome.counts,
        "train_images": outcome.train_images,
        "test_images": outcome.test_images,
        "test_accuracy": report.accuracy,
        "method": report.method,
        "exam_right": report.test_right,
        "interval": list(report.interval),
        "baseline_accuracy": report.baseline_accuracy,
        **({} if not report.is_multi_label else {"labels": [to_plain(one) for one in report.label_scores]}),
        "left_out": left_out_record(outcome.left_out),
        "engine": outcome.engine,
        "advice": [one.sentence for one in report.advice],
        "seconds": outcome.seconds,
    }
