"""`headswap predict BUNDLE IMAGE...`: say what pictures show."""

from __future__ import annotations

import argparse

from headswap.cli.verb import VerbAnswer, Verbs, add_bundle, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "predict", run)
    add_bundle(sub)
    sub.add_argument("images", nargs="+", metavar="IMAGE")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Say what pictures show."""
    from headswap.pipeline.api import predict

    said = predict(choices.bundle, choices.images, allow_code=choices.allow_code)
    predictions = said.answers
    left_out = [{"file": left.file, "reason": left.reason} for left in said.left_out]
    record = {
        "predictions": [
            {
                "file": one.file,
                "label": one.label,
                "probabilities": one.probabilities,
                "unlike": one.unlike,
                "is_unlike": one.is_unlike,
                "nearest": list(one.nearest),
                "old_head": one.old_head,
            }
            for one in predictions
        ],
        "left_out": left_out,
    }
    lines = [
        f"{one.file}: {one.label} ({one.sure:.0%}){' — unlike all practice pictures' * one.is_unlike}"
        for one in predictions
    ]
    lines += [f"left out: {left['file']}: {left['reason']}" for left in left_out]
    return VerbAnswer(record, "\n".join(lines))
