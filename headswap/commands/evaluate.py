"""`headswap evaluate BUNDLE DATA`: measure a bundle on any labelled folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from headswap.commands.verb import Answer, Verbs, add_bundle, new_verb
from headswap.terminal import Bars


def add(verbs: Verbs) -> None:
    sub = new_verb(verbs, "evaluate", run)
    add_bundle(sub)
    sub.add_argument("data")


def run(choices: argparse.Namespace) -> Answer:
    """Measure a bundle on any labelled folder."""
    from headswap.artefacts.evaluate import evaluate_bundle
    from headswap.artefacts.predictor import load_bundle

    bundle = load_bundle(choices.bundle, allow_code=choices.allow_code)
    with Bars() as bars:
        result = evaluate_bundle(bundle, Path(choices.data), workspace=choices.workspace, listener=bars)
    low, high = result.interval
    record = {
        "accuracy": result.accuracy,
        "images": result.images,
        "right": result.right,
        "interval": [low, high],
        "left_out": [{"file": left.file, "reason": left.reason} for left in result.left_out],
    }
    lines = [
        f"{result.right} of {result.images} right ({result.accuracy:.1%}; probably {low:.0%} to {high:.0%})."
    ]
    lines += [f"left out: {left.file}: {left.reason}" for left in result.left_out]
    return Answer(record, "\n".join(lines))
