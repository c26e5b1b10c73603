"""`headswap evaluate BUNDLE DATA`: measure a bundle on any labelled folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from headswap.cli.verb import (
    DATA,
    VerbAnswer,
    Verbs,
    add_bundle,
    add_cluster,
    cluster_of,
    left_out_lines,
    left_out_record,
    new_verb,
)
from headswap.storage.files import to_plain

if TYPE_CHECKING:
    from headswap.bundle.evaluate import BundleEvaluation, Tally

_HEADINGS: dict[str, str] = {
    "train": "Not counted, it was trained on them",
    "near-train": "Not counted, they look almost the same as pictures it was trained on",
    "test": "Not counted, they were in its test part, seen but not trained on",
    "near-test": "Not counted, they look almost the same as pictures of its test part",
}


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "evaluate", run)
    add_bundle(sub)
    sub.add_argument("data", help=DATA)
    add_cluster(sub)


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Measure a bundle on any labelled folder."""
    from headswap.evaluation.summary import label_line
    from headswap.pipeline.api import evaluate

    with choices.new_bars() as bars:
        result = evaluate(
            choices.bundle,
            choices.data,
            allow_code=choices.allow_code,
            workspace=choices.workspace,
            on=cluster_of(choices),
            listener=bars,
        )
    record = {
        **_figures(result.unseen),
        **({"labels": [to_plain(one) for one in result.label_scores]} if result.label_scores else {}),
        "seen": {how: _figures(tally) for how, tally in result.seen.items()},
        "seen_files": [{"file": one.file, "how": one.how} for one in result.seen_files],
        "left_out": left_out_record(result.left_out),
    }
    lines = [_headline(result), *map(label_line, result.label_scores)]
    lines += [
        f"{_HEADINGS[how]}: {tally.right} of {tally.images} right." for how, tally in result.seen.items()
    ]
    if result.seen:
        lines.append("--json names each of these pictures.")
    lines += left_out_lines(result.left_out)
    return VerbAnswer(record, "\n".join(lines))


def _headline(result: BundleEvaluation) -> str:
    """The figure for pictures that the network had not seen, or that there is none."""
    if result.accuracy is None or result.interval is None:
        return (
            "Every picture here was seen before, so these figures do not say how good the network is. "
            "Give pictures that it was not taught with."
        )
    low, high = result.interval
    new = "" if not result.seen else " of the pictures that it had not seen"
    every = "Every label right on " * bool(result.label_scores)
    return (
        f"{every}{result.right} of {result.images}{' right' * (not every)}{new} "
        f"({result.accuracy:.1%}; probably {low:.0%} to {high:.0%})."
    )


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "accuracy": tally.accuracy,
        "images": tally.images,
        "right": tally.right,
        "interval": list(tally.interval) if tally.interval else None,
    }
