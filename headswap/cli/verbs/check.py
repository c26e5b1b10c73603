"""`headswap check DATA`: what would be left out, and what is odd about the pictures."""

from __future__ import annotations

import argparse

from headswap.cli.progress import Bars
from headswap.cli.verb import DATA, VerbAnswer, Verbs, left_out_lines, left_out_record, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "check", run)
    sub.add_argument("data", help=DATA)


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Read pictures and say what is wrong with them."""
    from headswap.pipeline.api import check

    with Bars() as bars:
        manifest = check(choices.data, workspace=choices.workspace, listener=bars)
    problems = left_out_record(manifest.left_out)
    warnings = [finding.sentence for finding in manifest.findings]
    lines = [f"{count:6} {name}" for name, count in manifest.counts.items()]
    lines += left_out_lines(manifest.left_out)
    lines += [f"- {sentence}" for sentence in warnings]
    return VerbAnswer(
        {"classes": manifest.counts, "problems": problems, "warnings": warnings}, "\n".join(lines)
    )
