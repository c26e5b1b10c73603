"""`headswap sort BUNDLE IMAGES OUT`: copy pictures into one folder for each class."""

from __future__ import annotations

import argparse

from headswap.cli.progress import Bars
from headswap.cli.verb import VerbAnswer, Verbs, add_bundle, left_out_lines, new_verb
from headswap.counted import counted


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "sort", run)
    add_bundle(sub)
    sub.add_argument("images", help="a folder with pictures at any depth, a zip, shards, or an address")
    sub.add_argument("out", help="a folder that does not exist yet; pictures are copied, none is moved")
    sub.add_argument(
        "--least-sure", type=float, default=0.0, metavar="SHARE",
        help="keep apart what it is less sure of, such as 0.9; default: %(default)s",
    )  # fmt: skip


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Copy pictures into one folder for each class."""
    from headswap.pipeline.many import TABLE, sort
    from headswap.storage.files import to_plain

    with Bars() as bars:
        done = sort(
            choices.bundle,
            choices.images,
            choices.out,
            least_sure=choices.least_sure,
            allow_code=choices.allow_code,
            workspace=choices.workspace,
            listener=bars,
        )
    lines = [f"{count:>6}  {folder}" for folder, count in done.counts.items()]
    lines += left_out_lines(done.left_out)
    lines.append(f"{done.out} holds {counted(sum(done.counts.values()), 'copy', 'copies')} and {TABLE}.")
    return VerbAnswer(to_plain(done), "\n".join(lines))
