"""What every verb of the shell shares: its answer, and the arguments that several take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from headswap.data.manifest import SkippedFile

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # what add_subparsers gives

DATA = (
    "a folder of class folders, a zip of one, a table (labels.csv) next to images, tar or Parquet shards, or "
    "an address such as s3://bucket/birds"
)


@dataclass(frozen=True)
class VerbAnswer:
    """What a verb says."""

    record: dict[str, Any]  # the one object that --json prints
    text: str  # what people read
    code: int = 0  # of the process


def new_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], VerbAnswer]
) -> argparse.ArgumentParser:
    """A verb named and explained by the docstring of the function that does it."""
    sub = verbs.add_parser(name, help=(run.__doc__ or "").strip(), description=run.__doc__)
    sub.add_argument("--json", action="store_true", help="one JSON object on the last line of stdout")
    sub.set_defaults(run=run)
    return sub


def add_network(sub: argparse.ArgumentParser) -> None:
    """What every verb takes that loads a network."""
    add_weights(sub)
    sub.add_argument("--head", metavar="PATH", help="take this layer as the head instead of finding it")


def add_weights(sub: argparse.ArgumentParser) -> None:
    """Where weights come from that are a person's own."""
    sub.add_argument("--weights", metavar="FILE", help="your own weights: .safetensors, .pt or .pth")


def add_bundle(sub: argparse.ArgumentParser) -> None:
    """What every verb takes that opens a bundle."""
    sub.add_argument("bundle", help="the folder or zip that `headswap teach` wrote")
    sub.add_argument(
        "--allow-code", action="store_true", help="let a bundle taught on your own code import that code"
    )


def add_cluster(sub: argparse.ArgumentParser) -> None:
    """Where the work is done."""
    sub.add_argument(
        "--on",
        metavar="auto|HOST:PORT",
        help="let the machines of a Ray cluster read and see the pictures: the one that this machine has "
        "joined by `ray start`, or that of a head; default: HEADSWAP_CLUSTER, or else this machine alone",
    )


def add_shelf(sub: argparse.ArgumentParser) -> None:
    """What several machines have in common."""
    sub.add_argument(
        "--shelf",
        metavar="ADDRESS|FOLDER",
        help="where features are kept too, for other machines, such as s3://lab/shelf; default: "
        "HEADSWAP_SHELF",
    )


def shelf_named(choices: argparse.Namespace) -> str | None:
    """The shelf that was asked for, by an option or by the environment; None: none."""
    return getattr(choices, "shelf", None) or choices.environment.get("HEADSWAP_SHELF") or None


def cluster_of(choices: argparse.Namespace) -> str | None:
    """The cluster that was asked for, by an option or by the environment; None: none."""
    return choices.on or choices.environment.get("HEADSWAP_CLUSTER") or None


def left_out_record(left_out: Iterable[SkippedFile]) -> list[dict[str, str]]:
    """Files that were left out, with their reasons, for --json."""
    return [{"file": left.file, "reason": left.reason} for left in left_out]


def left_out_lines(left_out: Iterable[SkippedFile]) -> list[str]:
    """The same for people."""
    return [f"left out: {left.file}: {left.reason}" for left in left_out]
