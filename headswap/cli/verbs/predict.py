"""`headswap predict BUNDLE IMAGE...`: say what pictures, folders and zips show."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.cli.verb import (
    VerbAnswer,
    Verbs,
    add_bundle,
    add_cluster,
    cluster_of,
    left_out_lines,
    left_out_record,
    new_verb,
)
from headswap.errors import BadSetting
from headswap.storage.files import remove, write_text
from headswap.storage.locations import why_not_writable

if TYPE_CHECKING:
    from headswap.bundle.prediction import Prediction


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "predict", run)
    add_bundle(sub)
    sub.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a picture, a folder of pictures, a zip, shards, or an address",
    )
    add_cluster(sub)
    sub.add_argument(
        "--csv",
        metavar="FILE",
        help="write a table: file, label, the share of every class; after a kill it goes on where it was, "
        "but not with --on",
    )


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Say what pictures show."""
    from headswap.bundle.predictor import load_bundle
    from headswap.cluster.joining import find_cluster
    from headswap.pipeline.api import predict
    from headswap.pipeline.many import csv_of

    target = Path(choices.csv) if choices.csv else None
    reason = why_not_writable(target) if target is not None else ""
    if reason:
        raise BadSetting(
            f"{target} cannot be written: {reason}.", remedy="Choose another place for the table."
        )
    on = cluster_of(choices)
    if on:
        find_cluster(on)  # what speaks against it is said before a bundle is loaded, and torch with it
    bundle = (
        choices.bundle
        if on and target is None
        else load_bundle(choices.bundle, allow_code=choices.allow_code)
    )
    kept = None
    if target is not None and on is None:
        kept = target.with_name(f".{target.name}.part")  # no picture among others
    with choices.new_bars() as bars:
        said = predict(
            choices.bundle if on else bundle,
            choices.images,
            kept=kept,
            allow_code=choices.allow_code,
            workspace=choices.workspace,
            on=on,
            listener=bars,
        )
    predictions = said.answers
    if target is not None:
        write_text(target, csv_of(predictions, bundle.classes, bundle.file_names))
    if kept is not None:
        remove(kept)
    record = {
        "predictions": [_fields(one) for one in predictions],
        "left_out": left_out_record(said.left_out),
    }
    lines = [
        f"{one.file}: {_said(one)}{' — unlike all practice pictures' * one.is_ood}" for one in predictions
    ]
    lines += left_out_lines(said.left_out)
    return VerbAnswer(record, "\n".join(lines))


def _fields(said: Prediction) -> dict[str, object]:
    """An answer for `--json`."""
    return {
        "file": said.file,
        "label": said.label,
        **({} if said.labels is None else {"labels": list(said.labels)}),
        "probabilities": said.probabilities,
        "unlike": said.ood_score,
        "is_unlike": said.is_ood,
        "nearest": list(said.nearest),
        "old_head": said.old_head,
    }


def _said(one: Prediction) -> str:
    """Its class, or each of its labels, and how sure that is."""
    if one.labels is None:
        return f"{one.label} ({one.sure:.0%})"
    return ", ".join(f"{name} ({one.probabilities[name]:.0%})" for name in one.labels) or one.label
