"""`headswap edit BUNDLE OUT`: other classes for a bundle, without the images that it was trained on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headswap.cli.progress import Bars
from headswap.cli.verb import VerbAnswer, Verbs, add_bundle, left_out_lines, left_out_record, new_verb
from headswap.errors import BadSetting

if TYPE_CHECKING:
    from headswap.pipeline.edit import EditOutcome


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "edit", run)
    add_bundle(sub)
    sub.add_argument("out", help="where the new bundle goes; must not exist. BUNDLE stays as it is")
    sub.add_argument(
        "--add",
        nargs="+",
        metavar="FOLDER",
        default=[],
        help="a folder or zip of class folders, or of the pictures of one class, named after it; a class "
        "that is there already gets more pictures",
    )
    sub.add_argument("--remove", nargs="+", metavar="CLASS", default=[], help="classes to leave out")
    sub.add_argument(
        "--merge",
        nargs="+",
        action="append",
        metavar="CLASS",
        default=[],
        help="classes to put together, and last the name that they get; may be given again",
    )
    sub.add_argument(
        "--rename",
        nargs=2,
        action="append",
        metavar=("OLD", "NEW"),
        default=[],
        help="another name for a class; may be given again",
    )
    sub.add_argument(
        "--absent",
        nargs="+",
        metavar="LABEL",
        default=[],
        help="new labels that no old picture has, where a picture may have several; without this it is not "
        "known, and the old pictures are left out where the label is learned and judged",
    )


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Add, remove, merge or rename classes of a bundle without its old pictures, as a new bundle."""
    from headswap.evaluation.summary import summary_of
    from headswap.pipeline.edit import edit

    with Bars() as bars:
        done = edit(
            choices.bundle,
            choices.out,
            add=choices.add,
            remove=choices.remove,
            merge=_merges(choices.merge),
            rename=_renames(choices.rename),
            absent=choices.absent,
            allow_code=choices.allow_code,
            workspace=choices.workspace,
            listener=bars,
        )
    lines = [
        *summary_of(done.report),
        *left_out_lines(done.left_out),
        f"{done.bundle} is ready after {done.seconds:.1f} s; it answers {', '.join(done.report.classes)}.",
    ]
    return VerbAnswer(_record_of(done), "\n".join(lines))


def _merges(given: list[list[str]]) -> dict[str, list[str]]:
    merges: dict[str, list[str]] = {}
    for *names, into in given:
        if not names or into in merges:
            raise BadSetting(
                f"--merge {' '.join([*names, into])} does not say what becomes what.",
                remedy="Name two or more classes and then the name that they get: --merge owl heron bird.",
            )
        merges[into] = names
    return merges


def _renames(given: list[list[str]]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for old, new in given:
        if old in renames:
            raise BadSetting(f"{old} is renamed twice.", remedy="Say once what becomes of a class.")
        renames[old] = new
    return renames


def _record_of(done: EditOutcome) -> dict[str, Any]:
    report = done.report
    return {
        "bundle": done.bundle,
        "changes": list(done.changes),
        "classes": done.counts,
        "added": done.added,
        "train_images": done.train_images,
        "accuracy": report.accuracy,
        **({"mean_average_precision": report.mean_average_precision} if report.is_multi_label else {}),
        "method": report.method,
        "interval": list(report.interval),
        "left_out": left_out_record(done.left_out),
        "advice": [one.sentence for one in report.advice],
        "seconds": done.seconds,
    }
